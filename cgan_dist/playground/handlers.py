"""Between the page and the requests: what widgets hold becomes arguments, answers become what widgets show."""

from __future__ import annotations

import functools
import html
from collections.abc import Callable
from typing import Any

import gradio as gr
import pandas as pd
from gradio.processing_utils import save_bytes_to_cache

from cgan_dist.errors import UserError
from cgan_dist.playground.progress import Progress
from cgan_dist.playground.studio import Picture, Studio

GRID_FILE, SET_FILE = "samples.png", "samples.npz"

Handler = Callable[..., Any]


def told(handler: Handler) -> Handler:
    """Shows a UserError on the page, as text; what else goes wrong is in the log and not on the page."""

    @functools.wraps(handler)
    def answer(*values: Any) -> Any:
        try:
            return handler(*values)
        except UserError as error:
            raise gr.Error(html.escape(str(error)), print_exception=False) from error

    return answer


class Pictures:
    """Answers with a grid and two files of it.

    Args:
        studio: that draws.
        controls: how many widgets hold one label.
    """

    def __init__(self, studio: Studio, controls: int) -> None:
        self.studio, self.controls = studio, controls

    def one_label(self, *values: Any) -> Picture:
        """Takes the label, then count, seed, truncation, and how far to move along each direction."""
        return self.studio.one_label(values[: self.controls], *values[self.controls :])

    def every_label(self, *values: Any) -> Picture:
        """Takes the label, then rows, seed, truncation, moves."""
        return self.studio.every_label(values[: self.controls], *values[self.controls :])

    def between(self, *values: Any) -> Picture:
        """Takes both labels, then share, count, seed, truncation, moves."""
        one, other = values[: self.controls], values[self.controls : 2 * self.controls]
        return self.studio.between(one, other, *values[2 * self.controls :])

    def edited(self, *values: Any) -> Picture | None:
        """Takes the label, the z that this session has found, null if none, then moves."""
        z = values[self.controls]
        return None if z is None else self.studio.edited(values[: self.controls], z, *values[self.controls + 1 :])


def with_files(draw: Callable[..., Picture | None], buttons: tuple[gr.DownloadButton, gr.DownloadButton]) -> Handler:
    """Makes of a picture what the widgets take: the grid, and the paths that two buttons offer; of none, no change."""

    @told
    def answer(*values: Any) -> tuple[Any, Any, Any]:
        picture = draw(*values)
        if picture is None:
            return gr.skip(), gr.skip(), gr.skip()
        paths = []
        for button, content, name in zip(buttons, (picture.png(), picture.npz()), (GRID_FILE, SET_FILE), strict=True):
            paths.append(served(content, name, button))
        return paths[0], paths[0], paths[1]

    return answer


def served(content: bytes, name: str, widget: gr.DownloadButton | gr.Image) -> str:
    """Writes a file into the served folder for a widget; its path."""
    path: str = save_bytes_to_cache(content, name, widget.GRADIO_CACHE)
    widget.temp_files.add(path)  # these are what Gradio deletes after a while
    return path


class Training:
    """Answers with what a run folder tells.

    Args:
        progress: that reads it.
    """

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def curves(self, keys: Any) -> pd.DataFrame:
        """Takes names of numbers, and returns columns `images`, `value`, `number`."""
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise UserError(f"curves: found {keys!r}; expected a list of names.")
        return pd.DataFrame(self.progress.curves(keys), columns=["images", "value", "number"])

    def grid(self, kind: Any, images_seen: Any) -> tuple[Any, str]:
        """Takes a kind of grid and images seen, and returns the picture and what it is."""
        if not isinstance(kind, str) or not isinstance(images_seen, int | float):
            raise UserError(f"grids: found {kind!r} and {images_seen!r}; expected a kind of grid and a number.")
        found = self.progress.grid(kind, images_seen)
        return found.picture, f"Drawn after **{found.images_seen:,}** images"

    def alerts(self) -> str:
        """Returns a list of the alerts, as HTML."""
        rows = "".join(
            f"<li><b>{html.escape(alert['alert'])}</b> at {alert['images']:,} images: {html.escape(alert['text'])}</li>"
            for alert in self.progress.alerts()
        )
        return f"<h3>Alerts</h3><ul class='alerts'>{rows}</ul>" if rows else "<h3>Alerts</h3><p>None.</p>"
