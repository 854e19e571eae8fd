"""A trained generator as others load it: `Generator.from_pretrained(path_or_hub_id).sample("3,5", count=8)`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from huggingface_hub import PyTorchModelHubMixin
from numpy.typing import NDArray
from torch import Tensor, nn

from cgan_dist.assembly.contents import check_labels
from cgan_dist.assembly.decoding import latent_range
from cgan_dist.assembly.inputs import build_label_space
from cgan_dist.assembly.networks import build_generator, generator_on_meta
from cgan_dist.assembly.saved import build_sampler
from cgan_dist.assembly.trust import GENERATOR, check_code
from cgan_dist.conditioning.spaces.distribution import LabelDistribution
from cgan_dist.data.pixels import PIXEL_RANGES, ImageRange, PixelRange
from cgan_dist.errors import UserError
from cgan_dist.latents.autoencoder import Autoencoder
from cgan_dist.latents.latent_range import Decoded, LatentRange
from cgan_dist.sampling.sampler import Sampler
from cgan_dist.sharing.asked_labels import Asked, form_of, read_labels
from cgan_dist.sharing.config import CONFIG, ModelConfig, parse_model_config, read_model_config
from cgan_dist.sharing.folder import AUTOENCODER, OF_AUTOENCODER, WEIGHTS, read_weights, write_weights
from cgan_dist.sharing.hub import fetch

NETWORK, LABELS = "network.", "labels."
DEFAULT_COUNT = 16
COLUMNS = 64


class Generator(nn.Module, PyTorchModelHubMixin, library_name="cgan_dist", tags=["gan", "image-generation"]):
    """The EMA generator of a run, with its label space and the range of its pixels.

    Args:
        config: content of a model folder's `config.json`; code that it names is imported. The weights are random:
            `from_pretrained` loads some.

    Attributes:
        config: the same, parsed.
        network: called as `network(z, condition)`.
        space: encodes, parses and names labels.
        distribution: of the labels that it was trained on.
        autoencoder: what decodes its latents, where it draws such; None until it is loaded.

    Raises:
        UserError: if the config is damaged, or names code that cannot be imported.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.config = parse_model_config(config, CONFIG)
        settings, spec = self.config.settings, self.config.spec
        self.space = build_label_space(settings, spec)
        self.network = build_generator(settings, spec, self.space)
        self.distribution = LabelDistribution.of(self.space.grid(COLUMNS))
        self.autoencoder: Autoencoder | None = None
        self.eval()

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        force_download: bool = False,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        revision: str | None = None,
        map_location: str | torch.device = "cpu",
        trust_code: bool = False,
    ) -> Self:
        """Loads a model folder, from disk or from the Hugging Face Hub; it is in evaluation mode.

        Args:
            pretrained_model_name_or_path: folder that `cgan-dist export` wrote, or `user/name` of one on the Hub.
            force_download: even if it is in the Hub's cache.
            token: of the Hub; null takes the one of `hf auth login`.
            cache_dir: of the Hub; null is its own.
            local_files_only: touch no network.
            revision: branch, tag or commit on the Hub.
            map_location: device of the weights.
            trust_code: let `config.json` name code outside of this package, which is then imported and called, whoever
                made the folder; for one that this user exported of an own run it need not be said.

        Raises:
            UserError: if there is no such model, it is damaged, of another version, or needs code that is not there
                or not trusted.
        """
        folder = Path(pretrained_model_name_or_path)
        if not folder.is_dir():
            folder = fetch(
                str(pretrained_model_name_or_path),
                [CONFIG, WEIGHTS, *OF_AUTOENCODER],
                revision=revision,
                token=token,
                cache_dir=cache_dir,
                force_download=force_download,
                local_files_only=local_files_only,
            )
        config = read_model_config(folder)
        if not trust_code:
            check_code(config.settings, str(folder / CONFIG), GENERATOR)
        tensors = read_weights(folder, config)
        _check_form(config, tensors, folder)
        generator = cls._built(config, folder)
        generator._load(tensors, folder)
        if (latents := config.image.latents) is not None:
            generator.autoencoder = latent_range(latents, folder / AUTOENCODER, f"{folder}:").autoencoder
        return generator.to(map_location)

    def forward(self, z: Tensor, labels: Asked | None = None) -> Tensor:
        """Draws images, with a gradient unless `torch.no_grad` is set.

        Args:
            z: (B, Z), as `draw_z` returns it.
            labels: B labels of the space, or one for all; to be left out only where the space is `none`.

        Returns:
            (B, C, H, W) float in the range of `config.image.pixels`; `to_uint8` makes pixels of it.

        Raises:
            UserError: if z has another shape, or the labels are not of the space.
        """
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise UserError(f"z: found {tuple(z.shape)}; expected (B, {self.latent_dim}).")
        if labels is None and self.space.schema.kind != "none":
            raise UserError(f"labels: none given; this generator expects {self.form}, one for each z.")
        asked = self.labels("" if labels is None else labels)
        if len(asked) not in (1, len(z)):
            raise UserError(f"labels: found {len(asked)} for {len(z)} z; expected as many, or one for all.")
        return self.drawing(z, self.space.encode(asked.to(z.device).expand(len(z), *asked.shape[1:])))  # type: ignore[no-any-return]

    def sample(
        self,
        labels: Asked | None = None,
        count: int | None = None,
        seed: int = 0,
        truncation: float | None = None,
    ) -> NDArray[np.uint8]:
        """Draws images; the same seed gives the same ones.

        Args:
            labels: asked for, taking turns; null asks for all classes in turn, or, where labels are no classes, for
                labels as the training data has them.
            count: how many images; null draws one of each label, or 16 where none are given.
            seed: of the draws.
            truncation: entries of z are at most this far from 0; see docs/sampling.md.

        Returns:
            (N, H, W, C) uint8, C being 1 or 3.

        Raises:
            UserError: if a label is none of the space, or `count` is smaller than the number of labels.
        """
        sampler = self.sampler(seed)
        sampler.truncate(truncation)
        if labels is None:
            return sampler.fair(_positive(DEFAULT_COUNT if count is None else count)).images
        asked = self.labels(labels)
        number = len(asked) if count is None else _positive(count)
        if number < len(asked):
            raise UserError(
                f"count: found {number}, but {len(asked)} labels are asked for; expected {len(asked)} or more."
            )
        return sampler.balanced(asked, number).images

    def sampler(self, seed: int = 0) -> Sampler:
        """Returns what draws from this generator, for grids, mixtures and labels together with their images."""
        return build_sampler(self.config.settings, self.network, self.space, self.distribution, seed, self._range)

    def draw_z(self, count: int, seed: int = 0) -> Tensor:
        """Draws (count, Z) float32 from the distribution that it was trained with, on the CPU."""
        return self.sampler(seed).latents(count, "draw_z")

    def labels(self, asked: Asked) -> Tensor:
        """Brings labels to the form of the space: (B,) int64 for classes, else (B, W).

        Raises:
            UserError: if they are not labels of the space.
        """
        return read_labels(self.space, asked)

    def describe(self, labels: Asked) -> list[str]:
        """A short name for each label."""
        return self.space.describe(self.labels(labels))

    def to_uint8(self, images: Tensor) -> Tensor:
        """(B, C, H, W) float in the generator's range -> uint8."""
        return self.pixels.to_uint8(images)

    @property
    def latent_dim(self) -> int:
        """Entries of one z."""
        return self.config.generator.latent_dim

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one picture."""
        return self.config.spec.picture

    @property
    def label_names(self) -> list[str]:
        """Of the classes, attributes and values of the space; empty where there is no label."""
        return list(self.space.schema.names)

    @property
    def form(self) -> str:
        """What labels are, for a person, e.g. `(B,) int64 classes`."""
        return form_of(self.space.schema)

    @property
    def drawing(self) -> nn.Module:
        """What makes pictures: the network, called as it is; with what decodes its latents, where it draws such."""
        found = self._range
        return Decoded(self.network, found) if isinstance(found, LatentRange) else self.network

    @property
    def _range(self) -> ImageRange:
        if (latents := self.config.image.latents) is None:
            return self.pixels
        if self.autoencoder is None:
            raise UserError(f"{CONFIG}: it draws latents; expected its autoencoder, which from_pretrained loads.")
        return LatentRange(latents, self.autoencoder)

    @property
    def pixels(self) -> PixelRange:
        """The range of its pictures, and the way to uint8."""
        return PIXEL_RANGES[self.config.image.pixels]

    def _save_pretrained(self, save_directory: Path) -> None:
        """Writes weights, config and the autoencoder; the mixin adds a card where there is none."""
        if self.autoencoder is not None:
            self.autoencoder.folder.copy_to(save_directory / AUTOENCODER)
        tensors = {NETWORK + name: value for name, value in self.network.state_dict().items()}
        tensors |= {LABELS + name: value for name, value in self.distribution.state().items()}
        write_weights(save_directory, self.config, tensors)

    @classmethod
    def _built(cls, config: ModelConfig, folder: Path) -> Self:
        try:
            return cls(config.model_dump())
        except UserError as error:
            advice = f" The folder does not hold {config.plugin_names}: ask its author." if config.plugins else ""
            raise UserError(f"{folder / CONFIG}: {error}{advice}") from error

    def _load(self, tensors: dict[str, Tensor], folder: Path) -> None:
        try:
            rows, counts = tensors.pop(LABELS + "rows"), tensors.pop(LABELS + "counts")
            self.network.load_state_dict({name.removeprefix(NETWORK): value for name, value in tensors.items()})
        except (KeyError, RuntimeError) as error:
            raise _other_weights(folder, " ".join(str(error).split())) from error
        check_labels({"rows": rows, "counts": counts}, self.space.schema, f"{folder / WEIGHTS}: labels")
        self.distribution = LabelDistribution(rows, counts)


def _check_form(config: ModelConfig, tensors: dict[str, Tensor], folder: Path) -> None:
    """Holds the weights against the config before a generator is built, which may ask for any amount of memory."""
    settings, spec = config.settings, config.spec
    try:
        blank = generator_on_meta(settings, spec, build_label_space(settings, spec))
    except UserError:  # which building will tell, with the author's advice
        return
    if blank is None:
        return
    expected = {NETWORK + name: tuple(value.shape) for name, value in blank.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in tensors.items() if not name.startswith(LABELS)}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise _other_weights(folder, f"{name} is {found.get(name)} there, expected {expected.get(name)}")


def _other_weights(folder: Path, found: str) -> UserError:
    return UserError(
        f"{folder / WEIGHTS}: not the weights of the generator in {CONFIG}: {found}. Export the model again, or load "
        "it with the version of the code that exported it."
    )


def _positive(count: int) -> int:
    if count < 1:
        raise UserError(f"count: found {count}; expected 1 or more.")
    return count
