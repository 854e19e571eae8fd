"""What a dashboard shows, and in which order: the same for W&B and TensorBoard."""

from __future__ import annotations

from typing import NamedTuple


class Panel(NamedTuple):
    """One plot over images seen.

    Attributes:
        title: above the plot.
        names: a regular expression; each scalar whose name it matches is a line.
        log_axis: whether the values are best seen on a logarithmic axis.
    """

    title: str
    names: str
    log_axis: bool = False


class Section(NamedTuple):
    """Panels that belong together.

    Attributes:
        title: above the section.
        panels: plots.
        pictures: names of grids, see `Tracker.picture`.
        text: for the reader, in Markdown.
    """

    title: str
    panels: tuple[Panel, ...] = ()
    pictures: tuple[str, ...] = ()
    text: str = ""


SECTIONS = (
    Section(
        "Losses",
        (
            Panel("Loss of D and of G", "^loss/[dg]$"),
            Panel("Their parts", "^loss/[dg]_"),
            Panel("Penalties, without their weights", "^penalty/", log_axis=True),
            Panel("Losses of D's ways", "^aux/"),
        ),
    ),
    Section(
        "Quality",
        (
            Panel("Scores", "^eval/[^/]+$"),
            Panel("Scores by class, attribute and value", "^eval/.+/"),
            Panel("Variance of samples as a share of that of real images", "^collapse/"),
        ),
    ),
    Section(
        "Logits and gradients",
        (
            Panel("Mean logits", "^logits/"),
            Panel("Pairs that D ranks right", "^d/accuracy$"),
            Panel("Norms of gradients", "^gradient/[dg]$", log_axis=True),
            Panel("Loss scales of fp16", "^gradient/scale_", log_axis=True),
            Panel("Distance of the averaged G from G", "^ema/distance$"),
            Panel("Half-life of the average, in images", "^ema/half_life_images$"),
            Panel("What follows a schedule", "^schedule/"),
        ),
    ),
    Section(
        "Speed",
        (
            Panel("Images per second", "^perf/images_per_second$"),
            Panel("Seconds of one iteration", "^perf/iteration_seconds$"),
            Panel("Share of time spent waiting for data", "^perf/data_wait$"),
            Panel("Memory in GiB", "^perf/.+_gib$"),
        ),
    ),
    Section("Samples", pictures=("random_z", "fixed_z", "real")),
    Section(
        "Alerts",
        (
            Panel("Updates that were skipped, as a share", "^skipped/"),
            Panel("Pairs that D ranks right: near 1, D wins", "^d/accuracy$"),
            Panel("Variance of samples: near 0, they have collapsed", "^collapse/"),
            Panel("Images per second: a fall is a stall", "^perf/images_per_second$"),
        ),
        text=(
            "W&B sends alerts by e-mail or Slack, as you have set it up there. All of a run are in its `alerts.jsonl`."
            " The plots show what they are made from."
        ),
    ),
)
