"""The sections of the config about what is trained on and what is trained: run, data, labels, networks.

Facts that the data knows (channels, size, number of classes) are not keys; they come from the shards' manifest.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from cgan_dist.bounds import ARGUMENT, SEED, STREAMS, WORKERS
from cgan_dist.config.home import LocalPath
from cgan_dist.config.schedule import Scheduled, up_to, whole
from cgan_dist.config.values import Count, Named, Part, Parts, Positive, Section, Share, WholeNumber
from cgan_dist.errors import close_match

BALANCES = ("none", "sqrt", "uniform")
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class RunConfig(Section):
    """Where the run lives and which random draws it makes."""

    name: Name = "run"
    """The run folder is `dir/name`; letters, digits, `.`, `_` and `-`."""
    dir: LocalPath = "runs"
    """Where run folders lie."""
    seed: Annotated[int, BeforeValidator(whole), Field(ge=0), up_to(SEED)] = 0
    """Of every random draw: networks, z, order of the data."""

    @property
    def folder(self) -> Path:
        """The run folder, `dir/name`."""
        return Path(self.dir) / self.name


class DataConfig(Section):
    """What is read and how it reaches the networks."""

    path: LocalPath
    """Folder that `cgan-dist prepare` wrote, or its URL: http(s)://, s3:// and what else fsspec knows."""
    workers: Annotated[WholeNumber, up_to(WORKERS)] = 2
    """Loader processes per rank; 0 reads in the training process."""
    streams: Annotated[Count, up_to(STREAMS)] = 8
    """The global batch takes the same number of images from each; divides `train.batch_size`, and the number of
    processes divides it (S of docs/data.md#the-order)."""
    balance: Literal["none", "sqrt", "uniform"] | dict[str, Positive] = "none"
    """How often classes are seen: `none` as often as they occur, `uniform` each as often as the others, `sqrt` halfway
    between, or the weight of an image by its class, e.g. {rare: 5}, 1 where it is left out. Metrics keep asking for
    labels as the data has them. See docs/data.md#unequal-classes."""
    cache: Literal["auto", "ram", "none"] = "auto"
    """Keep decoded images in memory, shared by all processes of a machine: `auto` when they are below 4 GiB."""
    cache_dir: LocalPath | None = None
    """Where the files of a remote set are kept; null is ~/.cache/cgan_dist/shards."""
    allow_pipe: bool = False
    """Accept a `pipe:` path, which runs a shell command."""
    channels: Literal[1, 3] | None = None
    """Repeat a grey image to this many channels, as the original MNIST program does; null keeps the stored ones."""
    pixels: Literal["half", "half128", "unit"] = "unit"
    """Value range of images: `unit` is [-1, 1], `half` is [-0.5, 0.5] as in the original for digits, `half128` is
    (v - 128) / 255 as in the one for faces."""
    autoencoder: LocalPath | None = None
    """Of a set of latents: the folder of the autoencoder that they were made by, which makes pictures of samples
    (docs/latents.md); `pixels` and `channels` then say nothing. Null for a set of pictures."""
    on_error: Literal["stop", "skip"] = "stop"
    """Damage stops the run with an error that names it, or with `skip` is passed over: counted, logged, the same in
    every run."""
    max_bad_share: Annotated[float, Field(ge=0, lt=1)] = 0.001
    """Share of damaged images that `skip` tolerates."""
    augment: Parts = []
    """Augmentations of what D sees, real and fake, in this order: `flip`, `translation`, `cutout`, `color`, the
    adaptive `ada` (`pipeline` bgc, `without` [], `target` 0.6, `adaptation_images` 500_000, `interval_images` 256,
    `limit` 0.8), or `package.module:Class`; one may stand without a list. See docs/training.md#augmentation."""
    augment_probability: Scheduled[Share] = 1.0
    """Of each augmentation, for each image by itself (Karras et al. 2020, arXiv:2006.06676); not of `ada`, which finds
    its own."""

    @field_validator("balance", mode="before")
    @classmethod
    def _rule_or_weights(cls, balance: object) -> object:
        if isinstance(balance, dict) and balance:
            for name, weight in balance.items():
                if not isinstance(name, str):
                    raise ValueError(f'found the key {name!r}; expected the name of a class, e.g. {{"{name}": 5}}')
                if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < math.inf:
                    raise ValueError(f"found {weight!r} for {name}; expected a weight above 0, e.g. {{{name}: 5}}")
        elif balance not in BALANCES:
            raise ValueError(
                f"found {balance!r}; expected 'none', 'sqrt' or 'uniform', or weights by class, e.g. {{rare: 5}}."
                f"{close_match(str(balance), BALANCES)}"
            )
        return balance


class ConditioningConfig(Section):
    """The label space, and the ways in which each network takes the condition."""

    labels: Part = Named(name="auto")
    """The label space: `auto` is what the data has; `classes` (`group`), `attributes` (`names`), `continuous`
    (`names`), `product` (`parts`), or `none` for no condition."""
    generator: list[Part] = [Named(name="concat")]
    """Ways into G, any number: `concat` (`literal` false), `embedding` (`dim` 128, `std` 1), `film` (`dim` null,
    `latent` false); [] where labels are `none`. See docs/conditioning.md#ways-into-the-generator."""
    discriminator: list[Part] = [Named(name="channels")]
    """Ways into D, any number: `channels` (`literal` false), `embedding_channels` (`dim` 16), `projection` (`dim`
    null, `layers` 0, `std` null), `auxiliary` (`weight` 1, `on_fakes` false, `dim` null), `d2d_ce` (`dim` 128,
    `weight` 0.5, `temperature` 0.5, `margin` 0.98), `multi_hinge` (`weight` 1), each `weight` a number or a schedule;
    [] where labels are `none`. See docs/conditioning.md#ways-into-the-discriminator."""

    @model_validator(mode="before")
    @classmethod
    def _nothing_to_take(cls, values: object) -> object:
        if not isinstance(values, dict):
            return values
        without = values.get("labels") in ("none", {"name": "none"}, {"name": "none", "args": {}})
        return {"generator": [], "discriminator": []} | values if without else values

    @field_validator("generator", "discriminator")
    @classmethod
    def _once_each(cls, ways: list[Named]) -> list[Named]:
        names = [way.name for way in ways]
        if len(set(names)) != len(names):
            raise ValueError(f"found {names}; expected each way once")
        return ways


class PartConfig(Section):
    """A network by short name or `package.module:Class`, with its arguments."""

    name: str = "dcgan"
    """`dcgan`, `resnet`, `r3`, `transformer`, or `package.module:Class`; see docs/training.md#networks."""
    args: dict[str, Any] = {}
    """`dcgan`: `width` 64, `stages` (derived from the size), `norm` `batch` or `none`, of G `upsampling` `transposed`
    or `nearest`, of D `padding` `same` or `valid`. `resnet`: `width` 64, `max_width` 512, `attention` null, of D
    `spectral` true and `spectral_tables` true. `r3`: `width` 64, `max_width` 512, `blocks` 2, `expansion` 2,
    `group_size` 16. `transformer`: `width` 384, `depth` 12, `heads` null, `patch` 2, `levels` 1, `checkpoint` false, of
    G `output_gain` 1, of D `apart` false."""


class GeneratorConfig(PartConfig):
    """The generator, and the distribution of its z."""

    latent_dim: Annotated[Count, up_to(ARGUMENT)] = 100
    """Entries of z."""
    latent: Literal["uniform", "normal"] = "uniform"
    """Distribution of z: `uniform` in [-1, 1] (the original) or standard `normal`."""
