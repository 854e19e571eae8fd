"""The folder of an autoencoder as diffusers writes it: a config and weights, data of other people and nothing else.

Two files are read, `config.json` and `diffusion_pytorch_model.safetensors`; nothing that they name is, no code in the
folder runs, and no network is touched.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from safetensors.torch import load
from torch import Tensor

from cgan_dist.bounds import ARGUMENT, AUTOENCODER_BYTES, BLOCKS, LATENT_CHANNELS, RECORD_BYTES, read_bytes, read_text
from cgan_dist.errors import UserError, shown
from cgan_dist.latents.facts import NAME_CHARACTERS, AutoencoderFacts, Factor, LatentFacts, Shift

CONFIG, WEIGHTS = "config.json", "diffusion_pytorch_model.safetensors"
CLASS = "AutoencoderKL"
SCALES = 8
"""Most that an encoder halves its picture through, less one: one of 128 times is larger than any that is known."""
NOT_OF_THE_FORM = {"scaling_factor", "shift_factor", "sample_size", "force_upcast", "latents_mean", "latents_std"}
EARLIER_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""Of the layers of attention, in weights that diffusers wrote before 0.15; it renames them, too, as it reads them."""
Channels = Annotated[int, Field(gt=0, le=ARGUMENT.limit)]
Down = Literal["DownEncoderBlock2D", "AttnDownEncoderBlock2D"]
Up = Literal["UpDecoderBlock2D", "AttnUpDecoderBlock2D"]


class AutoencoderConfig(BaseModel):
    """`config.json`, as far as it can be followed; keys that begin with `_` say who wrote it, and are not."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    in_channels: Literal[1, 3] = 3
    out_channels: Literal[1, 3] = 3
    down_block_types: Annotated[list[Down], Field(min_length=1, max_length=SCALES)] = ["DownEncoderBlock2D"]
    up_block_types: Annotated[list[Up], Field(min_length=1, max_length=SCALES)] = ["UpDecoderBlock2D"]
    block_out_channels: Annotated[list[Channels], Field(min_length=1, max_length=SCALES)] = [64]
    layers_per_block: Annotated[int, Field(gt=0, le=BLOCKS.limit)] = 1
    act_fn: Literal["silu", "swish", "mish", "gelu", "relu"] = "silu"
    latent_channels: Annotated[int, Field(gt=0, le=LATENT_CHANNELS.limit)] = 4
    norm_num_groups: Channels = 32
    use_quant_conv: bool = True
    use_post_quant_conv: bool = True
    mid_block_add_attention: bool = True
    scaling_factor: Factor = 0.18215
    shift_factor: Shift | None = None
    sample_size: int | list[int] = 32
    force_upcast: bool = True
    latents_mean: None = None
    latents_std: None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.in_channels != self.out_channels:
            raise ValueError("in_channels and out_channels differ; expected pictures in and pictures out")
        if not len(self.down_block_types) == len(self.up_block_types) == len(self.block_out_channels):
            raise ValueError("down_block_types, up_block_types and block_out_channels have different lengths")
        return self

    @property
    def arguments(self) -> dict[str, Any]:
        """What builds the network."""
        return self.model_dump(exclude=NOT_OF_THE_FORM)

    @property
    def sha256(self) -> str:
        """Of what decides how it computes, hex; how its latents are scaled is the manifest's affair."""
        return hashlib.sha256(json.dumps(self.arguments, sort_keys=True).encode()).hexdigest()

    @property
    def factor(self) -> int:
        """How many times as high and wide a picture is as its latent."""
        return 1 << (len(self.block_out_channels) - 1)


