"""What is let through to the page, and what is not, without Gradio."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from cgan_dist.errors import UserError
from cgan_dist.playground.gate import ANSWERS, ASK, HEADERS, LARGE_AT_ONCE, MAX_PICTURE_BODY, Gate
from cgan_dist.playground.question import MAX_BODY, checked_question
from cgan_dist.playground.visitors import Visitors

QUESTION = {"data": ["ant", ["hat"], 1.5, None], "fn_index": 2, "trigger_id": 3, "session_hash": "ab12"}
PASSWORD = "sesame, sesame"


def ask(
    method: str,
    path: str,
    parts: list[bytes] | None = None,
    kind: str = "http",
    files: Path = Path("/nonexistent"),
    password: str | None = None,
    gate: dict[str, Any] | None = None,
    **headers: str,
) -> tuple[Any, list[Any]]:
    """The first message of the answer, and what came through to the application: (scope, body)."""
    seen: list[Any] = []
    sent: list[Any] = []
    chunks = parts or [b""]
    path, _, query = path.partition("?")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope, (await receive())["body"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Any:
        chunk = chunks.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}

    async def send(message: Any) -> None:
        sent.append(message)

    given = {"host": "127.0.0.1:7860", "content-type": "application/json"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    raw = [(name.encode(), value.encode("latin-1")) for name, value in given.items()]
    scope = {"type": kind, "method": method, "path": path, "query_string": query.encode(), "headers": raw}
    asyncio.run(Gate(app, files, {2: 4}, password, **(gate or {}))(scope, receive, send))
    return sent[0], seen


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("HEAD", "/"),
        ("GET", "/theme.css?v=ab12"),
        ("GET", "/assets/index-ab12.js"),
        ("GET", "/gradio_api/queue/data?session_hash=ab12"),
    ],
)
def test_the_gate_lets_the_page_through(method: str, path: str) -> None:
    answer, seen = ask(method, path)
    assert answer["status"] == 200
    assert seen[0][0]["path"] == path.partition("?")[0]
    assert {(name.encode(), value.encode()) for name, value in HEADERS.items()} <= set(answer["headers"])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/gradio_api/upload"),
        ("POST", "/upload"),
        ("POST", "/gradio_api/run/sample"),
        ("POST", "/gradio_api/api/sample"),
        ("POST", "/gradio_api/call/sample"),
        ("POST", "/gradio_api/call/v2/sample"),
        ("GET", "/gradio_api/call/sample/ab12"),
        ("POST", "/gradio_api/component_server"),
        ("POST", "/gradio_api/cancel"),
        ("POST", "/gradio_api/reset"),
        ("POST", "/gradio_api/stream/ab12"),
        ("POST", "/login"),
        ("GET", "/config"),
        ("GET", "/gradio_api/info"),
        ("GET", "/gradio_api/heartbeat/ab12"),
        ("GET", "/gradio_api/deep_link"),
        ("GET", "/gradio_api/proxy=https://example.org/"),
        ("GET", "/gradio_api/file=https://example.org/"),
        ("GET", "/monitoring"),
        ("GET", "/gradio_api/dev/reload"),
        ("GET", "/gradio_api/queue/join"),
        ("PUT", "/"),
        ("DELETE", "/"),
        ("OPTIONS", "/"),
    ],
)
def test_the_gate_refuses_the_rest(method: str, path: str) -> None:
    answer, seen = ask(method, path)
    assert answer["status"] == 403
    assert seen == []


def test_the_gate_has_no_websockets() -> None:
    answer, seen = ask("GET", "/", kind="websocket")
    assert answer["type"] == "websocket.close"
    assert seen == []


def test_the_gate_counts_the_body_itself() -> None:
    half = b" " * (MAX_BODY // 2)
    assert ask("POST", ASK, [half, half])[0]["status"] == 400
    answer, seen = ask("POST", ASK, [half, half, b"x"])
    assert answer["status"] == 413
    assert seen == []


def test_a_picture_comes_as_text_where_one_is_asked_for() -> None:
    picture = "A" * (MAX_BODY + 10_000)
    question = QUESTION | {"data": [picture, 0, False, "ant"]}
    body = json.dumps(question).encode()
    parts = [body[:MAX_BODY], body[MAX_BODY:]]
    answer, [(_, came)] = ask("POST", ASK, [*parts], gate={"pictures": {2}})
    assert answer["status"] == 200
    assert json.loads(came)["data"][0] == picture
    for pictures in (set(), {3}):
        answer, seen = ask("POST", ASK, [*parts], gate={"pictures": pictures})
        assert (answer["status"], seen) == (413, [])


@pytest.mark.parametrize(
    "data",
    [
        ["A", "A" * (MAX_BODY + 1), False, "ant"],
        [["A" * (MAX_BODY + 1)], 0, False, "ant"],
        [None, 0, False, ["A"] * MAX_BODY],
        ["é" * MAX_BODY, 0, False, "ant"],
    ],
)
def test_nothing_but_the_picture_may_be_large(data: list[Any]) -> None:
    answer, seen = ask("POST", ASK, [json.dumps(QUESTION | {"data": data}).encode()], gate={"pictures": {2}})
    assert (answer["status"], seen) == (413, [])


def test_a_picture_beyond_the_bound_is_not_read_to_its_end() -> None:
    parts = [b"A" * (1 << 20) for _ in range(100)]
    left = list(parts)
    answer, seen = ask("POST", ASK, left, gate={"pictures": {2}})
    assert (answer["status"], seen) == (413, [])
    assert len(left) >= 100 - (MAX_PICTURE_BODY >> 20) - 2
    answer, seen = ask("POST", "/gradio_api/upload", [*parts], gate={"pictures": {2}})
    assert (answer["status"], seen) == (403, [])


def test_few_pictures_are_read_at_once_and_none_is_counted_for_ever() -> None:
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    gate = Gate(app, Path("/nonexistent"), {2: 4}, pictures={2})
    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": ASK, "query_string": b"", "headers": headers}

    async def one(wait: asyncio.Event) -> None:
        async def receive() -> Any:
            if not gate.large:
                return {"body": b" " * (MAX_BODY + 1), "more_body": True}
            await wait.wait()
            return {"body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message.get("status"))

        await gate(scope, receive, send)

    async def several() -> None:
        wait = asyncio.Event()
        first = asyncio.ensure_future(one(wait))
        await asyncio.sleep(0)
        gate.large += LARGE_AT_ONCE - 1

        async def large() -> Any:
            return {"body": b" " * (MAX_BODY + 1), "more_body": True}

        async def send(message: Any) -> None:
            sent.append(message.get("status"))

        await gate(scope, large, send)
        assert 503 in sent
        gate.large -= LARGE_AT_ONCE - 1
        wait.set()
        await first
        assert gate.large == 0

    asyncio.run(several())


def test_who_listens_is_a_visitor_until_the_answers_end() -> None:
    visitors, seen = Visitors(), list[dict[str, int]]()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(dict(visitors._streams))
        raise ConnectionError

    async def receive() -> Any:
        return {"body": b"", "more_body": False}

    gate = Gate(app, Path("/nonexistent"), {}, visitors=visitors)
    headers = [(b"host", b"127.0.0.1")]
    scope = {"type": "http", "method": "GET", "path": ANSWERS, "query_string": b"session_hash=ab", "headers": headers}
    with pytest.raises(ConnectionError):
        asyncio.run(gate(scope, receive, receive))  # type: ignore[arg-type]
    assert seen == [{"session_hash=ab": 1}]
    assert dict(visitors._streams) == {}


def test_a_question_comes_through_as_it_was_read() -> None:
    text = json.dumps(QUESTION | {"event_data": {"index": 1}}).encode()
    answer, [(scope, body)] = ask("POST", ASK, [text[:20], text[20:]])
    assert answer["status"] == 200
    assert json.loads(body) == QUESTION | {"event_data": None}
    assert dict(scope["headers"])[b"content-length"] == str(len(body)).encode()


@pytest.mark.parametrize(
    "changed",
    [
        {"data": [{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}, [], 0, 0]},
        {"data": [[{"path": "/etc/passwd"}], [], 0, 0]},
        {"data": [[["deeper"]], [], 0, 0]},
        {"data": ["too", "few"]},
        {"data": {"path": "/etc/passwd"}},
        {"data": ["ant", [], float("inf"), 0]},
        {"fn_index": 3},
        {"fn_index": True},
        {"fn_index": [2]},
        {"trigger_id": {"path": "/etc/passwd"}},
        {"session_hash": "../../x"},
        {"session_hash": "x" * 65},
        {"session_hash": None},
        {"oauth_token": "x"},
        {"request": {}},
        {"batched": True},
    ],
)
def test_a_question_that_the_page_would_not_ask_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="expected"):
        checked_question(json.dumps(QUESTION | changed).encode(), {2: 4})


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[]", b"null", b"[" * 60_000, b"9" * 60_000])
def test_what_is_no_question_is_refused(body: bytes) -> None:
    answer, seen = ask("POST", ASK, [body])
    assert answer["status"] == 400
    assert seen == []


def test_a_form_of_another_page_cannot_ask() -> None:
    body = json.dumps(QUESTION).encode()
    assert ask("POST", ASK, [body], **{"content-type": "text/plain"})[0]["status"] == 415


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", "/gradio_api/queue/data"), ("POST", ASK)])
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:7861", "http://[", "\xff", ""])
def test_another_origin_gets_no_answer(method: str, path: str, origin: str) -> None:
    answer, seen = ask(method, path, [json.dumps(QUESTION).encode()], origin=origin)
    assert answer["status"] == 403
    assert seen == []


def test_the_own_origin_gets_one() -> None:
    body = json.dumps(QUESTION).encode()
    assert ask("POST", ASK, [body], origin="http://127.0.0.1:7860", sec_fetch_site="same-origin")[0]["status"] == 200


def test_a_picture_of_another_page_gets_no_answer_and_a_link_does() -> None:
    assert ask("GET", "/theme.css", sec_fetch_site="cross-site", sec_fetch_mode="no-cors")[0]["status"] == 403
    assert ask("GET", "/", sec_fetch_site="cross-site", sec_fetch_mode="cors")[0]["status"] == 403
    assert ask("GET", "/", sec_fetch_site="cross-site", sec_fetch_mode="navigate")[0]["status"] == 200


def test_a_file_is_one_that_lies_in_the_served_folder(tmp_path: Path) -> None:
    served = tmp_path / "served"
    served.mkdir()
    (tmp_path / "secret").write_text("key")
    (served / "drawn.png").write_text("picture")
    (served / "link").symlink_to(tmp_path / "secret")
    paths = {name: f"/gradio_api/file={served / name}" for name in ("drawn.png", "link", "../secret", "", "a\0b")}
    assert {name: ask("GET", path, files=served)[0]["status"] for name, path in paths.items()} == {
        "drawn.png": 200,
        "link": 403,
        "../secret": 403,
        "": 403,
        "a\0b": 403,
    }


def test_hints_of_proxies_and_parameters_go_no_further() -> None:
    _, [(scope, _)] = ask("GET", "/?deep_link=x", x_forwarded_host="evil.example", forwarded="host=evil.example")
    assert scope["query_string"] == b""
    assert {name for name, _ in scope["headers"]} == {b"host", b"content-type"}


def test_a_password_is_asked_of_every_route() -> None:
    good = base64.b64encode(f"anyone:{PASSWORD}".encode()).decode()
    wrong = base64.b64encode(b"anyone:other").decode()
    for given in ("", "Basic", f"Basic {wrong}", "Basic \xff", "Basic a", f"Bearer {good}", PASSWORD):
        for path in ("/", "/theme.css", "/gradio_api/upload", "/gradio_api/queue/data?session_hash=a"):
            answer, seen = ask("GET", path, password=PASSWORD, authorization=given)
            assert answer["status"] == 401
            assert seen == []
    assert b"www-authenticate" in dict(answer["headers"])
    assert ask("GET", "/", password=PASSWORD, authorization=f"Basic {good}")[0]["status"] == 200
