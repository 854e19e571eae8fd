"""The sections of the YAML config: every key, its type, its default and its meaning.

Facts that the data knows (channels, size, number of classes) are not keys; they come from the shards' manifest.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from cgan_dist.bounds import (
    ARGUMENT,
    BATCH_IMAGES,
    CLOCK_IMAGES,
    GRID_PICTURES,
    HOURS,
    MINUTES,
    SAMPLES,
    SEED,
    STREAMS,
    WORKERS,
)
from cgan_dist.config.home import LocalPath
from cgan_dist.config.schedule import Scheduled, up_to, whole
from cgan_dist.config.score import Best, best_by_name
from cgan_dist.errors import close_match

Count = Annotated[int, BeforeValidator(whole), Field(gt=0), up_to(CLOCK_IMAGES)]
WholeNumber = Annotated[int, BeforeValidator(whole), Field(ge=0), up_to(CLOCK_IMAGES)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Beta = Annotated[float, Field(ge=0, lt=1)]
BALANCES = ("none", "sqrt", "uniform")
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class Section(BaseModel):
    """Base of every section: unknown keys and wrong types are errors, values never change after loading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


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
    on_error: Literal["stop", "skip"] = "stop"
    """Damage stops the run with an error that names it, or with `skip` is passed over: counted, logged, the same in
    every run."""
    max_bad_share: Annotated[float, Field(ge=0, lt=1)] = 0.001
    """Share of damaged images that `skip` tolerates."""
    augment: list[str] = []
    """Augmentations of what D sees, real and fake, in this order: `flip`, `translation`, `cutout`, `color`, or
    `package.module:Class`."""
    augment_probability: Scheduled[Share] = 1.0
    """Of each augmentation, for each image by itself (Karras et al. 2020, arXiv:2006.06676)."""

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


class Named(Section):
    """A plug-in by short name or `package.module:Class`; written as the bare name where it has no arguments."""

    name: str
    args: dict[str, Any] = {}

    @model_serializer
    def _shortest(self) -> str | dict[str, Any]:
        return {"name": self.name, "args": self.args} if self.args else self.name


