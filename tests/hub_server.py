"""A Hugging Face Hub on 127.0.0.1, as far as models and data sets need one: repositories, commits, downloads."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import unquote

TOKEN = "hf_of_the_test"
COMMIT = "c0ffee" + 34 * "0"


class Hub(ThreadingHTTPServer):
    """The server; its attributes say what it holds and how it answers.

    Attributes:
        repositories: name to what was committed, path to content; `datasets/user/name` of data sets, with `@branch`
            behind it for what another branch than main has.
        private: names of private ones.
        refusal: status that every request is answered with; None to serve.
        posted: paths of all POST requests.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.private: set[str] = set()
        self.refusal: int | None = None
        self.posted: list[str] = []
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def close(self) -> None:
        """Ends it."""
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"
    OPEN: ClassVar = ("/api/agent-harnesses", "/api/validate-yaml")

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if self._refused() or path in self.OPEN:
            return self._json({}) if not self.server.refusal else None
        parts = [unquote(part) for part in path.strip("/").split("/")]
        if parts[:2] == ["api", "models"]:
            return self._repository("/".join(parts[2:4]), parts[4:])
        if parts[:2] == ["api", "datasets"]:
            return self._repository("/".join(parts[1:4]), parts[4:])
        size = 3 if parts[0] == "datasets" else 2
        return self._file("/".join(parts[:size]), parts[size:])

    do_HEAD = do_GET

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append(self.path)
        if self._refused():
            return None
        if self.path in self.OPEN:
            return self._json({"errors": [], "warnings": []})
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._json({"error": "Invalid username or password."}, 401)
        if self.path == "/api/repos/create":
            return self._create(json.loads(body))
        *_, user, name, action, _ = self.path.split("/")
        repo_id = f"{user}/{name}"
        if action == "preupload":
            asked = json.loads(body)["files"]
            modes = [{"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in asked]
            return self._json({"files": modes})
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                content = base64.b64decode(line["value"]["content"])
                self.server.repositories[repo_id][line["value"]["path"]] = content
        return self._json(
            {"success": True, "commitOid": COMMIT, "commitUrl": f"{self.server.url}/{repo_id}/commit/{COMMIT}"}
        )

    def _create(self, asked: dict[str, Any]) -> None:
        repo_id = f"{asked['organization']}/{asked['name']}"
        if asked.get("private") or asked.get("visibility") == "private":
            self.server.private.add(repo_id)
        self.server.repositories.setdefault(repo_id, {})
        self._json({"url": f"{self.server.url}/{repo_id}", "name": repo_id, "id": "1"})

    def _repository(self, repo_id: str, rest: list[str]) -> None:
        files = self.server.repositories.get(repo_id)
        if files is None:
            return self._json({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
        files = self.server.repositories.get(f"{repo_id}@{rest[1]}", files)
        if rest[1] not in ("main", COMMIT) and f"{repo_id}@{rest[1]}" not in self.server.repositories:
            return self._json({"error": "Invalid rev id"}, 404, {"X-Error-Code": "RevisionNotFound"})
        if rest[0] == "revision":
            sha = COMMIT if rest[1] in ("main", COMMIT) else hashlib.sha1(rest[1].encode()).hexdigest()
            self.server.repositories[f"{repo_id}@{sha}"] = files
            return self._json({"id": repo_id, "sha": sha, "siblings": [{"rfilename": path} for path in files]})
        return self._json(
            [
                {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for path, content in files.items()
            ]
        )

    def _file(self, repo_id: str, rest: list[str]) -> None:
        files = self.server.repositories.get(f"{repo_id}@{rest[1]}") or self.server.repositories[repo_id]
        content = files["/".join(rest[2:])]
        commit = rest[1] if f"{repo_id}@{rest[1]}" in self.server.repositories else COMMIT
        self._send(content, 200, {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha1(content).hexdigest()}"'})

    def _refused(self) -> bool:
        if self.server.refusal is not None:
            self._json({"error": "refused by the test"}, self.server.refusal)
        return self.server.refusal is not None

    def _json(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._send(json.dumps(value).encode(), status, {"Content-Type": "application/json"} | (headers or {}))

    def _send(self, content: bytes, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """A test has nothing to log."""
