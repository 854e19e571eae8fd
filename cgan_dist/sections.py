"""The sections of the YAML config: every key, its type, its default and its meaning.

Facts that the data knows (channels, size, number of classes) are not keys; they come from the shards' manifest.
"""

from __future__ import annotations

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

from cgan_dist.randomness import Latent
from cgan_dist.schedule import Scheduled, whole
from cgan_dist.score import Best, best_by_name

Count = Annotated[int, BeforeValidator(whole), Field(gt=0)]
WholeNumber = Annotated[int, BeforeValidator(whole), Field(ge=0)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Beta = Annotated[float, Field(ge=0, lt=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class Section(BaseModel):
    """Base of every section: unknown keys and wrong types are errors, values never change after loading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class RunConfig(Section):
    """Where the run lives and which random draws it makes."""

    name: Name = "run"
    """Folder below `dir`; letters, digits, `.`, `_` and `-`."""
    dir: str = "runs"
    seed: WholeNumber = 0

    @property
    def folder(self) -> Path:
        """The run folder, `dir/name`."""
        return Path(self.dir) / self.name


class DataConfig(Section):
    """What is read and how it reaches the networks."""

    path: str
    """Folder that `cgan-dist prepare` wrote, or its URL: http(s)://, s3:// and what else fsspec knows."""
    workers: WholeNumber = 2
    """Loader processes per rank; 0 reads in the training process."""
    streams: Count = 8
    """S of docs/data.md: the global batch takes the same number of images from each; must be divisible by the number of
    processes, and divide the batch size."""
    cache: Literal["auto", "ram", "none"] = "auto"
    """Keep decoded images in memory, shared by all processes of a machine: `auto` when they are below 4 GiB."""
    cache_dir: str | None = None
    """Where the files of a remote set are kept; null is ~/.cache/cgan_dist/shards."""
    allow_pipe: bool = False
    """Accept a `pipe:` path, which runs a shell command."""
    channels: Literal[1, 3] | None = None
    """Repeat a grey image to this many channels, as the original MNIST program does; null keeps the stored ones."""
    pixels: Literal["half", "half128", "unit"] = "unit"
    """Value range of images: `unit` is [-1, 1], `half` is [-0.5, 0.5] as in the original for MNIST, `half128` is
    (v - 128) / 255 as in the original for faces."""
    on_error: Literal["stop", "skip"] = "stop"
    """What damage does: `stop` with an error that names it, or `skip` it: counted, logged, the same at every run."""
    max_bad_share: Annotated[float, Field(ge=0, lt=1)] = 0.001
    """Share of damaged images that `skip` tolerates."""
    augment: list[str] = []
    """Augmentations of what D sees, real and fake, in this order: `flip`, `translation`, `cutout`, `color`."""
    augment_probability: Scheduled[Share] = 1.0
    """Of each augmentation, for each image by itself (Karras et al. 2020, arXiv:2006.06676)."""


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
    """`auto` is what the data has; `classes`, `attributes`, `continuous`, `product`, or `none` for no condition."""
    generator: list[Part] = [Named(name="concat")]
    """Any number of `concat`, `embedding`, `film`; [] by default where labels are `none`."""
    discriminator: list[Part] = [Named(name="channels")]
    """Any number of `channels`, `embedding_channels`, `projection`, `auxiliary`, `d2d_ce`, `multi_hinge`."""

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
    args: dict[str, Any] = {}


class GeneratorConfig(PartConfig):
    """The generator, and the distribution of its z."""

    latent_dim: Count = 100
    latent: Latent = "uniform"
    """`uniform` in [-1, 1] (the original) or standard `normal`."""


class LossConfig(Section):
    """The objective: an adversarial loss and the penalties on the discriminator."""

    adversarial: str = "non_saturating"
    penalties: dict[str, Scheduled[NotNegative]] = {}
    """Name to weight, e.g. `{r1: 0.3, r2: 0.3}`. `r1`, `r2`: gamma of gamma / 2 times the squared gradient norm at
    reals, at fakes; `gp`: lambda of the gradient penalty of WGAN-GP; `lecam`: lambda of LeCam's."""
    lazy_updates: Count = 1
    """Every so many-th update of D computes the penalties on gradients (r1, r2, gp), and multiplies them by this."""


class AdamConfig(Section):
    """Adam for one network."""

    lr: Scheduled[Positive] = 2e-4
    betas: list[Scheduled[Beta]] = [0.5, 0.999]

    @field_validator("betas")
    @classmethod
    def _a_pair(cls, betas: list[Scheduled[float]]) -> list[Scheduled[float]]:
        if len(betas) != 2:
            raise ValueError(f"found {len(betas)} value(s); expected two, e.g. [0.5, 0.999]")
        return betas


class OptimConfig(AdamConfig):
    """Adam for both networks; `generator` and `discriminator` override it for one."""

    generator: AdamConfig | None = None
    discriminator: AdamConfig | None = None
    tables: Literal["auto", "dense", "rows"] = "auto"
    """How large label tables are updated: `dense` moves every row at every step, as Adam does; `rows` moves those of
    the batch only, as torch's SparseAdam does; `auto` is `rows` from 640 rows on."""

    @model_validator(mode="before")
    @classmethod
    def _inherit(cls, values: object) -> object:
        if not isinstance(values, dict):
            return values
        shared = {key: values[key] for key in ("lr", "betas") if key in values}
        inherited = {
            net: shared | values[net] for net in ("generator", "discriminator") if isinstance(values.get(net), dict)
        }
        return values | inherited


class TrainConfig(Section):
    """The step and its length."""

    batch_size: Count = 64
    """Global: the sum over all processes."""
    micro_batch: Count | None = None
    """At most so many images of one forward pass on one process; null takes its whole share at once."""
    total_images: Count = 128_000
    """Real images that D has consumed when training ends."""
    plan: list[Literal["G", "D"]] = ["G", "G", "D"]
    """One iteration. Each D consumes a new batch; a G takes the labels of the next D's batch, or of the last one's."""
    share_z: bool = True
    """One z per batch for every phase that uses it, as in the original; false draws a new z for each phase."""
    precision: Literal["auto", "no", "fp16", "bf16"] = "auto"
    """`auto`: bf16 on a GPU that has it, else float32."""
    channels_last: bool = True
    """Keep kernels and features with the channels innermost, which convolutions on most machines are faster with."""
    tf32: bool = True
    """Let GPUs multiply float32 with ten bits of mantissa, several times as fast."""
    sync_batch_norm: bool = True
    """On several GPUs, batch norm sees the whole global batch, but in a D with penalties on gradients, whose second
    derivative it lacks; there, on CPUs and with false, each process sees its own share."""
    compile: bool = False
    """`torch.compile` for G, and for D without spectral norm, but for the passes that penalties differentiate twice."""
    max_hours: Positive | None = None
    """Stop with a checkpoint after this wall-clock time; the same command goes on from there."""
    leave_minutes: NotNegative = 3.0
    """Stop with a checkpoint so long before the end of a Slurm job."""

    @field_validator("plan")
    @classmethod
    def _trains_both(cls, plan: list[Literal["G", "D"]]) -> list[Literal["G", "D"]]:
        if {"G", "D"} - set(plan):
            raise ValueError(f"found [{', '.join(plan)}]; expected both G and D, e.g. [G, G, D]")
        return plan


class EmaConfig(Section):
    """The average of G that is sampled, evaluated and exported."""

    half_life_images: Scheduled[NotNegative] = 2_000
    """0 keeps no average: the EMA generator is G itself, as in the original."""


class SampleConfig(Section):
    """The grids in `samples/`."""

    interval_images: Count = 6_400
    per_class: Count = 8
    """Rows of a grid."""
    max_classes: Count = 16
    """Columns of a grid: the first so many classes."""


class CheckpointConfig(Section):
    """When the state is saved and what is kept."""

    interval_images: Count = 6_400
    keep_last: Count = 2
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
    metrics: list[Part] = []
    """`fid`, `label_accuracy` and others of docs/evaluation.md; `fid@classifier` is on the features of `classifier`."""
    count: Count = 2_000
    """Samples per evaluation."""
    split: Literal["all", "train", "held_out"] = "all"
    """Which real images they are compared with: `held_out` are those that no classifier of the whole set trains on."""
    real_count: Count | None = None
    """At most so many real images, the first; null takes all."""
    inception_weights: str | None = None
    """File of the Inception network's weights; null is torch's cache of downloads, and fetched if it is not there."""
    inception_sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")] | None = None
    """What that file must have; null is that of the original weights."""


class TrackingConfig(Section):
    """Where metrics go besides `metrics.jsonl`."""

    trackers: list[Part] = [Named(name="wandb")]
    """Any number of `wandb`, `tensorboard`, `package.module:Class`; one that fails costs nothing but what it shows."""
    project: str = "cgan-dist"
    interval_images: Count = 640
    histograms_interval_images: Count | None = None
    """Histograms of every weight and bias, to the trackers that can show them; null: none."""


class GuardConfig(Section):
    """What watches over a long run: divergence, hanging, replicas that differ, collapse."""

    skips_in_a_row: Count = 8
    """An update whose gradients are not finite is skipped. After so many in a row of one network, the run goes back to
    a checkpoint and on with other draws."""
    max_rollbacks: WholeNumber = 3
    """In the whole life of the run; the next divergence ends it with a diagnosis."""
    stuck_minutes: Positive | None = 10.0
    """After this time without an iteration a process writes its stacks to `stuck-rank-R.txt`; after twice this time it
    ends itself with exit code 70, so that the launcher can start the job again. null: never."""
    replicas_interval_images: Count | None = 64_000
    """How often the networks of all processes are compared, bit for bit; null: never."""
    alarm_d_accuracy: Share | None = 0.99
    """Alert when D ranks this share of its pairs of a real and a fake right, for `alarm_lines` lines of the log in a
    row; null: never."""
    alarm_lines: Count = 20
    alarm_variance: NotNegative | None = 0.05
    """Alert when the samples of a class vary less than this share of how much its real images do; null: never."""
