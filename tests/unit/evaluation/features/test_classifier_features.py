from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cgan_dist.conditioning.spaces import LABEL_SPACES
from cgan_dist.conditioning.spaces.none import Unlabelled
from cgan_dist.errors import UserError
from cgan_dist.evaluation.features.classifier import ClassifierFeatures
from cgan_dist.evaluation.kept_file import sha256_of
from cgan_dist.evaluation.metrics.base import RealSet
from cgan_dist.labels import NoLabels
from tests.unit.evaluation.metrics.coloured import ALL, coloured


@pytest.fixture(autouse=True)
def _brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cgan_dist.evaluation.metrics.classifier.EPOCHS", 1)


def prepared(cache: Path, fingerprint: str, seed: int = 0) -> tuple[ClassifierFeatures, str]:
    images, stored = coloured(80, seed)
    space = LABEL_SPACES.build("classes", "", {}, schema=ALL)
    real = RealSet(
        labels=space.select(stored),
        features={},
        load=lambda: images,
        label_space=space,
        cache=cache,
        fingerprint=fingerprint,
        extractors={},
    )
    extractor = ClassifierFeatures(space)
    extractor.build((3, 8, 8))
    return extractor, extractor.prepare(real)


def test_it_gives_the_last_layers_input_and_output(tmp_path: Path) -> None:
    extractor, _ = prepared(tmp_path, "a")
    images, _ = coloured(5, seed=1)
    features = extractor.extract(images)
    assert (features.embedding.shape, features.logits.shape) == ((5, 576), (5, 2))
    extractor.network.eval()
    torch.testing.assert_close(features.logits, extractor.network(images))
    torch.testing.assert_close(extractor.extract(images[2:3]).embedding, features.embedding[2:3])
    assert not features.logits.requires_grad


def test_the_hash_is_of_the_weights(tmp_path: Path) -> None:
    first, its_hash = prepared(tmp_path, "a")
    again, same = prepared(tmp_path, "a")
    other, another = prepared(tmp_path / "elsewhere", "a", seed=3)
    assert its_hash == same != another
    assert len(its_hash) == 64
    assert sha256_of(first.network.state_dict()) == sha256_of(again.network.state_dict())
    assert first.held_out.dtype == torch.float64
    assert 0 < first.held_out.item() <= 1
    assert all(tensor.dtype != torch.float64 for tensor in other.network.state_dict().values())


def test_without_labels_there_are_no_features() -> None:
    with pytest.raises(UserError, match="^evaluate.metrics: fid needs a classifier of the real images' labels, but"):
        ClassifierFeatures(Unlabelled(NoLabels())).check("evaluate.metrics: fid")
