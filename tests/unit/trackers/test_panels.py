from __future__ import annotations

import re

import pytest

from cgan_dist.trackers.panels import SECTIONS


def shown_in(name: str) -> list[str]:
    return [panel.title for section in SECTIONS for panel in section.panels if re.search(panel.names, name)]


@pytest.mark.parametrize(
    "name",
    ["loss/d", "loss/g_adversarial", "penalty/r1", "aux/projection_d", "eval/label_accuracy", "logits/real"]
    + ["eval/label_accuracy/class_3", "collapse/variance_ratio", "d/accuracy", "gradient/g", "gradient/scale_d"]
    + ["ema/distance", "schedule/optim/lr", "perf/images_per_second", "perf/gpu_reserved_gib", "skipped/d"],
)
def test_every_kind_of_number_has_a_panel(name: str) -> None:
    assert shown_in(name)


def test_scores_of_classes_do_not_crowd_the_totals() -> None:
    assert shown_in("eval/fid") == ["Scores"]
    assert shown_in("eval/label_accuracy/class_3") == ["Scores by class, attribute and value"]


def test_the_sections_are_those_a_run_is_looked_at_by() -> None:
    assert [section.title for section in SECTIONS] == [
        "Losses",
        "Quality",
        "Logits and gradients",
        "Speed",
        "Samples",
        "Alerts",
    ]
