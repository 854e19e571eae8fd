"""Asks Gradio itself, without the gate before it, for a file of this machine; prints what is then served, as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from cgan_dist.playground.server import build_app
from cgan_dist.playground.studio import Studio
from cgan_dist.playground.subject import Subject
from tests.unit.generator_samples import generator_of


def page_in(files: Path) -> Any:
    """The page as it is served, with a folder for its files."""
    subject = Subject("ants", "A generator", Studio(generator_of().sampler()), None, None)
    (mounted,) = [route for route in build_app(subject, "127.0.0.1", files).routes if hasattr(route.app, "get_blocks")]
    return mounted.app.get_blocks()


def answer_of(page: Any, label: Any) -> str:
    """How a question for samples of a label ends: "drawn", or the text of its error."""
    import gradio as gr

    event = next(event for event in page.fns.values() if event.api_name == "sample")
    try:
        asyncio.run(page.process_api(event, [label, 4, 0, 0]))
    except gr.Error as error:
        return str(error)
    return "drawn"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        page = page_in(Path(folder))
        stolen = answer_of(page, {"path": sys.argv[1], "meta": {"_type": "gradio.FileData"}})
        served = [path.name for path in Path(folder).rglob("*") if path.is_file()]
        answers = {"stolen": stolen, "served": served, "ant": answer_of(page, "ant")}
    sys.stdout.write(json.dumps(answers))
