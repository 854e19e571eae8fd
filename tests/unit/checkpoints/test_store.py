from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from cgan_dist.checkpoints.store import Checkpoint, Checkpoints, DamagedCheckpoint, find_checkpoint
from cgan_dist.errors import UserError
from tests.unit.checkpoint_samples import assert_is_of, content, forge, save


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints", keep_last=2)


def test_everything_comes_back_bit_for_bit(checkpoints: Checkpoints) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), fused=True, betas=(0.5, 0.9))
    net(torch.randn(4, 1, 5, 5)).sum().backward()
    optimizer.step()
    tied = {"a": net[0].weight, "b": net[0].weight, "view": torch.arange(100)[50:53], "none": torch.empty(0, 3)}
    state = content(64)[2] | {"a": [1]}
    checkpoints.save(64, {"net": net.state_dict(), "tied": tied}, {"adam": optimizer.state_dict()}, state, wait=True)

    found = checkpoints.newest()
    assert found is not None
    assert (found.images_seen, found.state["a"], found.scores) == (64, [1], {})
    loaded = found.tensors("net")
    assert loaded.keys() == net.state_dict().keys()
    assert all(torch.equal(value, loaded[name]) for name, value in net.state_dict().items())
    assert all(torch.equal(value, found.tensors("tied")[name]) for name, value in tied.items())
    assert (found.folder / "tied.safetensors").stat().st_size < 1000  # of a view, what is seen of it
    before, after = optimizer.state_dict(), found.optimizer("adam")
    assert after["param_groups"] == before["param_groups"]
    for index, values in before["state"].items():
        for name, value in values.items():
            assert torch.equal(value, after["state"][index][name])
            assert value.stride() == after["state"][index][name].stride()  # else Adam takes slower kernels
    assert found.size == sum(path.stat().st_size for path in found.folder.iterdir() if path.name != "files.json")


def test_a_fresh_run_has_none(checkpoints: Checkpoints) -> None:
    assert checkpoints.newest() is None
    checkpoints.folder.write_text("a file in the folder's place")
    assert checkpoints.newest() is None


def test_only_the_last_and_the_kept_multiples_stay(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep_last=2, keep_every_images=128)
    for images in range(64, 449, 64):
        save(checkpoints, images)
    assert [int(p.name[5:]) for p in sorted(tmp_path.glob("step-*"))] == [128, 256, 384, 448]
    assert (tmp_path / "latest").read_text() == "step-000000000448"


def test_after_a_fall_back_the_damaged_future_goes_and_not_what_was_just_saved(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep_last=1)
    (save(checkpoints, 128) / "g.safetensors").unlink()
    saved = save(checkpoints, 64)
    found = checkpoints.newest()
    assert found is not None
    assert found.folder == saved
    assert [path.name for path in tmp_path.glob("step-*")] == [saved.name]


def test_a_run_whose_checkpoints_are_all_damaged_does_not_silently_begin_anew(checkpoints: Checkpoints) -> None:
    for images in (64, 128):
        (save(checkpoints, images) / "g.safetensors").unlink()
    with pytest.raises(UserError, match="no whole checkpoint in it:\n  step-000000000128: g.safetensors is missing"):
        checkpoints.newest()
    assert len(list(checkpoints.folder.glob("step-*"))) == 2
    shutil.rmtree(checkpoints.folder)
    assert checkpoints.newest() is None


def test_going_back_forgets_what_is_later(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep_last=9)
    for images in (64, 128, 192):
        save(checkpoints, images)
    assert [checkpoint.images_seen for checkpoint in checkpoints.whole()] == [192, 128, 64]
    checkpoints.go_back(64)
    assert [checkpoint.images_seen for checkpoint in checkpoints.whole()] == [64]
    assert (tmp_path / "latest").read_text() == "step-000000000064"


def test_a_half_written_folder_is_never_taken_and_no_obstacle(checkpoints: Checkpoints) -> None:
    folder = save(checkpoints, 64)
    for leftover in ("step-000000000096.tmp", "step-000000000128.tmp", "step-000000000064.old.tmp"):
        shutil.copytree(folder, folder.with_name(leftover))
    (folder.parent / "latest.tmp").write_text("step-")
    found = checkpoints.newest()
    assert found is not None
    assert found.images_seen == 64
    assert_is_of(Checkpoint(save(checkpoints, 128)), 128)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["latest", folder.name, "step-000000000128"]


def test_one_that_is_being_replaced_counts_until_the_new_one_is_there(checkpoints: Checkpoints) -> None:
    """The two renames of `write_folder`, with a kill between them."""
    folder = save(checkpoints, 64)
    folder.rename(folder.with_name(folder.name + ".old"))
    found = checkpoints.newest()
    assert found is not None
    assert_is_of(found, 64)
    save(checkpoints, 96)
    assert [checkpoint.images_seen for checkpoint in checkpoints.whole()] == [96, 64]  # keep_last counts it
    save(checkpoints, 64)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["latest", folder.name]


def test_what_is_in_the_place_of_a_checkpoint_is_replaced(checkpoints: Checkpoints) -> None:
    checkpoints.folder.mkdir()
    (checkpoints.folder / "step-000000000064").write_text("a file")
    (checkpoints.folder / "step-000000000064.tmp").write_text("another")
    assert_is_of(Checkpoint(save(checkpoints, 64)), 64)
    assert len(list(checkpoints.folder.iterdir())) == 2


