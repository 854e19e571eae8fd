"""A client that never finishes its request is let go, and one that has asked is not."""

from __future__ import annotations

from typing import Any

import pytest

from cgan_dist.playground import connections
from tests.unit.playground.asgi_server import Open, ended, serving


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers at once, or, asked for /wait, with a part that is followed by nothing."""
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x" * 8, "more_body": scope["path"] == "/wait"})
    if scope["path"] == "/wait":
        await receive()


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab"])
def test_a_request_that_is_never_whole_is_ended(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.05)

    async def use(opened: Open) -> None:
        reader, _ = await opened(sent)
        assert await ended(reader) == b""

    serving(app, use)


def test_the_second_request_of_a_connection_has_to_be_whole_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.05)

    async def use(opened: Open) -> None:
        reader, writer = await opened(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        writer.write(b"GET / HT")
        assert b"200 OK" not in await ended(reader)

    serving(app, use)


def test_who_waits_makes_room_and_who_has_asked_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PER_CLIENT", 4)

    async def use(opened: Open) -> None:
        asked, _ = await opened(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
        await asked.readuntil(b"x" * 8)
        halves = [await opened(b"GET / HT") for _ in range(20)]
        reader, _ = await opened(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert b"200 OK" in await ended(reader)
        assert [await ended(reader) for reader, _ in halves[:17]] == [b""] * 17
        assert not asked.at_eof()

    serving(app, use)


def test_one_client_has_no_more_than_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PER_CLIENT", 2)

    async def use(opened: Open) -> None:
        for _ in range(2):
            asked, _ = await opened(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
            await asked.readuntil(b"x" * 8)
        reader, _ = await opened(b"")
        assert await ended(reader) == b""

    serving(app, use)
