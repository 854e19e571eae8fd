"""The playground as an attacker uses it: bytes on a socket of a real server, and no browser."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

from cgan_dist.playground.served_folder import PREFIX
from tests.integration.playground_client import ANSWER_SECONDS, answers, asked
from tests.launching import ROOT
from tests.unit.generator_samples import generator_of

FIRST = ["ant", [], 180, 0.75]
"""A label of the product: class, attributes, two values."""
STILL = [0] * 5
"""No step along any direction."""


class Server(NamedTuple):
    """Address of a server, the folder of its temporary files, and what it has printed."""

    url: str
    temporary: Path
    printed: list[str]

    @property
    def served(self) -> Path:
        """The folder that files are served from."""
        (folder,) = self.temporary.glob(f"{PREFIX}*")
        return folder


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder, port = tmp_path_factory.mktemp("playground"), free_port()
    generator_of(kind="product").save_pretrained(folder / "model")
    (folder / "temporary").mkdir()
    command = [sys.executable, "-m", "cgan_dist", "demo", str(folder / "model"), "--port", str(port)]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "TMPDIR": str(folder / "temporary")}
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        printed: list[str] = []
        while not any("http://" in line for line in printed):
            line = process.stdout.readline()
            assert line, "".join(printed)
            printed.append(line)
        reader = threading.Thread(target=printed.extend, args=(process.stdout,))
        reader.start()
        yield Server(f"http://127.0.0.1:{port}", folder / "temporary", printed)
        process.terminate()
        assert process.wait(timeout=ANSWER_SECONDS) == 0
        reader.join(timeout=ANSWER_SECONDS)
    assert [*(folder / "temporary").glob(f"{PREFIX}*")] == []
    assert [line for line in printed if "Traceback" in line] == []


def test_a_question_is_answered_and_its_picture_can_be_fetched(server: Server) -> None:
    messages = [
        json.loads(line) for line in answers(server.url, "sample", [*FIRST, 4, 0, 0, *STILL]).split("data: ")[1:]
    ]
    (done,) = [message for message in messages if message["msg"] == "process_completed"]
    picture = done["output"]["data"][0]["path"]
    assert asked(f"{server.url}/gradio_api/file={picture}")[0] == 200


@pytest.mark.parametrize("path", ["/etc/passwd", "/dev/zero", "http://127.0.0.1:9/x", "https://example.org/x"])
@pytest.mark.parametrize("place", [0, 1, 6])
@pytest.mark.parametrize("meta", [{"meta": {"_type": "gradio.FileData"}}, {"url": "http://127.0.0.1:9/x"}, {}])
def test_no_file_and_no_address_can_be_asked_for(server: Server, path: str, place: int, meta: dict[str, Any]) -> None:
    data: list[Any] = [*FIRST, 4, 0, 0, *STILL]
    data[place] = [{"path": path, **meta}] if place == 1 else {"path": path, **meta}
    status, _, text = answers(server.url, "sample", data).partition(" ")
    assert (status, "no objects, and no files" in text) == ("400", True)
    assert [file for file in server.served.rglob("*") if file.name in ("passwd", "zero", "x")] == []
    assert asked(f"{server.url}/gradio_api/file={path}")[0] == 403


def test_no_other_way_in_takes_a_file(server: Server) -> None:
    data = [{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}, *FIRST[1:], 4, 0, 0, *STILL]
    for path in ("call/sample", "call/v2/sample", "run/sample", "api/sample", "upload", "component_server", "cancel"):
        assert asked(f"{server.url}/gradio_api/{path}", {"data": data})[0] == 403


def test_values_that_no_widget_has_are_answered_in_a_sentence(server: Server) -> None:
    for wrong in (["wasp", [], 180, 0.75], ["ant", ["wings"], 180, 0.75], ["ant", 7, 180, 0.75], [None, [], "x", 0]):
        text = answers(server.url, "sample", [*wrong, 4, 0, 0, *STILL])
        assert '"success":false' in text
        assert "Traceback" not in text


def picture(content: bytes) -> str:
    """A file as the page sends it."""
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def drawn(size: tuple[int, int] = (40, 30)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, "teal").save(buffer, "PNG")
    return buffer.getvalue()


def outputs(text: str) -> list[Any]:
    """What an answered question was answered."""
    messages = [json.loads(line) for line in text.split("data: ")[1:]]
    (done,) = [message for message in messages if message["msg"] == "process_completed"]
    assert done["success"], done
    return done["output"]["data"]  # type: ignore[no-any-return]


def test_a_picture_is_found_and_nothing_of_it_is_kept(server: Server) -> None:
    before = {*server.served.rglob("*")}
    shown, _, *label = outputs(answers(server.url, "find", [picture(drawn()), 0, True, *FIRST]))
    assert shown.startswith("<img src='data:image/png;base64,")
    assert label == FIRST
    assert {*server.served.rglob("*")} == before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"hello", "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "not a picture"),
        (drawn()[:60], "picture: "),
        (drawn((9_000, 9_000)), "megapixels"),
        (bytes((8 << 20) + 9), "more than 8 MiB"),
    ],
    ids=["text", "PostScript", "half", "bomb", "9 MB"],
)
def test_what_is_no_picture_is_answered_in_a_sentence(server: Server, content: bytes, said: str) -> None:
    shown, *rest = outputs(answers(server.url, "find", [picture(content), 0, False, *FIRST]))
    assert shown.startswith("<p class='said'>")
    assert said in shown
    assert all(value == {"__type__": "update"} for value in rest[1:])


@pytest.mark.parametrize("content", [None, "<img src=x>", ["x"], 7])
def test_a_value_that_is_no_file_is_answered_in_a_sentence(server: Server, content: Any) -> None:
    shown, *_ = outputs(answers(server.url, "find", [content, 0, False, *FIRST]))
    assert shown.startswith("<p class='said'>picture: ")
    assert "<img" not in shown


def test_nothing_but_a_picture_may_be_large(server: Server) -> None:
    large = "A" * (11 << 20)
    assert answers(server.url, "find", [large, 0, False, *FIRST]).startswith("413")
    half = "A" * (1 << 20)
    assert answers(server.url, "sample", [half, *FIRST[1:], 4, 0, 0, *STILL]).startswith("413")
    assert answers(server.url, "find", ["", half, False, *FIRST]).startswith("413")
    assert outputs(answers(server.url, "sample", [*FIRST, 4, 0, 0, *STILL]))


def test_a_foreign_origin_gets_no_answer(server: Server) -> None:
    for path in ("/", "/theme.css", "/gradio_api/queue/data?session_hash=ab12", "/gradio_api/queue/join"):
        status, text = asked(server.url + path, b"{}" if path.endswith("join") else None, origin="http://evil.example")
        assert (status, text) == (403, "asked by a page of another origin")
    handshake = {"connection": "Upgrade", "upgrade": "websocket", "origin": "http://evil.example"}
    assert asked(f"{server.url}/gradio_api/queue/join", **handshake)[0] == 403


@pytest.mark.parametrize(
    "half",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: 127",
        b"POST /gradio_api/queue/join HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100\r\n\r\n{",
    ],
    ids=["no byte", "half of the headers", "half of a body"],
)
def test_half_open_requests_keep_nobody_out(server: Server, half: bytes) -> None:
    address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            connection = stack.enter_context(socket.create_connection(address, ANSWER_SECONDS))
            with contextlib.suppress(ConnectionError):
                connection.sendall(half)
        assert asked(f"{server.url}/")[0] == 200
