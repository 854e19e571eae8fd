"""Speaks with the playground as its page does, without a browser."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

ANSWER_SECONDS = 120


def asked(url: str, body: Any = None, **headers: str) -> tuple[int, str]:
    """Status and text of an answer; a body is sent as JSON, or as it is where it is bytes."""
    content = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, content, {"content-type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def event_of(url: str, name: str) -> int:
    """The number of an event, as the page itself tells it."""
    page = asked(f"{url}/")[1]
    config = json.loads(page.split("window.gradio_config = ")[1].split(";</script>")[0])
    return next(event["id"] for event in config["dependencies"] if event["api_name"] == name)


def answers(url: str, name: str, values: list[Any]) -> str:
    """The messages that answer a question, or status and text of its refusal."""
    question = {"data": values, "fn_index": event_of(url, name), "session_hash": "ab12"}
    status, text = asked(f"{url}/gradio_api/queue/join", question)
    return asked(f"{url}/gradio_api/queue/data?session_hash=ab12")[1] if status == 200 else f"{status} {text}"
