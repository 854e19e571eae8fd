from __future__ import annotations

import pytest
import torch
from torch_fidelity.metric_isc import isc_features_to_metric

from cgan_dist.conditioning.spaces.attributes import Attributes
from cgan_dist.errors import UserError
from cgan_dist.evaluation.metrics.inception_score import ClassifierScore, InceptionScore
from cgan_dist.labels import AttributeLabels
from tests.unit.evaluation.metrics.sets import TWO, fake_set, normal, real_set

REAL = real_set("inception", torch.empty(0, 1))


def test_it_is_torch_fidelitys() -> None:
    logits = normal(200, 12, seed=0, scale=3.0)
    ours = InceptionScore(splits=5).score(REAL, fake_set("inception", logits, logits=logits))
    theirs = isc_features_to_metric(logits, splits=5, shuffle=False)
    assert ours["inception_score"] == pytest.approx(theirs["inception_score_mean"], rel=1e-9)
    assert ours["inception_score/std"] == pytest.approx(theirs["inception_score_std"], rel=1e-6)


def test_it_is_one_for_one_class_and_their_number_for_all_of_them() -> None:
    sure = 1000 * torch.eye(4).repeat(10, 1)  # probabilities of exactly 0 and 1
    metric = ClassifierScore(splits=2)
    assert metric.score(REAL, fake_set("classifier", sure, logits=sure))["classifier_score"] == pytest.approx(4)
    same = sure[:1].repeat(40, 1)
    assert metric.score(REAL, fake_set("classifier", same, logits=same))["classifier_score"] == pytest.approx(1)
    unsure = torch.zeros(40, 4)
    assert metric.score(REAL, fake_set("classifier", unsure, logits=unsure))["classifier_score"] == pytest.approx(1)


def test_what_cannot_be_scored_is_refused() -> None:
    few = normal(9, 4, seed=0)
    with pytest.raises(UserError, match=r"^inception_score: found 9 sample\(s\); expected one or more for each of 10"):
        InceptionScore().score(REAL, fake_set("inception", few, logits=few))
    with pytest.raises(UserError, match="^inception_score: the features of mine have no logits"):
        InceptionScore("mine").score(REAL, fake_set("mine", few))
    attributes = Attributes(AttributeLabels(names=["hat"]))
    with pytest.raises(UserError, match="^--metrics: classifier_score on the features of classifier needs one class"):
        ClassifierScore().check(attributes, "--metrics")
    ClassifierScore().check(TWO, "--metrics")
    InceptionScore().check(attributes, "--metrics")
