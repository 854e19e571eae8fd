"""A request and its answer, as they pass through the page's server (ASGI)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

MAX_UNREAD = 32 << 20
"""Bytes of a request that are read after its answer."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class HeardOut:
    """Middleware (ASGI) that ends an answer once its request is whole; what the answer did not wait for is thrown away.

    A connection that is closed with bytes unread is reset, and a client that was still sending loses its answer then.

    Args:
        app: that is behind it.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        is_whole = False

        async def reading() -> Message:
            nonlocal is_whole
            message = await receive()
            is_whole = not message.get("more_body", False)
            return message

        async def ending(message: Message) -> None:
            if message["type"] != "http.response.body" or message.get("more_body", False) or is_whole:
                return await send(message)
            await send({**message, "more_body": True})
            unread = 0
            while not is_whole and unread <= MAX_UNREAD:
                unread += len((await reading()).get("body", b""))
            await send({"type": "http.response.body", "body": b""})

        await self.app(scope, reading, ending)
