"""The sections of the config about learning: the objective, the optimizers, the step, the average of the generator."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from cgan_dist.bounds import BATCH_IMAGES, HOURS, MINUTES
from cgan_dist.config.schedule import Scheduled, up_to
from cgan_dist.config.values import (
    Beta,
    Count,
    Named,
    NotNegative,
    Parts,
    Positive,
    PositiveShare,
    Section,
    WholeNumber,
)


class LossConfig(Section):
    """The objective: an adversarial loss, penalties, and what of a batch counts."""

    adversarial: str = "non_saturating"
    """`non_saturating`, `hinge`, `least_squares`, `wasserstein`, `relativistic`, or `package.module:Class`; see
    docs/training.md#adversarial-losses."""
    penalties: dict[str, Scheduled[NotNegative]] = {}
    """Name to weight, e.g. `{r1: 0.3, r2: 0.3}`. `r1`, `r2`: gamma of gamma / 2 times the squared gradient norm at
    reals, at fakes; `r1_approximate`, `r2_approximate`: gamma of the same by a step along noise; `gp`: lambda of the
    gradient penalty of WGAN-GP; `lecam`: lambda of LeCam's; `bcr_real`, `bcr_fake`: lambda of D's consistency under
    `bcr_augment`, at reals, at fakes; `zcr_d`: lambda of D's consistency under a change of z, and `zcr_g`: lambda of
    what G gains by showing that change."""
    noise_step: Positive = 0.01
    """How long the step of `r1_approximate` and `r2_approximate` is, in each pixel, in the units of `data.pixels`."""
    bcr_augment: Annotated[Parts, Field(min_length=1)] = [Named(name="flip"), Named(name="translation")]
    """How `bcr_real` and `bcr_fake` change the image that D is to judge alike: augmentations as in `data.augment`, each
    for every image."""
    zcr_noise: Positive = 0.05
    """Standard deviation of the normal noise by which `zcr_d` and `zcr_g` change each entry of z."""
    top_k: Scheduled[PositiveShare] = 1.0
    """The share of a global batch's fakes that count in G's adversarial loss: those that D finds most real (Sinha et
    al. 2020, arXiv:2002.06224). 1: all."""
    guidance: bool = False
    """Networks with `levels`: D sees each level of reals and fakes mixed with noise, the first ones most (multi-level
    noise guidance, arXiv:2509.24935). See docs/training.md#levels."""
    consistency: Scheduled[NotNegative] = 0.0
    """Networks with `levels`: weight in G's loss of the squared distance of its levels from the last one
    (arXiv:2605.26449)."""
    lazy_updates: Count = 1
    """Every so many-th update of D computes the penalties on gradients (`r1`, `r2`, `gp`), and multiplies them by
    this."""


class AdamConfig(Section):
    """Adam for one network."""

    lr: Scheduled[Positive] = 2e-4
    """Learning rate of Adam."""
    betas: list[Scheduled[Beta]] = [0.5, 0.999]
    """Decay rates of its two moments."""
    weight_decay: Scheduled[NotNegative] = 0.0
    """Times the rate, what each update takes from every weight (AdamW); from tables that move by rows nothing."""
    clip_norm: Scheduled[Positive] | None = None
    """The longest gradient, of all weights of the network together; a longer one is shortened to it."""
    width_aware: Count | None = None
    """The width of the networks that `lr` is meant for: the rate is this many times `lr` over the network's own width,
    of those that have one (arXiv:2509.24935: 768). null: `lr` as it is."""
    warmup_images: WholeNumber = 0
    """Up to here the rate rises in a line from 0 to what `lr` says."""
    multipliers: dict[str, NotNegative] = {}
    """Beginnings of names of weights to factors of their rate, e.g. `{mapping: 0.01}`: docs/training.md#optimizers."""

    @field_validator("betas")
    @classmethod
    def _a_pair(cls, betas: list[Scheduled[float]]) -> list[Scheduled[float]]:
        if len(betas) != 2:
            raise ValueError(f"found {len(betas)} value(s); expected two, e.g. [0.5, 0.999]")
        return betas


class OptimConfig(AdamConfig):
    """Adam for both networks; `generator` and `discriminator` override it for one."""

    generator: AdamConfig | None = None
    """Of G alone; what is left out is that of `optim`."""
    discriminator: AdamConfig | None = None
    """Of D alone, likewise."""
    tables: Literal["auto", "dense", "rows"] = "auto"
    """How label tables are updated: `dense` moves every row at every step, as Adam does; `rows` moves those of the
    batch only and leaves the others as they are; `auto` is `rows` from 640 rows on."""

    @model_validator(mode="before")
    @classmethod
    def _inherit(cls, values: object) -> object:
        if not isinstance(values, dict):
            return values
        shared = {key: values[key] for key in AdamConfig.model_fields if key in values}
        inherited = {
            net: shared | values[net] for net in ("generator", "discriminator") if isinstance(values.get(net), dict)
        }
        return values | inherited


class TrainConfig(Section):
    """The step and its length."""

    batch_size: Annotated[Count, up_to(BATCH_IMAGES)] = 64
    """Global: the sum over all processes."""
    micro_batch: Count | None = None
    """At most so many images of one forward pass on one process; null takes its whole share at once. Gradients are
    reduced once."""
    total_images: Count = 128_000
    """Real images that D has consumed when training ends."""
    plan: list[Literal["G", "D"]] = ["G", "G", "D"]
    """One iteration. Each D consumes a new batch; a G takes the labels of the next D's batch, or of the last one's."""
    share_z: bool = True
    """One z per batch for every phase that uses it, as in the original; false draws a new z for each phase."""
    precision: Literal["auto", "no", "fp16", "bf16"] = "auto"
    """`no` is float32, `fp16` needs a GPU; `auto` is bf16 on a GPU that has it, else `no`. See
    docs/training.md#precision."""
    channels_last: bool = True
    """Keep kernels and features with the channels innermost, which convolutions on most machines are faster with."""
    tf32: bool = True
    """Let GPUs multiply float32 with ten bits of mantissa, several times as fast."""
    deterministic: bool = False
    """On GPUs, take only algorithms that give the same bits every time, so that a run that was stopped ends as one that
    was not, bit for bit. Slower, and an operation that has no such algorithm is an error that names it."""
    sync_batch_norm: bool = True
    """On several GPUs, batch norm sees the whole global batch; on CPUs, and with false, each process its own share."""
    compile: bool = False
    """`torch.compile` for G, and for D without spectral norm, but for the passes that `r1`, `r2` and `gp`
    differentiate."""
    max_hours: Annotated[Positive, up_to(HOURS)] | None = None
    """Stop with a checkpoint after this wall-clock time; the same command goes on from there."""
    leave_minutes: Annotated[NotNegative, up_to(MINUTES)] = 3.0
    """Stop with a checkpoint so long before the end of a Slurm job, at most a tenth of the time that it has at its
    start."""

    @field_validator("plan")
    @classmethod
    def _trains_both(cls, plan: list[Literal["G", "D"]]) -> list[Literal["G", "D"]]:
        if {"G", "D"} - set(plan):
            raise ValueError(f"found [{', '.join(plan)}]; expected both G and D, e.g. [G, G, D]")
        return plan


class EmaConfig(Section):
    """The average of G that is sampled, evaluated and exported."""

    half_life_images: Scheduled[NotNegative] = 2_000
    """Half-life of the average; 0 keeps none: it is G itself, as in the original."""