@dataclass(frozen=True)
class AutoencoderFolder:
    """A folder whose config has been read.

    Attributes:
        path: of the folder.
        config: what it says.
        where: key path or option by which it was named, for errors.
    """

    path: Path
    config: AutoencoderConfig
    where: str

    @cached_property
    def facts(self) -> AutoencoderFacts:
        """What a manifest says of it; reads the weights, to hash them."""
        return AutoencoderFacts(
            name=self.path.resolve().name[:NAME_CHARACTERS] or CLASS,
            weights_sha256=hashlib.sha256(self._content()).hexdigest(),
            config_sha256=self.config.sha256,
            scaling_factor=self.config.scaling_factor,
            shift_factor=self.config.shift_factor or 0.0,
        )

    def check(self, latents: LatentFacts) -> None:
        """Raises UserError if it is not the autoencoder of these latents."""
        expected, found = latents.autoencoder, self.facts
        if not found.is_same_as(expected):
            which = "weights" if found.weights_sha256 != expected.weights_sha256 else "config"
            theirs, own = (getattr(facts, f"{which}_sha256") for facts in (expected, found))
            raise UserError(
                f"{self.where} {self.path}: another autoencoder: sha256 of its {which} is {own[:16]}..., expected "
                f"{theirs[:16]}..., that of '{expected.name}', by which the latents were made."
            )
        form = self.config.latent_channels, self.config.out_channels
        if form != (latents.channels, latents.picture.channels):
            raise UserError(
                f"{self.where} {self.path}: latents of {form[0]} channels and pictures of {form[1]}; the data says "
                f"{latents.channels} and {latents.picture.channels}, so its manifest was not written by encode."
            )

    def read_weights(self) -> dict[str, Tensor]:
        """Reads the tensors, by the names that diffusers has for them now.

        Raises:
            UserError: if they are missing or damaged, or have changed since `facts` hashed them.
        """
        path, content = self.path / WEIGHTS, self._content()
        if hashlib.sha256(content).hexdigest() != self.facts.weights_sha256:
            raise no_weights(path, "they changed while they were read")
        try:
            tensors = load(content)
        except Exception as error:  # whatever the parser makes of bytes that no safetensors writer wrote
            raise no_weights(path, f"no safetensors file: {error}") from error
        return {_current(name): value for name, value in tensors.items()}

    def copy_to(self, folder: Path) -> None:
        """Writes the two files into a folder that is made; of the config what is followed, and nothing else.

        Raises:
            UserError: if the weights are no longer those that were loaded.
        """
        content = self._content()
        if hashlib.sha256(content).hexdigest() != self.facts.weights_sha256:
            raise no_weights(self.path / WEIGHTS, "they have changed since they were loaded")
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"_class_name": CLASS} | self.config.model_dump(), indent=1, sort_keys=True) + "\n"
        (folder / CONFIG).write_text(text, encoding="utf-8")
        (folder / WEIGHTS).write_bytes(content)

    def _content(self) -> bytes:
        path = self.path / WEIGHTS
        try:
            return read_bytes(path, AUTOENCODER_BYTES)
        except FileNotFoundError:
            others = sorted(found.name for found in self.path.glob("*.bin")) + sorted(
                found.name for found in self.path.glob("*.ckpt")
            )
            advice = f" {others[0]} may run code when it is read, and is not." if others else ""
            raise no_weights(path, f"not there.{advice} Save it anew by save_pretrained(DIR)") from None
        except OSError as error:
            raise no_weights(path, error.strerror or str(error)) from error


def open_autoencoder(path: Path, where: str) -> AutoencoderFolder:
    """Reads the config of an autoencoder's folder.

    Args:
        path: a folder of this machine.
        where: key path or option that names it, for errors.

    Raises:
        UserError: if there is no such folder, or it is not that of an autoencoder that can be followed.
    """
    file = path / CONFIG
    if not path.is_dir():
        raise UserError(
            f"{where} {path}: no such folder; expected one with {CONFIG} and {WEIGHTS}, as "
            f"diffusers' {CLASS}.save_pretrained(DIR) writes it, or the folder `vae` of a Stable Diffusion model."
        )
    try:
        values = json.loads(read_text(file, RECORD_BYTES))
    except FileNotFoundError:
        raise UserError(f"{where} {path}: no {CONFIG} in it; expected the folder of an {CLASS} of diffusers.") from None
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{file}: cannot be read: {reason}.") from error
    return AutoencoderFolder(path, _parsed(values, file), where)


def _parsed(values: Any, file: Path) -> AutoencoderConfig:
    found = values.get("_class_name") if isinstance(values, dict) else None
    if found != CLASS:
        raise UserError(f"{file}: _class_name: found {shown(found)}, expected '{CLASS}', of diffusers.")
    try:
        return AutoencoderConfig.model_validate({k: v for k, v in values.items() if not k.startswith("_")})
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(str(part)[:60] for part in problem["loc"])
        told = "unknown key" if problem["type"] == "extra_forbidden" else f"found {shown(problem['input'])}; "
        expected = "" if problem["type"] == "extra_forbidden" else problem["msg"]
        raise UserError(
            f"{file}: {key + ': ' if key else ''}{told}{expected}. Only an {CLASS} of pictures with a scale of all its "
            "latents can be followed."
        ) from None


def no_weights(path: Path, what: str) -> UserError:
    """The error for weights that are not those that are wanted."""
    return UserError(f"{path}: not the weights of an autoencoder: {what}.")


def _current(name: str) -> str:
    return re.sub(
        r"(?<=\.attentions\.)(\d+)\.(query|key|value|proj_attn)\.",
        lambda found: f"{found[1]}.{EARLIER_NAMES[found[2]]}.",
        name,
    )
