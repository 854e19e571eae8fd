"""diffusers' `AutoencoderKL`, loaded from what `AutoencoderFolder` has checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_dist.errors import UserError
from cgan_dist.latents.autoencoder_folder import WEIGHTS, AutoencoderFolder, no_weights
from cgan_dist.latents.stored import LOG_VARIANCES

if TYPE_CHECKING:
    from diffusers import AutoencoderKL


class Autoencoder(nn.Module):
    """The network in float32, frozen.

    Attributes:
        network: the `AutoencoderKL`.
        folder: that it was loaded from.
    """

    def __init__(self, network: AutoencoderKL, folder: AutoencoderFolder) -> None:
        super().__init__()
        self.network = network
        self.folder = folder
        for block in network.decoder.up_blocks:
            block.upsamplers = block.upsamplers and nn.ModuleList(map(_Doubled, block.upsamplers))
        self.requires_grad_(False)
        self.eval()

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device

    @torch.no_grad()
    def moments(self, pictures: Tensor) -> Tensor:
        """(B, c, h, w) uint8 -> (B, 2 C, H, W) float32, the means and then the log-variances, on its own device.

        Grey pictures are repeated where it takes colour.
        """
        values = pictures.to(self.device).contiguous().float() / 127.5 - 1
        values = values.expand(-1, self.folder.config.in_channels, -1, -1).contiguous()
        features = self.network.encoder(values)
        mean, log_variance = _through(self.network.quant_conv, features).chunk(2, dim=1)
        return torch.cat([mean, log_variance.clamp(*LOG_VARIANCES)], dim=1)

    def decode(self, latents: Tensor) -> Tensor:
        """(B, C, H, W) float32, not scaled -> (B, c, h, w) float32 in about [-1, 1]."""
        return self.network.decoder(_through(self.network.post_quant_conv, latents))  # type: ignore[no-any-return]


class _Doubled(nn.Module):
    """What diffusers' `Upsample2D` computes in a decoder, whatever the size of the batch.

    The original asks whether the batch has 64 images or more, so that no graph could be traced for any number.
    """

    def __init__(self, original: nn.Module) -> None:
        super().__init__()
        self.conv = cast(nn.Module, original.conv)

    def forward(self, features: Tensor, *_: object) -> Tensor:
        """(B, F, H, W) -> (B, F', 2 H, 2 W)."""
        return self.conv(F.interpolate(features, scale_factor=2.0, mode="nearest"))  # type: ignore[no-any-return]


def load_autoencoder(folder: AutoencoderFolder) -> Autoencoder:
    """Builds the network without its numbers, compares its form with the file, and takes the file's.

    Raises:
        UserError: if the extra `latents` is not installed, or the weights are damaged or those of another network.
    """
    network, tensors = _blank(folder), folder.read_weights()
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in tensors.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            told = f"{name} is {found.get(name)} there, expected {expected.get(name)}"
            raise no_weights(folder.path / WEIGHTS, f"of another autoencoder than its config's: {told}")
        if not tensors[name].is_floating_point() or not tensors[name].isfinite().all():
            raise no_weights(folder.path / WEIGHTS, f"{name} is not of finite numbers")
    # Copies: in place in the file's bytes they lie as it happens, and so would the last bits of what is computed.
    own = {name: torch.empty(value.shape).copy_(value) for name, value in tensors.items()}
    network.load_state_dict(own, assign=True)
    return Autoencoder(network, folder)


def _blank(folder: AutoencoderFolder) -> AutoencoderKL:
    """The network on the meta device, whatever its config asks for."""
    try:
        from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    except ImportError as error:
        raise UserError(
            f"{folder.where} {folder.path}: an autoencoder needs diffusers, which is not there ({error}); give "
            "`pip install 'cgan_dist[latents]'`."
        ) from error
    try:
        with torch.device("meta"):
            return AutoencoderKL(**folder.config.arguments)
    except (ValueError, RuntimeError, TypeError, AssertionError) as error:  # e.g. channels that no group divides
        reason = " ".join(str(error).split())
        raise UserError(f"{folder.path}: its config is of no autoencoder that can be built: {reason}.") from error


def _through(layer: nn.Module | None, values: Tensor) -> Tensor:
    return values if layer is None else layer(values)
