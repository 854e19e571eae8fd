"""The tab of the page that shows a run's progress."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import gradio as gr

from cgan_dist.playground.handlers import Training, told
from cgan_dist.playground.progress import MAX_KEYS, Progress

SHOWN_FIRST = ("loss/d", "loss/g")
PRIVATE = {"api_visibility": "private", "show_progress": "hidden"}


def training_tab(tab: gr.Tab, progress: Progress) -> None:
    """Adds curves, grids over time and alerts; they are read when the tab is opened, and by its button."""
    training = Training(progress)
    with gr.Row(elem_classes="request"):
        keys = gr.Dropdown(
            [], multiselect=True, max_choices=MAX_KEYS, label="Curves", info="Any numbers of metrics.jsonl", scale=5
        )
        refresh = gr.Button("Refresh", elem_id="refresh", min_width=120, scale=1)
    plot = gr.LinePlot(
        x="images",
        y="value",
        color="number",
        x_title="images seen",
        y_title="value",
        color_title="",
        height=300,
        buttons=["fullscreen"],
        elem_id="curves",
    )
    with gr.Row():
        kind = gr.Radio([], label="Grids", elem_id="kind")
        images_seen = gr.Slider(0, 1, value=0, label="Images seen", elem_id="images-seen")
    picture = gr.Image(
        show_label=False,
        format="png",
        interactive=False,
        buttons=["fullscreen"],
        elem_id="grid",
        elem_classes="picture",
    )
    drawn = gr.Markdown(elem_id="drawn")
    alerts = gr.HTML(elem_id="alerts")

    @told
    def opened(keys_now: Any, kind_now: Any) -> tuple[Any, ...]:
        names, grids = progress.keys(), progress.grids()
        chosen = [key for key in keys_now or () if key in names] or _first(names)
        own = kind_now if kind_now in grids else next(iter(grids), None)
        times = grids[own] if own else [0]
        found, text = training.grid(own, times[-1]) if own else (None, "Training has drawn no grids yet.")
        slider = gr.Slider(times[0], max(times[-1], times[0] + 1), value=times[-1], step=_step(times))
        return (
            gr.Dropdown(names, value=chosen),
            training.curves(chosen),
            gr.Radio(list(grids), value=own),
            slider,
            found,
            text,
            training.alerts(),
        )

    shown = [keys, plot, kind, images_seen, picture, drawn, alerts]
    for trigger in (tab.select, refresh.click):
        trigger(opened, [keys, kind], shown, **PRIVATE)
    keys.input(told(training.curves), keys, plot, api_name="curves", show_progress="hidden")
    grid: dict[str, Any] = {"fn": told(training.grid), "inputs": [kind, images_seen], "outputs": [picture, drawn]}
    images_seen.input(**grid, api_name="grid", trigger_mode="always_last", show_progress="hidden")
    kind.input(**grid, **PRIVATE)


def _first(names: Sequence[str]) -> list[str]:
    """What is shown before anything was chosen."""
    return [name for name in SHOWN_FIRST if name in names] or list(names[:2])


def _step(times: Sequence[int]) -> int:
    """The largest step that reaches every time."""
    return math.gcd(*(time - times[0] for time in times)) or 1
