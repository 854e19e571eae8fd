"""Serves a page whose search takes an hour, asks for it, and leaves; prints how the search ended, as JSON."""

from __future__ import annotations

import base64
import io
import json
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import uvicorn
from PIL import Image

from cgan_dist.errors import UserError
from cgan_dist.inversion.plan import Plan
from cgan_dist.playground import finder
from cgan_dist.playground.connections import PatientProtocol
from cgan_dist.playground.finder import Finder, Located, OnStep
from cgan_dist.playground.server import build_app, listening
from cgan_dist.playground.studio import Studio
from cgan_dist.playground.subject import Subject
from tests.integration.playground_client import asked, event_of
from tests.unit.generator_samples import generator_of

WAIT_SECONDS = 120
STEPS = 100
"""Of the search, before its visitor leaves."""


class Noted(Finder):
    """Says that it has begun, and how it ended."""

    begun, ended, text = threading.Event(), threading.Event(), ""

    def find(self, content: object, seed: object, on_step: OnStep, label: object = None) -> Located:
        """As a finder does."""

        def noted(done: int, total: int) -> bool:
            if done == STEPS:
                self.begun.set()
            return on_step(done, total)

        try:
            return super().find(content, seed, noted)
        except UserError as error:
            Noted.text = str(error)
            raise
        finally:
            self.ended.set()


def main() -> None:
    """Asks, leaves, and tells."""
    finder.PLAN, finder.MAX_SECONDS = Plan(steps=10_000, screen_steps=10_000, starts=8), 3600.0
    sampler = generator_of().sampler()
    subject = Subject("ants", "A generator", Studio(sampler), None, None, Noted(sampler, (1, 13, 14)))
    buffer = io.BytesIO()
    Image.new("L", (14, 13)).save(buffer, "PNG")
    picture = base64.b64encode(buffer.getvalue()).decode()
    with tempfile.TemporaryDirectory() as files, listening("127.0.0.1", 0) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        app = build_app(subject, "127.0.0.1", Path(files))
        server = uvicorn.Server(uvicorn.Config(app, http=PatientProtocol, ws="none", log_level="error"))
        serving = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        serving.start()
        question = {"data": [picture, 0, False, "ant"], "fn_index": event_of(url, "find"), "session_hash": "ab12"}
        assert asked(f"{url}/gradio_api/queue/join", question)[0] == 200
        answers = urllib.request.urlopen(f"{url}/gradio_api/queue/data?session_hash=ab12")
        begun = Noted.begun.wait(WAIT_SECONDS)
        left, was_searching = time.monotonic(), not Noted.ended.is_set()
        answers.close()
        ended = Noted.ended.wait(WAIT_SECONDS)
        found = {"begun": begun, "was_searching": was_searching, "ended": ended, "text": Noted.text}
        sys.stdout.write(json.dumps(found | {"seconds": time.monotonic() - left}))
        sys.stdout.flush()
        server.should_exit = True
        serving.join()


if __name__ == "__main__":
    main()
