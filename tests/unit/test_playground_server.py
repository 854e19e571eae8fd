"""The address, what is let through, and what is shown, without Gradio."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
import torch

from cgan_dist.errors import UserError
from cgan_dist.playground import server
from cgan_dist.playground.gate import MAX_BODY, POLICY, Gate
from cgan_dist.playground.server import is_loopback, listening
from cgan_dist.playground.subject import open_subject
from tests.unit.generator_samples import generator_of


def ask(method: str, path: str, parts: list[bytes] | None = None, kind: str = "http") -> tuple[Any, list[Any]]:
    """Status of the answer, and what came through to the application: (path, body)."""
    seen: list[Any] = []
    sent: list[Any] = []
    chunks = parts or [b""]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["path"], (await receive())["body"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Any:
        chunk = chunks.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(Gate(app)({"type": kind, "method": method, "path": path}, receive, send))
    return sent[0], seen


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("HEAD", "/"),
        ("GET", "/config"),
        ("GET", "/assets/index-ab12.js"),
        ("GET", "/gradio_api/queue/data"),
        ("GET", "/gradio_api/heartbeat/ab12"),
        ("GET", "/gradio_api/file=/tmp/x.png"),
        ("POST", "/gradio_api/queue/join"),
        ("POST", "/gradio_api/call/sample"),
    ],
)
def test_the_gate_lets_the_page_through(method: str, path: str) -> None:
    answer, seen = ask(method, path, [b"one ", b"two"])
    assert answer["status"] == 200
    assert seen == [(path, b"one two")]
    assert (b"content-security-policy", POLICY.encode()) in answer["headers"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/gradio_api/upload"),
        ("POST", "/upload"),
        ("POST", "/gradio_api/run/sample"),
        ("POST", "/gradio_api/api/sample"),
        ("POST", "/gradio_api/component_server"),
        ("POST", "/login"),
        ("GET", "/gradio_api/proxy=https://example.org/"),
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
    half = b"x" * (MAX_BODY // 2)
    assert ask("POST", "/gradio_api/queue/join", [half, half])[0]["status"] == 200
    answer, seen = ask("POST", "/gradio_api/queue/join", [half, half, b"x"])
    assert answer["status"] == 413
    assert seen == []


def test_a_taken_port_is_told_with_a_free_one() -> None:
    with listening("127.0.0.1", 0) as first:
        taken = first.getsockname()[1]
        with pytest.raises(UserError, match=rf"--port {taken}: taken.* Port \d+ is free") as error:
            listening("127.0.0.1", taken)
    free = int(str(error.value).split("Port ")[1].split()[0])
    assert free != taken
    listening("127.0.0.1", free).close()


def test_a_socket_listens_on_its_own_address_only() -> None:
    with listening("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port), timeout=2)


def test_a_foreign_address_is_an_error_for_a_person() -> None:
    with pytest.raises(UserError, match="cannot listen there"):
        listening("192.0.2.1", 7860)


def test_which_hosts_are_this_machine_alone() -> None:
    assert [is_loopback(host) for host in ("127.0.0.1", "127.8.0.1", "localhost")] == [True] * 3
    assert [is_loopback(host) for host in ("0.0.0.0", "192.168.1.7", "gpu-box")] == [False] * 3


def test_missing_gradio_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'cgan_dist\[playground\]'"):
        server.check_installed()


def test_a_model_folder_draws_and_has_no_progress(tmp_path: Path) -> None:
    generator_of().save_pretrained(tmp_path / "ants")
    subject = open_subject(tmp_path / "ants", torch.device("cpu"))
    assert (subject.name, subject.progress) == ("ants", None)
    assert subject.studio.one_label(["bee"], 3, 0, 0).images.shape == (3, 13, 14, 1)


def test_what_is_no_generator_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        open_subject(tmp_path / "nothing", torch.device("cpu"))
