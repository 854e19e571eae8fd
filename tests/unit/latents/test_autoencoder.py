"""An autoencoder as data of other people: what is read of its folder, and that it computes what diffusers computes."""

from __future__ import annotations

import json
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from cgan_dist.errors import UserError
from cgan_dist.latents.autoencoder_folder import AutoencoderFolder, open_autoencoder
from cgan_dist.latents.facts import LatentFacts, PictureFacts
from tests.autoencoders import load, save_autoencoder

CONFIG, WEIGHTS = "config.json", "diffusion_pytorch_model.safetensors"


def opened(folder: Path) -> AutoencoderFolder:
    return open_autoencoder(folder, "data.autoencoder")


@pytest.fixture
def folder(autoencoder_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(autoencoder_folder, tmp_path / "vae"))


def change(folder: Path, **values: Any) -> None:
    path = folder / CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    "changes", [{}, {"use_quant_conv": False, "use_post_quant_conv": False}, {"mid_block_add_attention": False}]
)
def test_it_computes_what_diffusers_computes(tmp_path: Path, changes: dict[str, Any]) -> None:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    save_autoencoder(tmp_path / "vae", seed=3, **changes)
    ours, theirs = load(tmp_path / "vae"), AutoencoderKL.from_pretrained(tmp_path / "vae", local_files_only=True)
    pictures = torch.randint(0, 256, (3, 3, 16, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = theirs.encode(pictures / 127.5 - 1).latent_dist
        mean, log_variance = ours.moments(pictures).chunk(2, dim=1)
        # Not to the last bit: diffusers leaves weights where they lie in the file's bytes, aligned or not.
        assert torch.allclose(mean, expected.mean, rtol=1e-5, atol=1e-6)
        assert torch.allclose(log_variance, expected.logvar, rtol=1e-5, atol=1e-6)
        for count in (3, 70):  # from 64 on diffusers takes another way to the same numbers
            latents = mean[:1].expand(count, -1, -1, -1).contiguous()
            assert torch.allclose(ours.decode(latents), theirs.decode(latents).sample, atol=1e-5)
    assert not any(parameter.requires_grad for parameter in ours.parameters())


def test_weights_in_half_precision_are_taken_in_float32(folder: Path) -> None:
    tensors = {name: value.half() for name, value in load_file(folder / WEIGHTS).items()}
    save_file(tensors, folder / WEIGHTS)
    found = load(folder).network.state_dict()
    assert {value.dtype for value in found.values()} == {torch.float32}
    assert torch.equal(found["decoder.conv_in.weight"], tensors["decoder.conv_in.weight"].float())


def test_the_names_that_diffusers_had_for_attention_are_known(folder: Path) -> None:
    before = load(folder).network.state_dict()
    earlier = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    renamed = load_file(folder / WEIGHTS)
    for new, old in earlier.items():
        renamed = {name.replace(f"attentions.0.{new}.", f"attentions.0.{old}."): v for name, v in renamed.items()}
    assert "decoder.mid_block.attentions.0.query.weight" in renamed
    save_file(renamed, folder / WEIGHTS)
    after = load(folder).network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def latents_of(folder: Path) -> LatentFacts:
    picture = PictureFacts(channels=3, height=16, width=16)
    return LatentFacts(channels=4, moments=True, autoencoder=opened(folder).facts, picture=picture)


def test_another_one_is_told_by_its_weights_and_by_its_form(folder: Path, tmp_path: Path) -> None:
    latents = latents_of(folder)
    opened(Path(shutil.copytree(folder, tmp_path / "renamed"))).check(latents)
    other = save_autoencoder(tmp_path / "other", seed=1)
    with pytest.raises(UserError, match=r"data\.autoencoder .*other: another autoencoder: sha256 of its weights is"):
        opened(other).check(latents)
    change(folder, scaling_factor=0.5, sample_size=99, force_upcast=False)  # which change nothing that it computes
    opened(folder).check(latents)
    change(folder, act_fn="relu")
    with pytest.raises(UserError, match="another autoencoder: sha256 of its config is"):
        opened(folder).check(latents)


def test_latents_that_claim_another_form_are_refused(folder: Path) -> None:
    claimed = latents_of(folder).model_copy(update={"channels": 8})
    with pytest.raises(UserError, match=r"latents of 4 channels .* the data says 8"):
        opened(folder).check(claimed)


class Payload:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.marker,)


def test_a_folder_with_a_pickle_alone_is_not_read(folder: Path, tmp_path: Path) -> None:
    (folder / WEIGHTS).unlink()
    (folder / "diffusion_pytorch_model.bin").write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    with pytest.raises(UserError, match=r"safetensors: .*not there\. diffusion_pytorch_model\.bin may run code"):
        load(folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"_class_name": "os:system"}, r"_class_name: found 'os:system', expected 'AutoencoderKL'"),
        ({"_class_name": "AutoencoderTiny"}, r"expected 'AutoencoderKL'"),
        ({"auto_map": {"AutoModel": "payload.Go"}}, r"auto_map: unknown key"),
        ({"quantization_config": {}}, r"quantization_config: unknown key"),
        ({"act_fn": "eval"}, r"act_fn: found 'eval'"),
        ({"down_block_types": ["payload.Go"] * 2}, r"down_block_types\.0: found 'payload\.Go'"),
        ({"block_out_channels": [10**9, 10**9]}, r"block_out_channels\.0: found 1000000000"),
        ({"block_out_channels": [2**24] * 2}, r"of another autoencoder than its config's"),
        ({"block_out_channels": [8] * 4000}, r"block_out_channels: found"),
        ({"layers_per_block": 10**7}, r"layers_per_block: found 10000000"),
        ({"latent_channels": 10**6}, r"latent_channels: found"),
        ({"block_out_channels": [8]}, r"different lengths"),
        ({"norm_num_groups": 3}, r"no autoencoder that can be built"),
        ({"scaling_factor": 0.0}, r"scaling_factor: found 0\.0"),
        ({"scaling_factor": float("nan")}, r"scaling_factor: found nan"),
        ({"latents_mean": [0.0] * 4}, r"latents_mean: found"),
        ({"out_channels": 1}, r"in_channels and out_channels differ"),
    ],
)
def test_a_config_that_cannot_be_followed_is_a_sentence(folder: Path, values: dict[str, Any], said: str) -> None:
    change(folder, **values)
    with pytest.raises(UserError, match=said) as error:
        load(folder)
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize(
    ("content", "said"),
    [("{", "cannot be read"), ("[]", "_class_name: found None"), ("[" * 100_000, "cannot be read")],
)
def test_a_config_that_is_none_is_a_sentence(folder: Path, content: str, said: str) -> None:
    (folder / CONFIG).write_text(content)
    with pytest.raises(UserError, match=said):
        opened(folder)


