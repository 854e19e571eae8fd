"""What is let through to the page, and what is not, without Gradio."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from cgan_dist.errors import UserError
from cgan_dist.playground.gate import ASK, HEADERS, MAX_BODY, Gate
from cgan_dist.playground.question import checked_question

QUESTION = {"data": ["ant", ["hat"], 1.5, None], "fn_index": 2, "trigger_id": 3, "session_hash": "ab12"}
PASSWORD = "sesame, sesame"


def ask(
    method: str,
    path: str,
    parts: list[bytes] | None = None,
    kind: str = "http",
    files: Path = Path("/nonexistent"),
    password: str | None = None,
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
    asyncio.run(Gate(app, files, {2: 4}, password)(scope, receive, send))
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
