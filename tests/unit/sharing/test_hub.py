from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch

from cgan_dist.errors import UserError
from cgan_dist.sharing.hub import check_repo_id, fetch, upload
from cgan_dist.sharing.pretrained import Generator
from tests.hub_server import COMMIT, TOKEN, Hub
from tests.unit.generator_samples import generator_of

FILES = ["config.json", "model.safetensors", "README.md"]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    server = Hub()
    resolved = f"{server.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.url)
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", resolved)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield server
    server.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    generator_of().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_what_is_uploaded_can_be_loaded_by_its_name(hub: Hub, folder: Path, tmp_path: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    url = upload(folder, FILES, "ada/digits", True, "first")
    assert url == f"{hub.url}/ada/digits/commit/{COMMIT}"
    assert hub.private == {"ada/digits"}
    assert hub.repositories["ada/digits"] == {name: (folder / name).read_bytes() for name in FILES}
    upload(folder, FILES, "ada/digits", None, "again")

    there = Generator.from_pretrained("ada/digits", cache_dir=tmp_path / "cache")
    here = Generator.from_pretrained(folder)
    z = here.draw_z(2)
    with torch.no_grad():
        assert torch.equal(there(z, "ant"), here(z, "ant"))
    hub.refusal = 503
    again = Generator.from_pretrained("ada/digits", cache_dir=tmp_path / "cache", local_files_only=True)
    assert again.label_names == here.label_names
    cached = fetch("ada/digits", FILES[:2], cache_dir=tmp_path / "cache", local_files_only=True)
    assert sorted(os.listdir(cached)) == sorted(FILES[:2])  # the card is of no use here


def test_a_public_repository_is_the_default(hub: Hub, folder: Path) -> None:
    upload(folder, FILES, "ada/digits", None, "first")
    assert hub.repositories.keys() == {"ada/digits"}
    assert hub.private == set()


def test_without_a_token_nothing_is_sent(hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(folder / "no token"))
    with pytest.raises(UserError, match=r"^--to ada/digits: no token for the Hub was found.*hf auth login.*HF_TOKEN"):
        upload(folder, FILES, "ada/digits", None, "first")
    assert hub.posted == []


def test_a_token_that_is_refused_is_explained(hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_stale")
    with pytest.raises(UserError, match="^--to ada/digits: .*401"):
        upload(folder, FILES, "ada/digits", None, "first")
    assert hub.repositories == {}


@pytest.mark.parametrize("refusal", [403, 500])
def test_a_refusal_of_the_hub_is_explained(
    hub: Hub, folder: Path, refusal: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # its client waits between attempts
    hub.refusal = refusal
    with pytest.raises(UserError, match=f"^--to ada/digits: the Hub refuses or cannot be reached: .*{refusal}"):
        upload(folder, FILES, "ada/digits", None, "first")


def test_what_the_hub_has_not_is_named(hub: Hub, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="^ada/digts: the Hub has no such repository.*Mind the spelling"):
        Generator.from_pretrained("ada/digts", cache_dir=tmp_path / "cache")
    upload(folder, FILES, "ada/digits", None, "first")
    with pytest.raises(UserError, match="^ada/digits: no such revision"):
        Generator.from_pretrained("ada/digits", revision="v2", cache_dir=tmp_path / "cache")
    hub.repositories["ada/other"] = {"README.md": b"no model of ours"}
    with pytest.raises(UserError, match="no config.json in it; expected a model folder"):
        Generator.from_pretrained("ada/other", cache_dir=tmp_path / "cache")


def test_without_a_network_both_readings_are_explained(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"^runs/of-nobody: no such folder, not in the Hub's cache .*and the Hub was not asked"
    ):
        Generator.from_pretrained("runs/of-nobody", cache_dir=tmp_path, local_files_only=True)


@pytest.mark.parametrize("name", ["demo", "runs/demo/model", "./model", "/no/such/folder", "a b/c", "ada/di--gits", ""])
def test_what_is_neither_folder_nor_repository_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="expected a repository of the Hub as user/name"):
        check_repo_id(name, "--to")


def test_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"^{tmp_path}/model: no such folder: expected a repository of the Hub"):
        Generator.from_pretrained(tmp_path / "model")
