"""The sections of the config about what a run leaves and shows: samples, checkpoints, metrics, trackers, guards."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from cgan_dist.bounds import GRID_PICTURES, MINUTES, SAMPLES
from cgan_dist.config.home import LocalPath
from cgan_dist.config.schedule import up_to
from cgan_dist.config.score import Best, best_by_name
from cgan_dist.config.values import Count, Named, NotNegative, Part, Positive, Section, Share, WholeNumber


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
