from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from cgan_dist.evaluation.features.kept import KeptFeatures
from cgan_dist.evaluation.metrics.base import Features

KEY: dict[str, Any] = {"data": "print", "extractor": "mine", "weights": "ab", "count": 3}
FEATURES = Features(torch.arange(6.0).view(3, 2), torch.empty(3, 0))


@pytest.fixture(autouse=True)
def _no_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


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
    assert "Making the real images' features anew" in caplog.text


def test_a_folder_that_cannot_be_written_is_no_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are kept in the user's cache, and where that cannot be written either, not at all."""
    (tmp_path / "file").write_text("in the way")
    kept = KeptFeatures(tmp_path / "file", **KEY)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    kept.save(FEATURES)
    assert "Cannot keep the real images' features, they will be made again next time" in caplog.text
    assert kept.load() is None
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    kept.save(FEATURES)
    found = kept.load()
    assert found is not None
    assert torch.equal(found.embedding, FEATURES.embedding)
    assert (tmp_path / "cache" / "cgan_dist" / "kept" / kept.path.name).is_file()


def test_what_came_with_the_data_is_not_believed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger's file has the right name, facts and digest; what it lacks is this user's note."""
    kept = KeptFeatures(tmp_path / "data", **KEY)
    with monkeypatch.context() as stranger:
        stranger.setenv("XDG_STATE_HOME", str(tmp_path / "stranger"))
        kept.save(FEATURES._replace(embedding=FEATURES.embedding * 0))
        assert kept.load() is not None
    assert kept.load() is None
    assert "another user's, or come with the data" in caplog.text
    kept.save(FEATURES)
    found = kept.load()
    assert found is not None
    assert torch.equal(found.embedding, FEATURES.embedding)


def test_another_users_file_in_a_shared_folder_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two users of one folder would replace each other's for ever; each of them keeps their own elsewhere."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    kept = KeptFeatures(tmp_path / "data", **KEY)
    kept.path.parent.mkdir()
    kept.path.write_bytes(b"theirs")
    monkeypatch.setattr("cgan_dist.evaluation.kept_file.os.getuid", lambda: kept.path.stat().st_uid + 1)
    kept.save(FEATURES)
    assert kept.path.read_bytes() == b"theirs"
    assert kept.load() is not None
