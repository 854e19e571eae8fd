from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torchmetrics.image.fid import FrechetInceptionDistance

from cgan_dist.errors import UserError
from cgan_dist.evaluation.features import inception
from cgan_dist.evaluation.features.inception import FILE, SHA256, InceptionFeatures
from cgan_dist.evaluation.metrics.frechet_distance import Fid
from tests.unit.evaluation.metrics.sets import TWO, fake_set, real_set

REAL = real_set("inception", torch.empty(0, 1))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file like the real one, of random weights."""
    torch.manual_seed(0)
    network = inception._without_weights()
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)  # so that features are not all alike
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def extractor(weights: Path) -> InceptionFeatures:
    found = InceptionFeatures(TWO, str(weights), sha256_of(weights))
    found.check("--metrics: fid")
    found.build((3, 16, 16))
    assert found.prepare(REAL) == sha256_of(weights)
    return found


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pictures(count: int, seed: int, channels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 60 + 60 * seed, (count, channels, 16, 16), generator=generator, dtype=torch.uint8)


@pytest.mark.slow
def test_features_and_distance_are_torch_fidelitys_and_torchmetrics(
    extractor: InceptionFeatures, weights: Path
) -> None:
    """The whole way from uint8 images to the figure; of 96 features, because theirs takes minutes for 2,048."""
    theirs = FeatureExtractorInceptionV3("x", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(weights))
    real, fakes = pictures(12, seed=1), pictures(12, seed=2)
    found = [extractor.extract(images) for images in (real, fakes)]
    expected = [theirs(images) for images in (real, fakes)]
    for ours, reference in zip(found, expected, strict=True):
        torch.testing.assert_close(ours.embedding, reference[0])
        torch.testing.assert_close(ours.logits, reference[1])
        assert ours.embedding.shape == (12, 2048)
        assert ours.embedding.std(0).mean() > 0

    class First(nn.Module):
        num_features = 96

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return next(reference[0][:, :96] for own, reference in seen if torch.equal(own, images))

    seen = list(zip((real, fakes), expected, strict=True))
    metric = FrechetInceptionDistance(feature=First()).set_dtype(torch.float64)
    metric.update(real, real=True)
    metric.update(fakes, real=False)
    first = [features.embedding[:, :96] for features in found]
    distance = Fid().score(real_set("inception", first[0]), fake_set("inception", first[1]))["fid"]
    assert distance == pytest.approx(metric.compute().item(), rel=1e-3)
    statistics = [fid_features_to_statistics(reference[0][:, :96].double()) for reference in expected]
    fidelity = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert distance == pytest.approx(fidelity, rel=1e-3)


def test_floats_are_taken_as_they_are(extractor: InceptionFeatures) -> None:
    images = pictures(2, seed=1)
    whole, floats, moved = (extractor.extract(given) for given in (images, images.float(), images + 0.25))
    for exact, own, other in zip(whole, floats, moved, strict=True):
        assert torch.equal(exact, own)
        assert not torch.equal(own, other)


def test_grey_is_repeated(extractor: InceptionFeatures) -> None:
    grey = pictures(2, seed=1, channels=1)
    assert torch.equal(extractor.extract(grey).embedding, extractor.extract(grey.repeat(1, 3, 1, 1)).embedding)


def test_another_file_is_refused(weights: Path, tmp_path: Path) -> None:
    original = InceptionFeatures(TWO, str(weights))  # and the hash of the real one
    with pytest.raises(UserError, match=f"^--metrics: fid: the sha256 of .* expected {SHA256}") as error:
        original.check("--metrics: fid")
    assert "toshas/torch-fidelity/releases" in str(error.value)
    original.build((3, 16, 16))
    with pytest.raises(UserError, match="the sha256 of Inception's weights"):
        original.prepare(REAL)
    absent = tmp_path / "absent.pth"
    with pytest.raises(UserError, match=f"^--metrics: fid: cannot read Inception's weights {absent}: No such file"):
        InceptionFeatures(TWO, str(absent)).check("--metrics: fid")


@pytest.mark.parametrize("content", ["junk", "code", "other network"])
def test_a_file_of_the_right_hash_that_holds_something_else_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "weights.pth"
    if content == "junk":
        path.write_bytes(b"junk")
    else:
        torch.save({"fc.weight": torch.zeros(3)} if content == "other network" else {"fc": print}, path)
    extractor = InceptionFeatures(TWO, str(path), sha256_of(path))
    extractor.build((3, 16, 16))
    with pytest.raises(
        UserError, match=f"^{path}: these Inception weights cannot be loaded: .* Expected the state dict"
    ):
        extractor.prepare(REAL)


def test_without_a_network_it_says_how_to_get_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    monkeypatch.setattr(inception, "URL", "http://127.0.0.1:9/weights.pth")
    expected = tmp_path / "hub" / "checkpoints" / FILE
    with pytest.raises(
        UserError, match="^evaluate.metrics: fid needs Inception's weights: http://127.0.0.1:9"
    ) as error:
        InceptionFeatures(TWO).check("evaluate.metrics: fid")
    for word in (f"copy it to {expected}", "evaluate.inception_weights", "@classifier"):
        assert word in str(error.value)


def test_what_is_fetched_is_verified_and_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, weights: Path) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    monkeypatch.setattr(inception, "URL", weights.as_uri())
    with pytest.raises(UserError, match="sha256 is .*: not the published file"):
        InceptionFeatures(TWO).check("--metrics: fid")
    assert list((tmp_path / "hub" / "checkpoints").iterdir()) == []
    extractor = InceptionFeatures(TWO, sha256=sha256_of(weights))
    extractor.check("--metrics: fid")
    monkeypatch.setattr(inception, "URL", "http://127.0.0.1:9/weights.pth")
    extractor.check("--metrics: fid")
    assert [path.name for path in (tmp_path / "hub" / "checkpoints").iterdir()] == [FILE]


def test_without_the_packages_it_names_the_extra(monkeypatch: pytest.MonkeyPatch, weights: Path) -> None:
    found = importlib.util.find_spec

    def hidden(name: str, *args: Any) -> Any:
        return None if name == "torch_fidelity" else found(name, *args)

    monkeypatch.setattr(importlib.util, "find_spec", hidden)
    with pytest.raises(UserError, match=r"^--metrics: fid needs torch_fidelity, .*pip install 'cgan_dist\[eval\]'"):
        InceptionFeatures(TWO, str(weights), sha256_of(weights)).check("--metrics: fid")
