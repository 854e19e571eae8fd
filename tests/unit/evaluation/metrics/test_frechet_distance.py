from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from cgan_dist.conditioning.spaces.none import Unlabelled
from cgan_dist.errors import UserError
from cgan_dist.evaluation.metrics import frechet_distance as frechet_module
from cgan_dist.evaluation.metrics.base import Metric
from cgan_dist.evaluation.metrics.frechet_distance import Fid, FrechetDistance, IntraFid, Moments, frechet_distance
from cgan_dist.labels import NoLabels
from tests.unit.evaluation.metrics.sets import fake_set, normal, real_set


def test_between_known_normal_distributions_it_is_the_formula() -> None:
    one = Moments(torch.zeros(3).double(), torch.diag(torch.tensor([1.0, 4.0, 9.0]).double()))
    other = Moments(torch.tensor([1.0, 2.0, 0.0]).double(), torch.diag(torch.tensor([4.0, 4.0, 1.0]).double()))
    assert frechet_distance(one, other) == pytest.approx(5 + (1 - 2) ** 2 + 0 + (3 - 1) ** 2)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("count", [500, 20])  # 20 images of 48 features: covariances without an inverse
def test_it_is_that_of_a_matrix_root_and_of_torch_fidelity(count: int) -> None:
    mix = normal(48, 48, seed=9)
    fakes, real = normal(count, 48, seed=1, shift=0.1) @ mix, normal(count, 48, seed=2) @ mix
    ours = frechet_distance(Moments.of(fakes), Moments.of(real))
    (mean_1, cov_1), (mean_2, cov_2) = (
        (values.double().numpy().mean(0), np.cov(values.double().numpy(), rowvar=False)) for values in (fakes, real)
    )
    if count > 48:
        root = scipy.linalg.sqrtm(cov_1 @ cov_2).real
        reference = ((mean_1 - mean_2) ** 2).sum() + np.trace(cov_1 + cov_2 - 2 * root)
        assert ours == pytest.approx(reference, rel=1e-8)
    statistics = [fid_features_to_statistics(values.double()) for values in (fakes, real)]
    theirs = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert ours == pytest.approx(theirs, rel=1e-6)


