"""As much of a W&B server as its client needs: it keeps what clients send, so that a test can look at it.

It knows the queries that wandb 0.31 makes; another one gets an empty answer and is kept in `unknown`.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class ServedRun:
    """What the server has of a run."""

    history: list[dict[str, Any]] = field(default_factory=list)
    summary: str = "{}"
    config: str | None = None
    exit_code: int | None = None


class WandbServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.runs: dict[str, ServedRun] = {}
        self.files: set[str] = set()
        self.views: list[dict[str, Any]] = []
        self.alerts: list[dict[str, Any]] = []
        self.unknown: list[str] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed says no goodbye."""

    def answer(self, name: str, given: dict[str, Any]) -> dict[str, Any]:
        viewer = {"id": "u", "entity": "me", "username": "me", "email": "", "flags": "{}", "teams": {"edges": []}}
        if name in ("Viewer", "GetDefaultEntity"):
            return {"viewer": viewer}
        if name == "RunResumeStatus":
            project = {"id": "p", "name": "p", "entity": {"id": "e", "name": "me"}}
            return {"model": project | {"bucket": self.resumed(given["name"])}}
        if name == "UpsertBucket":
            run = self.runs.setdefault(given["name"], ServedRun())
            run.config = given.get("config") or run.config
            project = {"id": "p", "name": given.get("project"), "entity": {"id": "e", "name": "me"}}
            bucket = {"id": "b", "name": given["name"], "displayName": "", "config": "{}", "project": project}
            return {"upsertBucket": {"bucket": bucket | {"historyLineCount": len(run.history)}, "inserted": True}}
        if name == "CreateRunFiles":
            files = [{"name": name, "uploadUrl": f"{self.address}/files/{name}"} for name in given["files"]]
            return {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": files}}
        if name == "UpsertView2":
            self.views.append(given)
            return {"upsertView": {"view": {"id": "v", "name": given["name"]}, "inserted": True}}
        if name == "NotifyScriptableRunAlert":
            self.alerts.append(given)
            return {"notifyScriptableRunAlert": {"success": True}}
        self.unknown.append(name)
        return {}

    def resumed(self, run_id: str) -> dict[str, Any] | None:
        if run_id not in self.runs:
            return None
        run = self.runs[run_id]
        tail = json.dumps([json.dumps(row) for row in run.history[-1:]])
        counts = {"historyLineCount": len(run.history), "eventsLineCount": 0, "logLineCount": 0}
        bucket = {"id": "b", "name": run_id, "historyTail": tail, "eventsTail": "[]", "summaryMetrics": run.summary}
        return bucket | counts | {"config": run.config or "{}", "tags": [], "wandbConfig": '{"t": 1}'}

    def stream(self, run_id: str, sent: dict[str, Any]) -> None:
        run = self.runs.setdefault(run_id, ServedRun())
        for name, part in (sent.get("files") or {}).items():
            if name == "wandb-history.jsonl":
                rows = [json.loads(line) for line in part["content"]]
                run.history[part["offset"] : part["offset"] + len(rows)] = rows
            if name == "wandb-summary.json":
                run.summary = part["content"][-1]
        if sent.get("complete"):
            run.exit_code = sent.get("exitcode")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: WandbServer

    def do_GET(self) -> None:
        self.reply({})

    def do_PUT(self) -> None:
        self.body()
        self.server.files.add(self.path.removeprefix("/files/"))
        self.reply({})

    def do_POST(self) -> None:
        raw = self.body()
        if self.path.endswith("/file_stream"):
            self.server.stream(self.path.split("/")[-2], json.loads(raw))
            self.reply({"limits": {}})
        elif self.path.endswith("/graphql"):
            asked = json.loads(raw)
            name = re.search(r"(?:query|mutation)\s+(\w+)", asked["query"])
            self.reply({"data": self.server.answer(name[1] if name else "", asked.get("variables") or {})})
        else:
            self.reply({})

    def body(self) -> bytes:
        raw = b""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                raw += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(raw) if self.headers.get("Content-Encoding") == "gzip" else raw

    def reply(self, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def wandb_server() -> Iterator[WandbServer]:
    server = WandbServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