def test_what_is_loaded_is_what_was_verified(checkpoints: Checkpoints) -> None:
    folder = save(checkpoints, 64)
    checkpoint = Checkpoint(folder)
    other = save(checkpoints, 128)
    for name in ("g.safetensors", "optimizer.pt"):
        shutil.copy(other / name, folder / name)
    with pytest.raises(UserError, match="g.safetensors has another sha256"):
        checkpoint.tensors("g")
    with pytest.raises(UserError, match="optimizer.pt has another sha256"):
        checkpoint.optimizer("optimizer")


def test_what_is_not_in_it_is_told(checkpoints: Checkpoints) -> None:
    checkpoint = Checkpoint(save(checkpoints, 64))
    shutil.copy(checkpoint.folder / "g.safetensors", checkpoint.folder / "unlisted.safetensors")
    for name in ("x", "unlisted"):
        with pytest.raises(UserError, match=rf"no {name}.safetensors in it, but d.safetensors, g.safetensors"):
            checkpoint.tensors(name)
    with pytest.raises(UserError, match=r"no optimizer_rows.pt in it.* other optim.tables"):
        checkpoint.optimizer("optimizer_rows")


class Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


def test_a_forged_optimizer_runs_no_code_and_is_a_clear_error(checkpoints: Checkpoints, tmp_path: Path) -> None:
    folder, trap = save(checkpoints, 64), tmp_path / "executed"
    good = (folder / "optimizer.pt").read_bytes()
    torch.save(Trap(trap), tmp_path / "trap.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    torch.save({"state": 3, "param_groups": []}, tmp_path / "types.pt")
    stored = [(tmp_path / f"{name}.pt").read_bytes() for name in ("trap", "list", "types")]
    cut = [good[: len(good) // 2], good[:10], b"", b"PK\x03\x04", b"\x80\x02", b"\x80\x05K\x01.", os.urandom(99)]
    cut += [good.replace(b"FloatStorage", b"EvilsStorage"), b"import os\n", b"\xff" * 40]
    for forged in [*stored, *cut]:
        forge(folder, "optimizer.pt", forged)
        with pytest.raises(DamagedCheckpoint, match=r"optimizer.pt (cannot be loaded|holds no optimizer's state)"):
            Checkpoint(folder).optimizer("optimizer")
    assert not trap.exists()
    forge(folder, "optimizer.pt", good)
    assert_is_of(Checkpoint(folder), 64)


def test_a_forged_network_is_a_clear_error(checkpoints: Checkpoints) -> None:
    folder = save(checkpoints, 64)
    good = (folder / "g.safetensors").read_bytes()
    for forged in (b"", b"{}", good[:-5], b"\xff" * 50, b"\x02" + bytes(7) + b"[]", good.replace(b"F32", b"F99")):
        forge(folder, "g.safetensors", forged)
        with pytest.raises(DamagedCheckpoint, match="g.safetensors is no safetensors file"):
            Checkpoint(folder).tensors("g")


def test_a_run_folder_its_checkpoints_a_step_and_the_pointers_are_found(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    checkpoints = Checkpoints(run / "checkpoints", keep_last=5, keep_best="label_accuracy")
    first = save(checkpoints, 64, scores={"label_accuracy": 0.5})
    second = save(checkpoints, 128, scores={"label_accuracy": 0.4})
    for path, folder in {
        run: second,
        checkpoints.folder: second,
        checkpoints.folder / "latest": second,
        checkpoints.folder / "best": first,
        first: first,
    }.items():
        assert find_checkpoint(path).folder == folder
    copy = shutil.copytree(first, tmp_path / "my favourite")
    assert find_checkpoint(copy).images_seen == 64


def test_a_run_may_be_called_best(tmp_path: Path) -> None:
    (tmp_path / "best").mkdir()
    save(Checkpoints(tmp_path / "best" / "checkpoints"), 64)
    assert find_checkpoint(tmp_path / "best").images_seen == 64


def test_nothing_to_find_is_a_clear_error(tmp_path: Path) -> None:
    for absent in ("absent", "latest"):
        with pytest.raises(UserError, match="no such folder; expected a run folder"):
            find_checkpoint(tmp_path / absent)
    with pytest.raises(UserError, match="cannot look for checkpoints: File name too long"):
        find_checkpoint(tmp_path / ("a" * 300))
    with pytest.raises(UserError, match="no whole checkpoint"):
        find_checkpoint(tmp_path)
    with pytest.raises(UserError, match="there is no such folder"):
        find_checkpoint(tmp_path / "step-000000000064")
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    save(checkpoints, 64)
    with pytest.raises(UserError, match=r"best: no checkpoint was kept as the best; set checkpoint.keep_best"):
        find_checkpoint(checkpoints.folder / "best")
    (checkpoints.folder / "latest").write_text("step-000000000128")
    with pytest.raises(UserError, match="it names step-000000000128, which is not there"):
        find_checkpoint(checkpoints.folder / "latest")
    for nonsense in ("../../etc", "", "step-1\n/x"):
        (checkpoints.folder / "best").write_text(nonsense)
        with pytest.raises(UserError, match="it names no checkpoint"):
            find_checkpoint(checkpoints.folder / "best")