def test_a_few_rows_at_a_time_are_the_moments_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    values = normal(100, 6, seed=0, shift=1e3)
    monkeypatch.setattr(frechet_module, "ROWS", 7)
    found = Moments.of(values)
    torch.testing.assert_close(found.mean, values.double().mean(0), rtol=1e-12, atol=0)
    torch.testing.assert_close(found.covariance, values.double().T.cov(), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(found.root @ found.root, found.covariance, rtol=1e-9, atol=1e-12)


def test_the_root_of_the_real_covariance_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    metric, real = FrechetDistance(), real_set("classifier", normal(50, 4, seed=0))
    roots: list[int] = []
    eigh = torch.linalg.eigh
    monkeypatch.setattr(torch.linalg, "eigh", lambda matrix: roots.append(1) or eigh(matrix))
    first = metric.score(real, fake_set("classifier", normal(50, 4, seed=1)))
    assert len(roots) == 2  # of the real images, and of one half of them
    again = metric.score(real, fake_set("classifier", normal(50, 4, seed=2)))
    assert len(roots) == 2
    assert again["frechet_distance"] != first["frechet_distance"]


@pytest.mark.parametrize(
    ("metric", "name", "features"), [(FrechetDistance(), "frechet_distance", "classifier"), (Fid(), "fid", "inception")]
)
def test_halves_of_the_real_set_are_the_scale(metric: FrechetDistance, name: str, features: str) -> None:
    real = real_set(features, normal(800, 8, seed=0))
    near = metric.score(real, fake_set(features, normal(800, 8, seed=1)))
    far = metric.score(real, fake_set(features, normal(800, 8, seed=1, shift=1.0)))
    assert list(near) == [name, f"{name}/real_halves"]
    assert near[f"{name}/real_halves"] == far[f"{name}/real_halves"] > near[name] > 0
    assert far[name] == pytest.approx(8, rel=0.1)


def test_other_real_features_are_not_those_before() -> None:
    metric, fakes = FrechetDistance(), fake_set("classifier", normal(50, 4, seed=1))
    one = metric.score(real_set("classifier", normal(50, 4, seed=0)), fakes)
    other = metric.score(real_set("classifier", normal(50, 4, seed=0, shift=3.0)), fakes)
    assert other["frechet_distance"] > 10 * one["frechet_distance"]


def test_one_image_has_no_covariance() -> None:
    metric, real = FrechetDistance(), real_set("classifier", normal(40, 4, seed=0))
    with pytest.raises(UserError, match="^frechet_distance: found 1 sample.*expected 2 or more.*Raise --count"):
        metric.score(real, fake_set("classifier", normal(1, 4, seed=1)))
    with pytest.raises(UserError, match="^frechet_distance: found 3 real images; expected 4 or more"):
        metric.score(real_set("classifier", normal(3, 4, seed=0)), fake_set("classifier", normal(2, 4, seed=1)))
    assert metric.score(real, fake_set("classifier", normal(2, 4, seed=1)))["frechet_distance"] > 0


@pytest.mark.parametrize(
    ("real", "fakes", "width", "is_few"),
    [(400, 8, 4, True), (20, 400, 4, True), (300, 300, 4, False), (310, 310, 320, True), (320, 320, 320, False)],
)
def test_few_images_get_a_warning_that_says_what_to_do(
    real: int, fakes: int, width: int, is_few: bool, caplog: pytest.LogCaptureFixture
) -> None:
    metric = FrechetDistance()
    for _ in range(2):
        metric.score(
            real_set("classifier", normal(real, width, seed=0)), fake_set("classifier", normal(fakes, width, seed=1))
        )
    assert len(caplog.messages) == is_few
    for message in caplog.messages:
        assert message.startswith(f"frechet_distance: of {fakes} samples and {real} real images, for {width} features.")
        assert f"From fewer than {max(width, 300)} of each it is far above" in message
        assert "Raise --count (evaluate.count) to some thousands" in message


def test_few_images_of_a_class_get_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    labels = torch.arange(700) % 2
    real, fakes = normal(700, 4, seed=0), normal(40, 4, seed=1)
    IntraFid().score(real_set("inception", real, labels), fake_set("inception", fakes, labels[:40]))
    (message,) = caplog.messages
    assert message.startswith("intra_fid/class_0: of 20 samples and 350 real images")


def test_each_class_is_compared_with_its_own_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = torch.arange(400) % 2
    embedding = normal(400, 4, seed=0)
    embedding[labels == 1] += 5
    real, metric = real_set("inception", embedding, labels), IntraFid()
    fakes = normal(400, 4, seed=1)
    fakes[labels == 1] += 5
    good = metric.score(real, fake_set("inception", fakes, labels))
    assert list(good) == ["intra_fid", "intra_fid/class_0", "intra_fid/class_1"]
    assert good["intra_fid/class_1"] == pytest.approx(
        frechet_distance(Moments.of(fakes[1::2]), Moments.of(embedding[1::2]))
    )
    assert good["intra_fid"] == pytest.approx((good["intra_fid/class_0"] + good["intra_fid/class_1"]) / 2)
    swapped = metric.score(real, fake_set("inception", fakes, 1 - labels))  # the same images for other labels
    assert swapped["intra_fid"] > 50 > 1 > good["intra_fid"]
    monkeypatch.setattr(Metric, "MAX_LISTED", 1)
    assert list(metric.score(real, fake_set("inception", fakes, labels))) == ["intra_fid"]
    with pytest.raises(UserError, match="^intra_fid/class_1: found 0 sample"):
        metric.score(real, fake_set("inception", fakes, torch.zeros(400, dtype=torch.int64)))


def test_without_classes_nothing_is_within_a_class() -> None:
    with pytest.raises(UserError, match="^evaluate.metrics: intra_fid needs one class for each image"):
        IntraFid().check(Unlabelled(NoLabels()), "evaluate.metrics")
