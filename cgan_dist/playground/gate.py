"""What of the web may reach the page, and what the page may reach: nothing but itself, and nothing large."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

MAX_BODY = 64 * 1024
"""Bytes of a request. Those of the page have a few hundred, or a few thousand with many attributes."""
NAMES = r"info|app_id|startup-events|theme\.css|heartbeat/\w+|queue/data|call/\w+/\w+|file=.+"
READS = re.compile(rf"/|/(config|theme\.css|favicon\.ico|manifest\.json|(static|assets)/.+|gradio_api/({NAMES}))/?")
WRITES = re.compile(r"/gradio_api/(queue/join|call/\w+|reset|cancel)/?")
"""All that the page needs. Gradio has more: uploads, a proxy, direct calls around the queue, monitoring."""
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; frame-ancestors 'none'; "
    "base-uri 'self'; form-action 'self'"
)
"""What a browser may load: from this server alone. Plots are compiled in the page, which is what `eval` is for."""
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class Gate:
    """Middleware (ASGI) that answers 403 to paths that the page does not need, and 413 to a large request.

    Args:
        app: that is behind it.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http" or not _is_open(scope["method"], scope["path"]):
            return await _refuse(scope, send, 403, "not part of the playground")
        body = await _body(receive)
        if body is None:
            return await _refuse(scope, send, 413, f"more than {MAX_BODY} bytes")
        pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return pending.pop() if pending else await receive()

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", []), *own]}
            await send(message)

        await self.app(scope, replay, with_headers)


def _is_open(method: str, path: str) -> bool:
    allowed = {"GET": READS, "HEAD": READS, "POST": WRITES}.get(method)
    return allowed is not None and allowed.fullmatch(path) is not None


async def _body(receive: Receive) -> bytes | None:
    """All of a request's body, or null for one that is too large; the rest of that is not read."""
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            return None
        if not message.get("more_body", False):
            return body


async def _refuse(scope: Message, send: Send, status: int, text: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
