"""Builds the page of every label space, and prints the names of its tabs and of the widgets for a label, as JSON."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from cgan_dist.playground.server import build_app
from cgan_dist.playground.studio import Studio
from cgan_dist.playground.subject import Subject
from tests.unit.generator_samples import SCHEMAS, generator_of


def page_of(kind: str, files: Path) -> dict[str, Any]:
    """The names on one page."""
    subject = Subject(kind, "A generator", Studio(generator_of(kind=kind).sampler()), None, None)
    (mounted,) = [route for route in build_app(subject, "127.0.0.1", files).routes if hasattr(route.app, "get_blocks")]
    blocks = list(mounted.app.get_blocks().blocks.values())
    return {
        "label": [block.label for block in blocks if (block.elem_id or "").startswith("label-")],
        "tabs": [block.label for block in blocks if block.get_block_name() == "tabitem"],
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.write(json.dumps({kind: page_of(kind, Path(folder)) for kind in SCHEMAS}))
