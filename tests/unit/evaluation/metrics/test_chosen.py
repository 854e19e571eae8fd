from __future__ import annotations

from typing import Any

import pytest

from cgan_dist.conditioning.spaces.none import Unlabelled
from cgan_dist.config.values import Named
from cgan_dist.errors import UserError
from cgan_dist.evaluation.metrics import METRICS
from cgan_dist.evaluation.metrics.base import Metric
from cgan_dist.evaluation.metrics.chosen import ChosenMetric, choose_metrics, on_features
from cgan_dist.evaluation.metrics.frechet_distance import Fid
from cgan_dist.evaluation.metrics.kernel_distance import KernelDistance
from cgan_dist.labels import NoLabels
from tests.unit.evaluation.metrics.sets import TWO

WHERE = "evaluate.metrics"


class Plain(Metric):
    """Takes no arguments."""


class NoMetric:
    """Something else by the same road."""


def choose(*parts: Named | str) -> list[ChosenMetric]:
    return choose_metrics(parts, TWO, WHERE)


def test_features_follow_an_at() -> None:
    own, other, same = choose("fid", "fid@classifier", Named(name="kid", args={"features": "mine:Own"}))
    assert (own.suffix, other.suffix, same.suffix) == ("", "@classifier", "@mine:Own")
    assert [list(chosen.metric.extractors) for chosen in (own, other, same)] == [
        ["inception"],
        ["classifier"],
        ["mine:Own"],
    ]
    assert (own.named("fid/class_3"), other.named("fid/class_3")) == ("fid/class_3", "fid@classifier/class_3")
    assert other.named("fid") == "fid@classifier"
    (spelt_out,) = choose("fid@inception")
    assert spelt_out.named("fid") == "fid"


def test_arguments_reach_the_metric() -> None:
    (chosen,) = choose(Named(name="kid@classifier", args={"subsets": 7}))
    assert isinstance(chosen.metric, KernelDistance)
    assert (chosen.metric.subsets, chosen.metric.extractors) == (7, ["classifier"])
    assert chosen.args == {"subsets": 7}


def test_one_metric_under_several_names_is_computed_once() -> None:
    assert [
        chosen.name for chosen in choose("precision", "recall", "density@classifier", "coverage", "fid", "fid")
    ] == [
        "precision",
        "density@classifier",
        "fid",
    ]
    with pytest.raises(UserError, match="^evaluate.metrics: found 'precision' twice with other arguments"):
        choose("precision", Named(name="recall", args={"neighbours": 4}))


def test_a_plug_in_needs_no_registration() -> None:
    (chosen,) = choose(f"{__name__}:Plain")
    assert isinstance(chosen.metric, Plain)
    with pytest.raises(UserError, match="expected a subclass of cgan_dist.Metric"):
        choose(f"{__name__}:NoMetric")


@pytest.mark.parametrize(
    ("part", "fragment"),
    [
        ("fidd", "unknown metric 'fidd'. Did you mean 'fid'?"),
        ("fid@", "found 'fid@' with features None"),
        ("label_accuracy@classifier", "label_accuracy.args.features: unknown argument"),
        (Named(name="fid@inception", args={"features": "classifier"}), "with features 'classifier'; give one"),
        (Named(name="kid", args={"subset": 3}), "Did you mean 'subsets'?"),
        (Named(name="kid", args={"subsets": "many"}), "evaluate.metrics.kid.args.subsets: found 'many'"),
    ],
)
def test_what_cannot_be_is_refused(part: Any, fragment: str) -> None:
    with pytest.raises(UserError, match="^evaluate.metrics") as error:
        choose(part)
    assert fragment in str(error.value)


def test_a_metric_without_use_for_the_labels_is_refused() -> None:
    with pytest.raises(UserError, match="^evaluate.metrics: intra_fid needs one class"):
        choose_metrics(["intra_fid"], Unlabelled(NoLabels()), WHERE)


def test_every_known_metric_can_be_built_and_says_what_it_wants() -> None:
    for name in METRICS.table:
        (chosen,) = choose(name)
        assert chosen.metric.asks in ("fair", "as_data")
        assert chosen.suffix == ""
        assert chosen.metric.extractors or chosen.metric.needs_images, name


def test_one_option_gives_features_to_all_that_take_them() -> None:
    names = ["fid", "kid@inception", "label_accuracy"]
    assert on_features(names, "classifier", "--metrics") == ["fid@classifier", "kid@inception", "label_accuracy"]
    with pytest.raises(UserError, match="^--metrics: unknown metric"):
        on_features(["fidd"], "classifier", "--metrics")
    assert isinstance(choose("fid")[0].metric, Fid)
