"""What a manifest, a checkpoint and a model folder say of latents."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from cgan_dist.bounds import IMAGE_SIDE, LATENT_CHANNELS

NAME_CHARACTERS = 200
BYTES = 2
"""Of a float16."""
Side = Annotated[int, Field(gt=0, le=IMAGE_SIDE.limit)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Factor = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Shift = Annotated[float, Field(allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class AutoencoderFacts(_Strict):
    """Which autoencoder it is, and what brings its latents to about unit variance: x = (z - shift) * scaling."""

    name: Annotated[str, Field(min_length=1, max_length=NAME_CHARACTERS)]
    """Of its folder, for a person."""
    weights_sha256: Sha256
    """Of the file of its weights."""
    config_sha256: Sha256
    """Of what its config says of its form; see `AutoencoderConfig.sha256`."""
    scaling_factor: Factor
    shift_factor: Shift

    def is_same_as(self, other: AutoencoderFacts) -> bool:
        """Whether it is the same network; folders may have any names."""
        mine, theirs = ((one.weights_sha256, one.config_sha256) for one in (self, other))
        return mine == theirs


class PictureFacts(_Strict):
    """What latents are decoded to."""

    channels: Literal[1, 3]
    height: Side
    width: Side


class LatentFacts(_Strict):
    """What every image of a set is, where latents are kept in the place of pixels."""

    channels: Annotated[int, Field(gt=0, le=LATENT_CHANNELS.limit)]
    """C of the latent that networks see, (C, H, W)."""
    moments: bool
    """Kept are the mean and the log-variance of each value; else the mean alone."""
    autoencoder: AutoencoderFacts
    picture: PictureFacts

    @property
    def stored_channels(self) -> int:
        """Bytes of one place (h, w) in a shard."""
        return BYTES * self.channels * (2 if self.moments else 1)

    def differs_from(self, other: LatentFacts | None) -> bool:
        """Whether a network that was trained on the others' latents has no use for these."""
        if other is None:
            return True
        mine, theirs = (
            (facts.channels, facts.picture, facts.autoencoder.scaling_factor, facts.autoencoder.shift_factor)
            for facts in (self, other)
        )
        return mine != theirs or not self.autoencoder.is_same_as(other.autoencoder)
