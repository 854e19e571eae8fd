from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from cgan_dist.checkpoint import Checkpoint, Checkpoints, DamagedCheckpoint, find_checkpoint
from cgan_dist.errors import UserError


def save(checkpoints: Checkpoints, images_seen: int) -> Path:
    torch.manual_seed(images_seen)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    optimizer = torch.optim.Adam(net.parameters(), fused=True)
    net(torch.randn(4, 1, 5, 5)).sum().backward()
    optimizer.step()
    return checkpoints.save(images_seen, {"net": net.state_dict()}, {"optimizer": optimizer.state_dict()}, {"a": [1]})


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints", keep_last=2)


def test_everything_comes_back_bit_for_bit(checkpoints: Checkpoints) -> None:
    save(checkpoints, 64)
    found = checkpoints.newest()
    assert found is not None
    assert (found.images_seen, found.state["a"]) == (64, [1])
    torch.manual_seed(64)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    optimizer = torch.optim.Adam(net.parameters(), fused=True)
    net(torch.randn(4, 1, 5, 5)).sum().backward()
    optimizer.step()
    loaded = found.tensors("net")
    assert all(torch.equal(value, loaded[name]) for name, value in net.state_dict().items())
    state = found.optimizer("optimizer")["state"][0]
    assert torch.equal(state["exp_avg"], optimizer.state_dict()["state"][0]["exp_avg"])


def test_a_fresh_run_has_none(checkpoints: Checkpoints) -> None:
    assert checkpoints.newest() is None


def test_only_the_last_and_the_kept_multiples_stay(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep_last=2, keep_every_images=128)
    for images in range(64, 449, 64):
        save(checkpoints, images)
    assert [int(p.name[5:]) for p in sorted(tmp_path.glob("step-*"))] == [128, 256, 384, 448]
    assert (tmp_path / "latest").read_text() == "step-000000000448"


def test_after_a_fall_back_the_damaged_future_goes_and_not_what_was_just_saved(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep_last=1)
    (save(checkpoints, 128) / "net.safetensors").unlink()
    assert checkpoints.newest() is None
    saved = save(checkpoints, 64)
    found = checkpoints.newest()
    assert found is not None
    assert found.folder == saved
    assert [path.name for path in tmp_path.glob("step-*")] == [saved.name]


DAMAGES = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-7]),
    "flipped": lambda path: path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:]),
    "missing": lambda path: path.unlink(),
    "emptied": lambda path: path.write_bytes(b""),
}


@pytest.mark.parametrize("name", ["net.safetensors", "optimizer.pt", "state.json", "files.json"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_newest_is_passed_over_with_a_word(
    checkpoints: Checkpoints, name: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    save(checkpoints, 64)
    DAMAGES[damage](save(checkpoints, 128) / name)
    with caplog.at_level("WARNING"):
        found = checkpoints.newest()
    assert found is not None
    assert found.images_seen == 64
    assert "step-000000000128 is damaged" in caplog.text
    assert name in caplog.text


@pytest.mark.parametrize("content", ["[]", "{}", '{"files": 3}', '{"files": {"net.safetensors": 1}}', '{"files": {}}'])
def test_nonsense_in_the_files_manifest_is_damage(checkpoints: Checkpoints, content: str) -> None:
    folder = save(checkpoints, 64)
    (folder / "files.json").write_text(content)
    with pytest.raises(DamagedCheckpoint):
        Checkpoint(folder)


def test_a_half_written_folder_is_never_taken(checkpoints: Checkpoints) -> None:
    folder = save(checkpoints, 64)
    shutil.copytree(folder, folder.with_name("step-000000000128.tmp"))
    found = checkpoints.newest()
    assert found is not None
    assert found.images_seen == 64
    assert save(checkpoints, 128).exists()  # the leftover is no obstacle


def test_a_failing_disk_leaves_the_last_good_one(checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    save(checkpoints, 64)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cgan_dist.checkpoint.os.fsync", full)
    with pytest.raises(UserError, match="cannot write the checkpoint: No space left on device"):
        save(checkpoints, 128)
    found = checkpoints.newest()
    assert found is not None
    assert found.images_seen == 64


def test_a_pickle_that_runs_code_is_not_loaded(checkpoints: Checkpoints, tmp_path: Path) -> None:
    folder, trap = save(checkpoints, 64), tmp_path / "executed"

    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (trap,))

    torch.save(Trap(), folder / "optimizer.pt")
    content = (folder / "optimizer.pt").read_bytes()
    import hashlib

    listed = json.loads((folder / "files.json").read_text())
    listed["files"]["optimizer.pt"] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "files.json").write_text(json.dumps(listed))
    with pytest.raises(Exception, match="[Ww]eights"):
        Checkpoint(folder).optimizer("optimizer")
    assert not trap.exists()


def test_a_run_folder_and_a_step_folder_are_both_found(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "run" / "checkpoints", keep_last=5)
    first, second = save(checkpoints, 64), save(checkpoints, 128)
    assert find_checkpoint(tmp_path / "run").folder == second
    assert find_checkpoint(first).images_seen == 64


def test_nothing_to_find_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder; expected a run folder"):
        find_checkpoint(tmp_path / "absent")
    with pytest.raises(UserError, match="no whole checkpoint"):
        find_checkpoint(tmp_path)