def test_an_endless_config_and_endless_weights_are_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CGAN_DIST_AUTOENCODER_BYTES", "1000")
    with pytest.raises(UserError, match=r"more than 1,000 bytes, expected at most 1,000 for the weights of an auto"):
        load(folder)
    (folder / CONFIG).unlink()
    (folder / CONFIG).symlink_to("/dev/zero")
    with pytest.raises(UserError, match="a device, expected a regular file"):
        opened(folder)


def test_weights_that_are_damaged_or_not_finite_are_a_sentence(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    tensors["decoder.conv_in.bias"][0] = float("inf")
    save_file(tensors, folder / WEIGHTS)
    with pytest.raises(UserError, match=r"decoder\.conv_in\.bias is not of finite numbers"):
        load(folder)
    (folder / WEIGHTS).write_bytes(b"\x80\x04pickle or anything")
    with pytest.raises(UserError, match="no safetensors file"):
        load(folder)


def test_a_folder_that_is_none_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=re.escape("no such folder; expected one with config.json and diffusion_")):
        opened(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"no config\.json in it"):
        opened(tmp_path)


def test_without_diffusers_it_is_said_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "diffusers.models.autoencoders.autoencoder_kl", None)
    with pytest.raises(UserError, match=r"pip install 'cgan_dist\[latents\]'"):
        load(folder)
