"""What the page asks: the values of its widgets, which are numbers, names and lists of names, and nothing else."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping

from cgan_dist.errors import UserError

KEYS = {"data", "event_data", "fn_index", "trigger_id", "session_hash"}
MAX_SESSION = 64
MAX_BODY = 64 * 1024
"""Bytes of a request without a picture. The page's have a few hundred, or a few thousand with many attributes."""


class TooLarge(UserError):
    """A request with more than one of its kind may have."""


def checked_question(body: bytes, inputs: Mapping[int, int], pictures: Collection[int] = ()) -> bytes:
    """Reads a request to the queue, and writes it anew of what was read.

    No widget of the page holds an object. Gradio takes an object in `data` for a file, copies what its `path` names
    into the folder that is served, or fetches its `url`.

    Args:
        body: JSON.
        inputs: how many values each event of the page takes, by its number.
        pictures: numbers of the events whose first value may be a picture, as text.

    Returns:
        JSON with the same values, so that nobody behind reads it otherwise; `event_data`, which the page does not use,
        is null.

    Raises:
        UserError: if it is none that the page would send; `TooLarge` if it is larger than any would be.
    """
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        raise UserError("the body: expected JSON.") from None
    if not isinstance(asked, dict) or not {"data", "fn_index", "session_hash"} <= asked.keys() <= KEYS:
        raise UserError(f"the body: expected an object of {', '.join(sorted(KEYS))}.")
    event, data, session = asked["fn_index"], asked["data"], asked["session_hash"]
    if type(event) is not int or event not in inputs:
        raise UserError("fn_index: expected the number of an event of the page.")
    if not isinstance(data, list) or len(data) != inputs[event]:
        raise UserError(f"data: expected a list of {inputs[event]} values, one of each widget.")
    has_picture = event in pictures and isinstance(data[0], str)
    if len(body) - (len(data[0]) if has_picture else 0) > MAX_BODY:
        raise TooLarge(f"more than {MAX_BODY} bytes")
    for value in data:
        if not all(_is_plain(part) for part in (value if isinstance(value, list) else [value])):
            raise UserError("data: expected numbers, texts and lists of them; no objects, and no files above all.")
    if not (isinstance(session, str) and session.isascii() and session.isalnum() and len(session) <= MAX_SESSION):
        raise UserError("session_hash: expected letters and digits.")
    if not isinstance(asked.get("trigger_id"), int | None):
        raise UserError("trigger_id: expected a whole number.")
    return json.dumps({**asked, "event_data": None}).encode()


def _is_plain(value: object) -> bool:
    """Whether a value is what a widget holds; a number that JSON has no word for is none."""
    return value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))
