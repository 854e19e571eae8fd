"""The tab of the page that shows how a run's generator was scored, what it is near to, and how it learned."""

from __future__ import annotations

import html
import math
from typing import Any

import gradio as gr

from cgan_dist.playground.handlers import served, told
from cgan_dist.playground.results import FILM, NEIGHBOURS, Results

SCORES_BY, NEIGHBOURS_BY, FILM_BY = (
    "cgan-dist evaluate {run} --features classifier --metrics label_accuracy,frechet_distance,precision,memorization",
    f"cgan-dist neighbours {{run}} --out {{run}}/{NEIGHBOURS}",
    f"cgan-dist film {{run}} --out {{run}}/{FILM}",
)


def results_tab(tab: gr.Tab, results: Results) -> None:
    """Adds scores, neighbours and the film of training; they are read when the tab is opened."""
    scores = gr.HTML(elem_id="scores")
    with gr.Row():
        with gr.Column():
            near = gr.HTML(elem_id="near")
            neighbours = _picture("neighbours", "png")
        with gr.Column():
            learned = gr.HTML(elem_id="learned")
            film = _picture("film", "gif")

    @told
    def opened() -> tuple[Any, ...]:
        run = f"runs/{results.progress.folder.name}"
        drawn, moving = results.neighbours(), results.film()
        return (
            scores_table(results, run),
            _headed("Samples, and below each the nearest real images", drawn, NEIGHBOURS_BY, run),
            drawn,
            _headed("Training", moving, FILM_BY, run),
            served(moving, FILM, film) if moving is not None else None,
        )

    tab.select(opened, None, [scores, near, neighbours, learned, film], api_name="results", show_progress="hidden")


def scores_table(results: Results, run: str) -> str:
    """Scores beside those of real images, as HTML."""
    rows = "".join(
        f"<tr><td>{html.escape(score.name)}</td><td>{score.of_samples:.4g}</td>"
        f"<td>{'' if math.isnan(score.of_reals) else f'{score.of_reals:.4g}'}</td></tr>"
        for score in results.scores()
    )
    if not rows:
        return f"<h3>Scores</h3>{_not_yet(SCORES_BY, run)}"
    how = "".join(f"<p>{html.escape(line)}</p>" for line in results.protocols())
    heads = "<tr><th>score</th><th>samples</th><th>real images</th></tr>"
    return f"<h3>Scores</h3><table>{heads}{rows}</table>{how}"


def _picture(name: str, form: str) -> gr.Image:
    return gr.Image(
        show_label=False,
        type="filepath",
        format=form,
        interactive=False,
        buttons=["fullscreen"],
        elem_id=name,
        elem_classes="picture",
    )


def _headed(text: str, found: Any, command: str, run: str) -> str:
    """What a picture is, or what makes one, as HTML."""
    how = "" if found is not None else _not_yet(command, run)
    return f"<h3>{html.escape(text)}</h3>{how}"


def _not_yet(command: str, run: str) -> str:
    return f"<p>None yet: <code>{html.escape(command.format(run=run))}</code></p>"
