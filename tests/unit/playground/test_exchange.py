"""An answer that comes before the end of its request arrives whole."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cgan_dist.playground import exchange
from cgan_dist.playground.exchange import App, HeardOut
from tests.unit.playground.asgi_server import Open, ended, serving

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
LENGTH, CHUNK = 4 << 20, bytes(1 << 16)


async def refuses(scope: Any, receive: Any, send: Any) -> None:
    """Says no before it has read anything."""
    await send({"type": "http.response.start", "status": 403, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"no"})


async def answered(opened: Open, app_reads: bool = False) -> bytes:
    """What a client reads that goes on sending after it could have had its answer."""
    reader, writer = await opened(HEAD % LENGTH + CHUNK)
    answer = b"" if app_reads else await reader.readuntil(b"no")
    for _ in range(LENGTH // len(CHUNK) - 1):
        writer.write(CHUNK)
        await writer.drain()
    return answer + await asyncio.wait_for(reader.read(), 30)


def test_a_refusal_is_said_at_once_and_the_connection_closed_once_the_request_is_whole() -> None:
    async def use(opened: Open) -> None:
        answer = await answered(opened)
        assert answer.startswith(b"HTTP/1.1 403")
        assert answer.endswith(b"no")

    serving(HeardOut(refuses), use)


def test_without_it_the_connection_is_reset() -> None:
    async def use(opened: Open) -> None:
        with pytest.raises(ConnectionError):
            await answered(opened)

    serving(refuses, use)


def test_no_more_than_a_bound_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "MAX_UNREAD", 1 << 18)

    async def use(opened: Open) -> None:
        with pytest.raises(ConnectionError):
            await answered(opened)

    serving(HeardOut(refuses), use)


@pytest.mark.parametrize("parts", [[b"all"], [b"in ", b"parts"], []])
def test_an_application_that_reads_is_left_alone(parts: list[bytes]) -> None:
    seen: list[int] = []

    async def reads(scope: Any, receive: Any, send: Any) -> None:
        more = True
        while more:
            message = await receive()
            seen.append(len(message["body"]))
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def use(opened: Open) -> None:
        answer = await answered(opened, app_reads=True)
        assert answer.startswith(b"HTTP/1.1 200")
        assert all(part in answer for part in parts)
        assert sum(seen) == LENGTH

    serving(HeardOut(reads), use)


def test_a_request_without_a_body_and_a_client_that_leaves_end_at_once() -> None:
    async def use(opened: Open) -> None:
        reader, _ = await opened(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert (await ended(reader)).endswith(b"no")
        reader, writer = await opened(HEAD % LENGTH)
        await reader.readuntil(b"no")
        writer.close()
        reader, _ = await opened(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert (await ended(reader)).endswith(b"no")

    serving(HeardOut(refuses), use)


def test_what_is_no_request_passes() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    served: App = HeardOut(app)
    asyncio.run(served({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert seen == ["lifespan"]