def _named(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


Part = Annotated[Named, BeforeValidator(_named)]


class ConditioningConfig(Section):
    """The label space, and the ways in which each network takes the condition."""

    labels: Part = Named(name="auto")
    """The label space: `auto` is what the data has; `classes` (`group`), `attributes` (`names`), `continuous`
    (`names`), `product` (`parts`), or `none` for no condition."""
    generator: list[Part] = [Named(name="concat")]
    """Ways into G, any number: `concat` (`literal` false), `embedding` (`dim` 128), `film` (`dim` null, `latent`
    false); [] where labels are `none`. See docs/conditioning.md#ways-into-the-generator."""
    discriminator: list[Part] = [Named(name="channels")]
    """Ways into D, any number: `channels` (`literal` false), `embedding_channels` (`dim` 16), `projection`, `auxiliary`
    (`weight` 1, `on_fakes` false), `d2d_ce` (`dim` 128, `weight` 0.5, `temperature` 0.5, `margin` 0.98), `multi_hinge`
    (`weight` 1), each `weight` a number or a schedule; [] where labels are `none`. See
    docs/conditioning.md#ways-into-the-discriminator."""

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
    """`dcgan`, `resnet`, `r3`, or `package.module:Class`; see docs/training.md#networks."""
    args: dict[str, Any] = {}
    """`dcgan`: `width` 64, `stages` (derived from the size), `norm` `batch` or `none`, of D `padding` `same` or
    `valid`. `resnet`: `width` 64, `max_width` 512, `attention` null, of D `spectral` true and `spectral_tables` true.
    `r3`: `width` 64, `max_width` 512, `blocks` 2, `expansion` 2, `group_size` 16."""


class GeneratorConfig(PartConfig):
    """The generator, and the distribution of its z."""

    latent_dim: Annotated[Count, up_to(ARGUMENT)] = 100
    """Entries of z."""
    latent: Literal["uniform", "normal"] = "uniform"
    """Distribution of z: `uniform` in [-1, 1] (the original) or standard `normal`."""


class LossConfig(Section):
    """The objective: an adversarial loss and the penalties on the discriminator."""

    adversarial: str = "non_saturating"
    """`non_saturating`, `hinge`, `least_squares`, `wasserstein`, `relativistic`, or `package.module:Class`; see
    docs/training.md#adversarial-losses."""
    penalties: dict[str, Scheduled[NotNegative]] = {}
    """Name to weight, e.g. `{r1: 0.3, r2: 0.3}`. `r1`, `r2`: gamma of gamma / 2 times the squared gradient norm at
    reals, at fakes; `r1_approximate`, `r2_approximate`: gamma of the same by a step along noise; `gp`: lambda of the
    gradient penalty of WGAN-GP; `lecam`: lambda of LeCam's."""
    noise_step: Positive = 0.01
    """How long the step of `r1_approximate` and `r2_approximate` is, in each pixel, in the units of `data.pixels`."""
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
    batch only, as torch's SparseAdam does; `auto` is `rows` from 640 rows on."""

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


class SampleConfig(Section):
    """The grids in `samples/`."""

    interval_images: Count = 6_400
    """How often they are drawn."""
    per_class: Annotated[Count, up_to(GRID_PICTURES)] = 8
    """Rows of a grid."""
    max_classes: Annotated[Count, up_to(GRID_PICTURES)] = 16
    """Columns of a grid: the first so many classes."""

    @model_validator(mode="after")
    def _can_be_looked_at(self) -> SampleConfig:
        if self.per_class * self.max_classes > GRID_PICTURES.limit:
            found = GRID_PICTURES.exceeded(self.per_class * self.max_classes)
            raise ValueError(f"per_class times max_classes is {found}")
        return self


class CheckpointConfig(Section):
    """When the state is saved and what is kept."""

    interval_images: Count = 6_400
    """How often the state is saved."""
    keep_last: Count = 2
    """So many of the newest stay."""
    keep_every_images: Count | None = None
    """Also keep for ever the checkpoints at multiples of this."""
    keep_best: str | None = None
    """Also keep the best one by this score, named as evaluation logs it without `eval/`, e.g. `label_accuracy`."""
    best_is: Annotated[Best | None, Field(validate_default=True)] = None
    """Which score is best; null takes it from the name: highest of an accuracy, lowest of a distance or an error."""

    @field_validator("best_is", mode="before")
    @classmethod
    def _by_name(cls, value: object, others: ValidationInfo) -> object:
        name = others.data.get("keep_best")
        return best_by_name(name) if value is None and name is not None else value


class EvaluateConfig(Section):
    """Metrics during training; `cgan-dist evaluate` has the same as options."""

    interval_images: Count | None = None
    """How often, besides at the end; null: at the end only."""
    metrics: list[Part] = []
    """`fid`, `label_accuracy` and others of docs/evaluation.md; `fid@classifier` is on the features of `classifier`."""
    count: Annotated[Count, up_to(SAMPLES)] = 2_000
    """Samples of each evaluation."""
    split: Literal["all", "train", "held_out"] = "all"
    """Which real images they are compared with: `held_out` are those that no classifier of the whole set trains on."""
    real_count: Count | None = None
    """At most so many real images, the first; null takes all."""
    inception_weights: LocalPath | None = None
    """File of the Inception network's weights; null is torch's cache of downloads, and fetched if it is not there."""
    inception_sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")] | None = None
    """Of that file, 64 hexadecimal digits; null is that of the original weights."""


class TrackingConfig(Section):
    """Where metrics go besides `metrics.jsonl`."""

    trackers: list[Part] = [Named(name="wandb")]
    """Mirrors of `metrics.jsonl`, any number: `wandb` (`entity` null, `start_seconds` 30, `finish_seconds` 60),
    `tensorboard`, `package.module:Class`; one that fails costs nothing but what it shows. See docs/tracking.md."""
    project: str = "cgan-dist"
    """Name of the project in W&B."""
    interval_images: Count = 640
    """One line of metrics."""
    histograms_interval_images: Count | None = None
    """Histograms of every weight and bias, to the trackers that can show them; null: none."""


class GuardConfig(Section):
    """What watches over a long run: divergence, hanging, replicas that differ, collapse."""

    skips_in_a_row: Count = 8
    """An update whose gradients are not finite is skipped. After so many in a row of one network, the run goes back to
    a checkpoint and on with other draws. See docs/long-runs.md#guards."""
    max_rollbacks: WholeNumber = 3
    """In the whole life of the run; the next divergence ends it with a diagnosis."""
    stuck_minutes: Annotated[Positive, up_to(MINUTES)] | None = 10.0
    """After this time without an iteration a process writes its stacks to `stuck-rank-R.txt`; after twice this time it
    ends itself with exit code 70, so that the launcher can start the job again. null: never."""
    replicas_interval_images: Count | None = 64_000
    """How often the networks of all processes are compared, bit for bit; null: never."""
    alarm_d_accuracy: Share | None = 0.99
    """Alert when D ranks this share of its pairs of a real and a fake right, for `alarm_lines` lines of the log in a
    row; null: never."""
    alarm_lines: Count = 20
    """Lines of the log that `alarm_d_accuracy` waits for."""
    alarm_variance: NotNegative | None = 0.05
    """Alert when the samples of a class vary less than this share of how much its real images do; null: never."""
