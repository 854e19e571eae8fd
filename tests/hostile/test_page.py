"""Requests that no page of ours would send: each is answered or dropped, and the next person is served as before."""

from __future__ import annotations

import http.client
import json
import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from tests.hostile.inputs import SOUND
from tests.hostile.mutations import bytes_mutated, json_text, mutated

COUNT = 150
ANSWER_SECONDS = 60
LIMIT_BYTES = 2 << 30
PATHS = (
    "/gradio_api/queue/join",
    "/gradio_api/call/{name}",
    "/gradio_api/run/{name}",
    "/gradio_api/api/{name}",
    "/gradio_api/upload",
    "/gradio_api/component_server",
    "/gradio_api/cancel",
    "/gradio_api/reset",
    "/gradio_api/file=/etc/passwd",
    "/gradio_api/file=../../../../etc/passwd",
    "/gradio_api/proxy=http://127.0.0.1:9/",
    "/gradio_api/stream/../../etc/passwd",
    "/static/..%2f..%2f..%2fetc/passwd",
    "/assets/%00",
)


PLACES = ("/etc/passwd", "/dev/zero", "http://127.0.0.1:9/x")


class Served(NamedTuple):
    """A page, its process and what it says on its terminal."""

    port: int
    process: psutil.Process
    log: Path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    log = folder / "log.txt"
    command = [sys.executable, "-m", "cgan_dist", "demo", str(SOUND / "model"), "--port", str(port)]
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out, cwd=folder, env=os.environ) as server:
        while f":{port}" not in log.read_text():
            assert server.poll() is None, log.read_text()
        yield Served(port, psutil.Process(server.pid), log)
        server.terminate()
        assert server.wait(timeout=900) == 0, log.read_text()


def ask(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """One request, and what comes back."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    try:
        connection.request(method, path, body, {"content-type": "application/json"} if body else {})
        answer = connection.getresponse()
        return answer.status, answer.read(1 << 20)
    finally:
        connection.close()


def sound_bodies(port: int) -> list[tuple[str, dict[str, Any]]]:
    """Name and body of a request to each of the page's functions, as its own script would send it."""
    page = ask(port, "GET", "/")[1].decode()
    config, _ = json.JSONDecoder().raw_decode(page.partition("window.gradio_config = ")[2])
    values = {block["id"]: block["props"].get("value") for block in config["components"]}
    return [
        (
            str(function["api_name"] or "predict"),
            {
                "data": [values[number] for number in function["inputs"]],
                "fn_index": function["id"],
                "session_hash": "stranger",
                "trigger_id": None,
                "event_data": None,
            },
        )
        for function in config["dependencies"]
    ]


def strange(port: int, number: int, bodies: list[tuple[str, dict[str, Any]]]) -> bytes:
    """The bytes of a request, headers too."""
    chance = random.Random(f"page {number}")
    name, body = chance.choice(bodies)
    file = {
        "path": chance.choice(("/etc/passwd", "/dev/zero", "http://127.0.0.1:9/x")),
        "meta": {"_type": "gradio.FileData"},
    }
    if chance.random() < 0.3 and body["data"]:
        body = body | {"data": [file for _ in body["data"]]}
    content = json_text(mutated(body, chance))
    path = chance.choice(PATHS[:2]) if chance.random() < 0.6 else chance.choice(PATHS)
    method = "GET" if "=" in path or ".." in path else chance.choice(("POST", "POST", "POST", "PUT", "DELETE", "PATCH"))
    length = chance.choice((len(content), len(content), len(content), 0))
    head = f"{method} {path.format(name=name)} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n"
    request = f"{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n".encode() + content
    return bytes_mutated(request, chance) if chance.random() < 0.2 else request


def send(port: int, request: bytes) -> bytes:
    """Sends bytes, says that no more will come, and returns what comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS) as connection:
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            found = b""
            while len(found) < 1 << 20 and (part := connection.recv(1 << 16)):
                found += part
        except TimeoutError:
            raise
        except OSError:  # dropped
            return b""
    return found


def test_no_request_does_anything_but_get_an_answer(served: Served) -> None:
    bodies = sound_bodies(served.port)
    first = ask(served.port, "GET", "/")
    memory = served.process.memory_info().rss
    wrong: list[str] = []
    for number in range(COUNT):
        request = strange(served.port, number, bodies)
        answer = send(served.port, request)
        line = answer.partition(b"\r\n")[0]
        if b" 5" in line[8:10] or b"root:" in answer or b"Traceback" in answer:
            wrong.append(f"{number}: {request[:300]!r}: {answer[:300]!r}")
    assert not wrong, "\n".join(wrong)
    assert ask(served.port, "GET", "/")[0] == first[0] == 200
    assert served.process.memory_info().rss - memory < LIMIT_BYTES
    assert "Traceback" not in served.log.read_text(), served.log.read_text()
    assert not served.process.children()
