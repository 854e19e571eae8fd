from __future__ import annotations

import os
from pathlib import Path

import pytest

from cgan_dist.errors import UserError
from cgan_dist.sharing.folder import FILES, check_model_folder
from tests.unit.generator_samples import generator_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    generator_of().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_what_belongs_to_it_is_told_with_its_size(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"12345")
    (folder / "secret.txt").write_text("of the user")
    (folder / "grid.png").mkdir()
    found = check_model_folder(folder)
    assert found == {name: (folder / name).stat().st_size for name in FILES if name in found}
    assert list(found) == ["config.json", "model.safetensors", "README.md", "model.onnx"]


def test_what_is_no_model_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder; expected a model folder"):
        check_model_folder(tmp_path / "nothing")
    with pytest.raises(UserError, match="no such folder"):
        check_model_folder(folder / "config.json")
    with pytest.raises(UserError, match="no config.json in it"):
        check_model_folder(tmp_path)
    (folder / "README.md").unlink()
    with pytest.raises(UserError, match="no README.md in it, the model card"):
        check_model_folder(folder)


def test_damaged_weights_are_found(folder: Path) -> None:
    with (folder / "model.safetensors").open("ab") as file:
        file.write(b"0")
    with pytest.raises(UserError, match="model.safetensors: damaged"):
        check_model_folder(folder)


def test_weights_without_an_end(folder: Path) -> None:
    """A pipe hung here for ever, and a terabyte of holes took all memory."""
    path = folder / "model.safetensors"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UserError, match="model.safetensors: cannot be read: a named pipe, expected a regular file"):
        check_model_folder(folder)
    path.unlink()
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UserError, match="model.safetensors: cannot be read: .* the rest are holes"):
        check_model_folder(folder)


@pytest.mark.parametrize("name", ["grid.png", "model.onnx", "README.md"])
def test_a_link_out_of_the_folder_is_not_published(folder: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "id_rsa").write_text("key")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(tmp_path / "id_rsa")
    with pytest.raises(UserError, match=f"{name}: a link out of the folder, to .*id_rsa"):
        check_model_folder(folder)
