"""The page itself: what is where, and what calls what."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from cgan_dist.playground.controls import Choice, Control, Switches, controls_of
from cgan_dist.playground.find_tab import FIND, find_tab
from cgan_dist.playground.handlers import Handler, Pictures, with_files
from cgan_dist.playground.results_tab import results_tab
from cgan_dist.playground.studio import MAX_IMAGES, MAX_SEED, REACH, Picture
from cgan_dist.playground.subject import Subject
from cgan_dist.playground.training_tab import training_tab
from cgan_dist.playground.visitors import Visitors
from cgan_dist.sampling.truncation import has_style

WAITING = 16
"""Requests in the queue; one more is told to come again. One is drawn at a time."""
CLEAN_EVERY, KEEP_FILES = 600, 3600
"""Seconds; of the files that are offered for download."""
START_COUNT = 32
START_ROWS = 4
TOP_TRUNCATION = {"normal": 2.5, "uniform": 1.0}
SCALED = 0.05
DICE = f"() => Math.floor(Math.random() * {MAX_SEED})"

Widget = Any


class Page(gr.Blocks):
    """The page, which says what is wrong with a question in one sentence, where Gradio prints a traceback."""

    async def preprocess_data(self, *arguments: Any, **options: Any) -> Any:
        """Holds the values of a question against the widgets, as they are in its session."""
        try:
            return await super().preprocess_data(*arguments, **options)
        except Exception as error:  # whatever a widget makes of a value that it cannot have
            raise gr.Error("A widget cannot have this value. Load the page again.", print_exception=False) from error


def build_page(subject: Subject, visitors: Visitors) -> Page:
    """Lays out what fits the label space: no widgets for labels where there are none.

    Args:
        subject: that is shown.
        visitors: of the page, as the gate before it sees them.
    """
    controls = controls_of(subject.studio.space.schema)
    page = Page(title=f"{subject.name} - cgan-dist", analytics_enabled=False, delete_cache=(CLEAN_EVERY, KEEP_FILES))
    with page:
        gr.HTML(
            f"<h1>{html.escape(subject.name)}</h1><p>{html.escape(subject.text)}. The same seed draws the same z, "
            "whatever the label.</p>",
            elem_id="heading",
        )
        with gr.Tabs():
            with gr.Tab("Draw", id="draw"):
                _draw_tab(page, subject, controls, visitors)
            if subject.progress is not None:
                with gr.Tab("Training", id="training") as tab:
                    training_tab(tab, subject.progress)
            if subject.results is not None:
                with gr.Tab("Results", id="results") as tab:
                    results_tab(tab, subject.results)
    page.queue(max_size=WAITING, default_concurrency_limit=1, api_open=False)
    page.has_launched = True  # a mounted page never is, and Gradio checks paths only of one that is
    return page


def inputs_of(page: gr.Blocks) -> dict[int, int]:
    """How many values each event takes that the server answers, by its number."""
    return {number: len(event.inputs) for number, event in page.fns.items() if event.fn is not None}


def taking_pictures(page: gr.Blocks) -> frozenset[int]:
    """Numbers of the events whose first value is a picture, as text."""
    return frozenset(number for number, event in page.fns.items() if event.api_name == FIND)


def _draw_tab(page: gr.Blocks, subject: Subject, controls: Sequence[Control], visitors: Visitors) -> None:
    pictures = Pictures(subject.studio, len(controls))
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            label = _label_widgets(controls, "Class", "label")
            seed = gr.Number(0, label="Seed", precision=0, elem_id="seed")
            dice = gr.Button("Another seed", size="sm", elem_id="dice")
            styled = has_style(subject.studio.sampler.generator)
            top = 1.0 if styled else TOP_TRUNCATION[subject.studio.sampler.latent]
            truncation = gr.Slider(
                0,
                top,
                value=0,
                step=SCALED,
                label="Truncation",
                info=f"Keeps {'the style near its mean' if styled else 'z near 0'}: clearer, less varied. 0 is off.",
                elem_id="truncation",
            )
            moves = _move_widgets(subject.studio.moves)
        shared = [seed, truncation, *moves]
        with gr.Column(scale=3, min_width=480), gr.Tabs():
            draw = _one_tab(pictures, label, shared)
            if controls:
                _every_tab(subject, pictures, label, shared)
                _between_tab(controls, pictures, label, shared)
            if subject.finder is not None:
                find_tab(subject.finder, visitors, pictures, label, seed, moves, _picture, subject.found)
    dice.click(None, None, seed, js=DICE, api_visibility="private").then(**draw)
    page.load(**draw)


def _one_tab(pictures: Pictures, label: list[Widget], shared: list[Widget]) -> dict[str, Any]:
    with gr.Tab("One label" if label else "Samples", id="one"):
        with gr.Row(elem_classes="request"):
            count = gr.Slider(1, MAX_IMAGES, value=START_COUNT, step=1, label="Images", elem_id="count")
            press = gr.Button("Generate", variant="primary", elem_id="generate", min_width=120)
        return _connected("sample", pictures.one_label, [*label, count, *shared], [press.click])


def _every_tab(subject: Subject, pictures: Pictures, label: list[Widget], shared: list[Widget]) -> None:
    columns = len(subject.studio.variations([control.start for control in controls_of(_schema(subject))]).heads)
    most = MAX_IMAGES // columns
    with gr.Tab("Same z, every label", id="every") as tab:
        gr.Markdown("Each row is one z. Down a column the label stays, along a row nothing else changes.")
        with gr.Row(elem_classes="request"):
            rows = gr.Slider(
                1, max(2, most), value=min(START_ROWS, most), step=1, label="Rows", elem_id="rows", interactive=most > 1
            )
            press = gr.Button("Generate", variant="primary", elem_id="generate-every", min_width=120)
        _connected("every", pictures.every_label, [*label, rows, *shared], [press.click, tab.select])


def _between_tab(controls: Sequence[Control], pictures: Pictures, label: list[Widget], shared: list[Widget]) -> None:
    with gr.Tab("From A to B", id="between") as tab:
        gr.Markdown("A is the label on the left. Training never asked for what lies between two classes.")
        with gr.Row(elem_classes="request"):
            other = _label_widgets(controls, "B", "other", last=True)
            share = gr.Slider(0, 1, value=0.5, step=SCALED, label="Way from A to B", elem_id="share")
        with gr.Row(elem_classes="request"):
            count = gr.Slider(1, MAX_IMAGES, value=START_COUNT, step=1, label="Images", elem_id="count-between")
            press = gr.Button("Generate", variant="primary", elem_id="generate-between", min_width=120)
        inputs = [*label, *other, share, count, *shared]
        _connected("between", pictures.between, inputs, [press.click, tab.select, share.input])


def _connected(
    name: str, draw: Callable[..., Picture], inputs: list[Widget], triggers: list[Callable[..., Any]]
) -> dict[str, Any]:
    """Adds the picture and its two downloads, and returns the arguments of an event that draws it."""
    image, buttons = _picture(name)
    handler: Handler = with_files(draw, buttons)
    event = {"fn": handler, "inputs": inputs, "outputs": [image, *buttons], "concurrency_id": "draw"}
    for number, trigger in enumerate(triggers):
        shown = {"api_name": name} if not number else {"api_visibility": "private"}
        trigger(**event, **shown, trigger_mode="always_last", show_progress="hidden")
    return event | {"api_visibility": "private", "show_progress": "hidden"}


def _picture(name: str) -> tuple[Widget, tuple[gr.DownloadButton, gr.DownloadButton]]:
    """A picture, and two buttons below it that offer its files."""
    image = gr.Image(
        label="Samples",
        show_label=False,
        type="filepath",
        format="png",
        interactive=False,
        buttons=["fullscreen"],
        elem_id=f"picture-{name}",
        elem_classes="picture",
    )
    with gr.Row():
        grid = gr.DownloadButton("Grid as PNG", size="sm", elem_id=f"png-{name}")
        arrays = gr.DownloadButton("Images and labels as NPZ", size="sm", elem_id=f"npz-{name}")
    return image, (grid, arrays)


def _move_widgets(names: Sequence[str]) -> list[Widget]:
    """A slider for each direction."""
    if not names:
        return []
    with gr.Accordion("Directions in z", open=False, elem_id="directions"):
        return [
            gr.Slider(-REACH, REACH, value=0, step=0.25, label=name, elem_id=f"move-{number}")
            for number, name in enumerate(names)
        ]


def _label_widgets(controls: Sequence[Control], name: str, prefix: str, last: bool = False) -> list[Widget]:
    """A widget for each control; `last` starts with another label, so that there is a way to it."""
    made: list[Widget] = []
    for number, control in enumerate(controls):
        place = f"{prefix}-{number}"
        if isinstance(control, Choice):
            value = control.names[-1] if last else control.start
            made.append(gr.Dropdown(control.names, value=value, label=name, filterable=True, elem_id=place))
        elif isinstance(control, Switches):
            on = control.names[:1] if last else control.start
            made.append(gr.CheckboxGroup(control.names, value=on, label="Attributes", elem_id=place))
        else:
            end = control.high if last else control.start
            made.append(gr.Slider(control.low, control.high, value=end, label=control.name, elem_id=place))
    return made


def _schema(subject: Subject) -> Any:
    return subject.studio.space.schema
