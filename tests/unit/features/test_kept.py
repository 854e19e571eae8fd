from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from cgan_dist.features.kept import KeptFeatures
from cgan_dist.metrics.base import Features

KEY: dict[str, Any] = {"data": "print", "extractor": "mine", "weights": "ab", "count": 3}
FEATURES = Features(torch.arange(6.0).view(3, 2), torch.empty(3, 0))


def test_what_is_kept_comes_back_for_the_same_key_only(tmp_path: Path) -> None:
    KeptFeatures(tmp_path / "new", **KEY).save(FEATURES)
    found = KeptFeatures(tmp_path / "new", **KEY).load()
    assert found is not None
    assert torch.equal(found.embedding, FEATURES.embedding)
    assert found.logits.shape == (3, 0)
    for other in ({"data": "other"}, {"extractor": "its"}, {"weights": "cd"}, {"count": 4}):
        assert KeptFeatures(tmp_path / "new", **KEY | other).load() is None
    assert len(list((tmp_path / "new").iterdir())) == 1  # nothing half-written beside it


@pytest.mark.parametrize("damage", ["junk", "cut", "another tensor", "renamed"])
def test_what_is_not_what_was_written_is_made_anew(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    kept = KeptFeatures(tmp_path, **KEY)
    kept.save(FEATURES)
    with safe_open(kept.path, framework="pt") as file:
        facts = file.metadata()
    if damage == "junk":
        kept.path.write_bytes(b"junk")
    elif damage == "cut":
        kept.path.write_bytes(kept.path.read_bytes()[:-4])
    elif damage == "another tensor":
        save_file(FEATURES._replace(embedding=FEATURES.embedding + 1)._asdict(), kept.path, metadata=facts)
    else:
        other = KeptFeatures(tmp_path, **KEY | {"data": "other"})
        kept.path.rename(other.path)
        kept = other
    assert kept.load() is None
    assert "extracting the real images' features anew" in caplog.text


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    KeptFeatures(tmp_path / "file", **KEY).save(FEATURES)
    assert "they will be extracted again next time" in caplog.text
