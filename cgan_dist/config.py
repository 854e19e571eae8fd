"""The YAML config: strict models, dotted overrides, errors that name the key.

Facts that the data knows (channels, size, classes) are not keys here; they come from the shards' manifest.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from cgan_dist.errors import UserError, close_match
from cgan_dist.randomness import Latent
from cgan_dist.schedule import NUMBER, SCHEDULE, Schedule, Scheduled, whole
from cgan_dist.yaml_text import dump_yaml, read_yaml, set_dotted

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
        if not isinstance(values, dict) or values.get("labels") not in ("none", {"name": "none"}):
            return values
        return {"generator": [], "discriminator": []} | values

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
    betas: Annotated[list[Scheduled[Beta]], Field(min_length=2, max_length=2)] = [0.5, 0.999]


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
    """Images of one forward pass on one process; null takes the whole share at once."""
    total_images: Count = 128_000
    """Real images that D has consumed when training ends."""
    plan: Annotated[list[Literal["G", "D"]], Field(min_length=1)] = ["G", "G", "D"]
    """One iteration. Each D consumes a new batch; a G takes the labels of the next D's batch, or of the last one's."""
    share_z: bool = True
    """One z per batch for every phase that uses it, as in the original; false draws a new z for each phase."""
    precision: Literal["auto", "no", "fp16", "bf16"] = "auto"
    """`auto`: bf16 on a GPU that has it, else float32."""
    channels_last: bool = True
    """Keep kernels and features with the channels innermost, which convolutions on most machines are faster with."""
    compile: bool = False
    """`torch.compile` for G, and for D where no penalty needs its second derivative."""
    max_hours: Positive | None = None
    """Stop with a checkpoint after this wall-clock time; the same command goes on from there."""

    @model_validator(mode="after")
    def _plan_trains_both(self) -> TrainConfig:
        if {"G", "D"} - set(self.plan):
            raise ValueError("plan must contain both G and D, e.g. [G, G, D]")
        return self


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


class EvaluateConfig(Section):
    """Metrics during training."""

    interval_images: Count | None = None
    metrics: list[str] = []
    count: Count = 2_000
    """Samples per evaluation."""


class TrackingConfig(Section):
    """Where metrics go besides `metrics.jsonl`."""

    trackers: list[Literal["wandb", "tensorboard"]] = ["wandb"]
    project: str = "cgan-dist"
    interval_images: Count = 640
    histograms_interval_images: Count | None = None
    """Histograms of every weight and bias, to the trackers that can show them; null: none."""


class Config(Section):
    """A whole config; every section but `data` has defaults."""

    run: RunConfig = RunConfig()
    data: DataConfig
    conditioning: ConditioningConfig = ConditioningConfig()
    generator: GeneratorConfig = GeneratorConfig()
    discriminator: PartConfig = PartConfig()
    loss: LossConfig = LossConfig()
    optim: OptimConfig = OptimConfig()
    train: TrainConfig = TrainConfig()
    ema: EmaConfig = EmaConfig()
    sample: SampleConfig = SampleConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    tracking: TrackingConfig = TrackingConfig()

    @model_validator(mode="after")
    def _batch_fits_streams(self) -> Config:
        if self.train.batch_size % self.data.streams:
            raise ValueError(
                f"train.batch_size ({self.train.batch_size}) must be a multiple of data.streams "
                f"({self.data.streams}); nearest: {_nearest_multiple(self.train.batch_size, self.data.streams)}"
            )
        return self

    def to_yaml(self) -> str:
        """Returns the resolved config, every default written out."""
        return dump_yaml(self.model_dump())

    def check_world_size(self, world_size: int) -> None:
        """Checks that streams, and with them the batch, and micro-batches divide over `world_size` processes.

        Raises:
            UserError: naming the key and the nearest value that works.
        """
        streams = -(-self.data.streams // world_size) * world_size
        if self.data.streams != streams:
            raise UserError(
                f"data.streams: {self.data.streams} streams cannot be dealt to {world_size} processes; expected a "
                f"multiple of {world_size} that divides the batch, e.g. data.streams={streams} with train.batch_size="
                f"{_nearest_multiple(self.train.batch_size, streams)}."
            )
        share = self.train.batch_size // world_size
        if self.train.micro_batch is not None and share % self.train.micro_batch:
            raise UserError(
                f"train.micro_batch: {self.train.micro_batch} does not divide the {share} images that each of "
                f"{world_size} processes takes of a batch of {self.train.batch_size}."
            )


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Reads a YAML config and applies `section.key=value` overrides.

    Raises:
        UserError: one readable message with every problem: key path, found, expected, close match.
    """
    values = read_yaml(Path(path))
    for override in overrides:
        set_dotted(values, override)
    return parse_config(values, str(path))


def parse_config(values: dict[str, Any], source: str) -> Config:
    """Validates plain values, as `load_config` does after reading; `source` is named in errors."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        problems = [_explain(problem) for problem in error.errors()]
        raise UserError("\n".join(f"{source}: {problem}" for problem in problems)) from None


_EXPECTED = {
    "bool_type": "true or false",
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "list_type": "a list, e.g. [a, b]",
    "dict_type": "a mapping, e.g. {key: value}",
    "model_type": "a section of key: value lines",
    "string_type": "text (quote it if YAML reads it as a number)",
    "string_pattern_mismatch": "letters, digits, '.', '_' or '-', beginning with a letter or digit",
}


def _explain(problem: Any) -> str:
    path = ".".join(str(part) for part in problem["loc"] if part not in (NUMBER, SCHEDULE))
    found = problem["input"]
    context = problem.get("ctx", {})
    if problem["type"] == "extra_forbidden":
        known = _keys_at(problem["loc"][:-1])
        return f"{path}: unknown key.{close_match(str(problem['loc'][-1]), known)} Known here: {', '.join(known)}."
    if problem["type"] == "missing":
        return f"{path}: required, but not given. Add it, or pass {path}=VALUE on the command line."
    if problem["type"] == "literal_error":
        expected = context["expected"]
        return f"{path}: found {_show(found)}; expected {expected}.{close_match(str(found), expected.split(chr(39)))}"
    if problem["type"] == "value_error":
        return f"{path}: {context['error']}." if path else f"{context['error']}."
    expected = _EXPECTED.get(problem["type"]) or problem["msg"].removeprefix("Input should be ")
    if problem["type"] == "float_type" and problem["loc"][-1] == NUMBER:
        expected += ", or a schedule, e.g. {start: 1, end: 0, end_images: 1_000_000}"
    return f"{path}: found {_show(found)}; expected {expected}."


def _show(value: object) -> str:
    kind = {str: "text", bool: "truth value", type(None): "null"}.get(type(value), type(value).__name__)
    return f"{value!r} ({kind})" if value is not None else "null"


def _keys_at(location: Iterable[int | str]) -> list[str]:
    model: type[BaseModel] = Config
    for part in location:
        if part == SCHEDULE:
            model = Schedule
        elif part in model.model_fields:  # and not a place in a list
            model = next(_models_in(model.model_fields[str(part)].annotation), model)
    return list(model.model_fields)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def _nearest_multiple(value: int, factor: int) -> str:
    lower = math.floor(value / factor) * factor
    return f"{lower} or {lower + factor}" if lower else str(factor)
