"""What of the web may reach the page, and what the page may reach: nothing but itself, and nothing large."""

from __future__ import annotations

import base64
import hmac
import os
import re
from collections.abc import Collection, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

from cgan_dist.errors import UserError
from cgan_dist.playground.exchange import App, Message, Receive, Send
from cgan_dist.playground.question import MAX_BODY, TooLarge, checked_question
from cgan_dist.playground.visitors import Visitors

MAX_PICTURE_BODY = 11 << 20
"""Bytes of a request with a picture, as text; see `finder.MAX_BYTES`."""
LARGE_AT_ONCE = 4
"""Requests with a picture that are read at once; each is held in memory."""
ANSWERS, FILE, ASK = "/gradio_api/queue/data", "/gradio_api/file=", "/gradio_api/queue/join"
READS = re.compile(rf"/|/(theme\.css|favicon\.ico|manifest\.json|(static|assets)/[^?]+)|{ANSWERS}|{FILE}.+", re.DOTALL)
"""All that the page asks for. Gradio has some 60 routes more: uploads, a proxy, calls around the queue, monitoring."""
SESSION = re.compile(rb"session_hash=[A-Za-z0-9]{1,64}")
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
    "cross-origin-resource-policy": "same-origin",
}


class Refusal(NamedTuple):
    """Status and sentence of an answer that the application is not asked for."""

    status: int
    text: str


ELSEWHERE = Refusal(403, "not part of the playground")
FOREIGN = Refusal(403, "asked by a page of another origin")
BUSY = Refusal(503, "others are sending pictures; try again in a moment")
WHO = Refusal(401, "the playground has a password; it was printed where the server was started")


class Gate:
    """Middleware (ASGI) that lets through what the page asks for, and answers all else by itself.

    Args:
        app: that is behind it.
        files: the only folder that files are served from.
        inputs: how many values each event of the page takes, by its number.
        password: that a browser must give, with any name; null asks for none.
        pictures: numbers of the events whose first value may be a picture, as text.
        visitors: are told who listens for answers.
    """

    def __init__(
        self,
        app: App,
        files: Path,
        inputs: Mapping[int, int],
        password: str | None = None,
        pictures: Collection[int] = (),
        visitors: Visitors | None = None,
    ) -> None:
        self.app, self.files, self.inputs, self.password = app, files.resolve(), inputs, password
        self.pictures, self.visitors, self.large = pictures, visitors or Visitors(), 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        body = self._refusal(scope) or await self._body(scope["path"], receive)
        if scope["path"] == ASK and isinstance(body, bytes):
            body = self._question(body)
        if isinstance(body, Refusal):
            return await _refuse(send, body)
        pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return pending.pop() if pending else await receive()

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), *_own_headers()]}
            await send(message)

        listens = self.visitors.listening(scope["query_string"].decode()) if scope["path"] == ANSWERS else nullcontext()
        with listens:
            await self.app(_plain(scope, len(body)), replay, with_headers)

    def _refusal(self, scope: Message) -> Refusal | None:
        """Looks at all but the body."""
        method, path, headers = scope["method"], scope["path"], dict(scope["headers"])
        if _is_foreign(method, path, headers):
            return FOREIGN
        if self.password is not None and not _knows(headers.get(b"authorization", b""), self.password):
            return WHO
        if method == "POST" and path == ASK:
            is_json = headers.get(b"content-type", b"").split(b";")[0].strip() == b"application/json"
            return None if is_json else Refusal(415, "expected application/json")
        if method not in ("GET", "HEAD") or not READS.fullmatch(path):
            return ELSEWHERE
        if path.startswith(FILE) and not self._is_drawn(path.removeprefix(FILE)):
            return ELSEWHERE
        if path == ANSWERS and not SESSION.fullmatch(scope["query_string"]):
            return Refusal(400, "expected the session_hash of a page")
        return None

    def _is_drawn(self, name: str) -> bool:
        """Whether a path is that of a file in the served folder; links out of it are not."""
        try:
            place = Path(os.path.realpath(name))
        except (OSError, ValueError):
            return False
        return place.is_relative_to(self.files) and place.is_file()

    def _question(self, body: bytes) -> bytes | Refusal:
        try:
            return checked_question(body, self.inputs, self.pictures)
        except UserError as error:
            return Refusal(413 if isinstance(error, TooLarge) else 400, str(error))

    async def _body(self, path: str, receive: Receive) -> bytes | Refusal:
        """All of a request's body; the rest of one that is too large is not read."""
        most = MAX_PICTURE_BODY if path == ASK and self.pictures else MAX_BODY
        body, is_large = bytearray(), False
        try:
            while True:
                message = await receive()
                body += message.get("body", b"")
                if len(body) > most:
                    return Refusal(413, f"more than {most} bytes")
                if len(body) > MAX_BODY and not is_large:
                    if self.large >= LARGE_AT_ONCE:
                        return BUSY
                    is_large, self.large = True, self.large + 1
                if not message.get("more_body", False):
                    return bytes(body)
        finally:
            self.large -= is_large


def _is_foreign(method: str, path: str, headers: Mapping[bytes, bytes]) -> bool:
    """Whether a browser asks for another site's page; following a link to the front door is not that."""
    if (origin := headers.get(b"origin")) is not None:
        host = headers.get(b"host", b"")
        return origin not in (b"http://" + host, b"https://" + host)
    follows_link = method == "GET" and path == "/" and headers.get(b"sec-fetch-mode") == b"navigate"
    return headers.get(b"sec-fetch-site", b"none") not in (b"none", b"same-origin") and not follows_link


def _knows(authorization: bytes, password: str) -> bool:
    """Whether a header of HTTP's basic scheme has the password."""
    scheme, _, encoded = authorization.partition(b" ")
    try:
        given = base64.b64decode(encoded).partition(b":")[2] if scheme.lower() == b"basic" else b""
    except ValueError:
        return False
    return hmac.compare_digest(given, password.encode())


def _plain(scope: Message, length: int) -> Message:
    """The request without what Gradio would take hints from: parameters, and what proxies say of themselves."""
    hints = (b"x-", b"forwarded", b"content-length")
    headers = [(name, value) for name, value in scope["headers"] if not name.startswith(hints)]
    if length:
        headers.append((b"content-length", str(length).encode()))
    return {**scope, "headers": headers, "query_string": scope["query_string"] if scope["path"] == ANSWERS else b""}


def _own_headers() -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in HEADERS.items()]


async def _refuse(send: Send, refusal: Refusal) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close"), *_own_headers()]
    if refusal.status == WHO.status:
        headers.append((b"www-authenticate", b'Basic realm="cgan-dist playground", charset="UTF-8"'))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": refusal.text.encode()})
