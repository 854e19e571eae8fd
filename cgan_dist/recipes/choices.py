"""The lines of a config that do not depend on the recipe: data, labels, length, and what is done how often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cgan_dist.assembly.measurement import Measurement
from cgan_dist.assembly.outlook import FEWEST_IMAGES, HOUR, two_digits
from cgan_dist.data.balance import class_groups
from cgan_dist.data.ram import AUTO_BYTES
from cgan_dist.labels import ContinuousLabels
from cgan_dist.recipes.facts import Facts, plural
from cgan_dist.recipes.machine import Machine
from cgan_dist.recipes.recipe import Choice, Recipe
from cgan_dist.training.pace import duration, rounded

MANY_IMAGES, SMALL_SIDE, SMALL_SET = 50_000, 32, 5_000
"""From so many images on without DiffAugment, as configs/imagefolder.yaml says; small grey ones from fewer on."""
FEW = 500
UNEQUAL = 3.0
SCORED_FROM = 1_000
GRID_SECONDS = 300


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A run that is to be written down.

    Attributes:
        name: of the run.
        facts: of the data.
        machine: where it trains.
        recipe: by which.
        width: of the networks.
        hours: that it may take.
        found: of an iteration; None where it could not be measured.
    """

    name: str
    facts: Facts
    machine: Machine
    recipe: Recipe
    width: int
    hours: float | None
    found: Measurement | None = None

    @property
    def total_images(self) -> int:
        """As many as fit into the hours, a tenth left for samples, checkpoints and scores, or as the recipe has."""
        longest = self.recipe.longest_images
        if self.found is None or self.hours is None:
            return longest
        fitting = two_digits(0.9 * self.hours * HOUR * self.found.images_per_second)
        return min(longest, max(fitting, self.recipe.batch_size))

    @property
    def seconds(self) -> float | None:
        """That it takes, without samples, checkpoints and scores."""
        return self.total_images / self.found.images_per_second if self.found else None

    def choices(self) -> list[Choice]:
        """All lines."""
        ours = self.recipe.choices(self.width, self.total_images)
        return [*self._data(), *self._conditioning(), *ours, *self._length(), *self._intervals()]

    def values(self) -> dict[str, Any]:
        """The config as plain values."""
        values: dict[str, Any] = {}
        for key, value, _ in self.choices():
            section, name = key.split(".")
            values.setdefault(section, {})[name] = value
        return values

    def _data(self) -> list[Choice]:
        in_memory = self.facts.manifest.decoded_bytes < AUTO_BYTES
        if not self.machine.is_gpu:
            workers, why = 0, "Reading is quick beside a step on a CPU (docs/benchmarks.md): no process for it alone."
        elif in_memory:
            workers, why = 2, "Decoded images stay in memory (below 4 GiB), so two processes are enough to read them."
        else:
            workers, why = 4, "More than 4 GiB when decoded, so images are read and decoded anew at every look."
        return [
            Choice("run.name", self.name, "The run folder is runs/NAME."),
            Choice("data.path", self.facts.path),
            Choice("data.workers", workers, why),
            Choice("data.augment", *self._augment()),
            *self._balance(),
        ]

    def _balance(self) -> list[Choice]:
        """Only for one group of classes: of several, a person says which."""
        groups = class_groups(self.facts.manifest.labels)
        if len(groups) != 1 or (ratio := self.facts.imbalance) < UNEQUAL:
            return []
        why = (
            f"The largest class has {ratio:,.0f} times as many images as the smallest: rare ones are seen more often, "
            "which made their samples obey better at no cost to the others (docs/experiments.md)."
        )
        return [Choice("data.balance", "sqrt", why)]

    def _augment(self) -> tuple[list[str], str]:
        facts, parts, why = self.facts, list[str](), list[str]()
        if not facts.is_grey and not any(isinstance(part, ContinuousLabels) for part in facts.usable):
            parts.append("flip")
            why.append("`flip` doubles the pictures; leave it out where left and right differ, as in letters.")
        if facts.count >= MANY_IMAGES:
            why.append(f"{facts.count:,} images are enough without DiffAugment.")
        elif facts.is_grey and facts.side <= SMALL_SIDE and facts.count >= SMALL_SET:
            why.append("5,000 small grey images were not learned by heart without any (docs/results.md).")
        else:
            parts += ["translation", "cutout"] if facts.is_grey else ["color", "translation", "cutout"]
            why.append(
                f"DiffAugment (Zhao et al. 2020, arXiv:2006.10738) keeps D from learning {facts.count:,} images by "
                "heart."
            )
        if "color" in parts:
            why.append("Leave `color` out where a colour is what a label means.")
        if facts.count < FEW:
            why.append(f"{plural(facts.count, 'image')} are very few for a GAN, whatever the config.")
        return parts, " ".join(why)

    def _conditioning(self) -> list[Choice]:
        why = f"{self.facts.describe_labels()[:1].upper()}{self.facts.describe_labels()[1:]}."
        if self.facts.imbalance >= UNEQUAL:
            why += " Samples of the rarest will be less varied."
        space = self.facts.label_space()
        if space == "none":
            return [
                Choice("conditioning.labels", space, why),
                Choice("conditioning.generator", []),
                Choice("conditioning.discriminator", []),
            ]
        return [
            Choice("conditioning.labels", space, why),
            Choice("conditioning.generator", ["concat"]),
            Choice(
                "conditioning.discriminator",
                ["channels", "projection"],
                self._why_both(),
            ),
        ]

    def _why_both(self) -> str:
        kinds = {part.kind for part in self.facts.usable}
        if "classes" in kinds:
            return (
                "D sees the label at its input and at its end: of all ways that was nearest to the data for clothes; "
                "`auxiliary` beside `projection` alone was obeyed better (docs/experiments.md)."
            )
        if "attributes" in kinds:
            return "As in configs/celeba.yaml; `channels` alone was obeyed on drawn faces (docs/results.md)."
        return "D sees the values at its input and at its end (docs/conditioning.md)."

    def _length(self) -> list[Choice]:
        total, looks = self.total_images, f"{self.total_images / self.facts.count:,.0f} looks at the data"
        if self.found is None or self.seconds is None:
            why = (
                f"{looks}; {self.recipe.longest_because}. How long that takes was not measured, for want of such a "
                "device here: `cgan-dist check` says it there."
            )
        else:
            speed = f"{rounded(self.found.images_per_second)} images/s, measured on {self.found.name}"
            bound = f"; {self.recipe.longest_because}" if total == self.recipe.longest_images else ""
            why = f"{duration(self.seconds)} at {speed}; {looks}{bound}."
            if self.found.was_disturbed:
                why += " Other work kept this machine busy meanwhile: alone it is faster."
            if self.hours is not None and total < self.recipe.longest_images:
                why += " More is better while samples still improve: raise it with every `end_images`, or --hours."
            if total < FEWEST_IMAGES:
                why += (
                    " That is little: so few make no more than a beginning. Prepare smaller images (--size), give "
                    "more --hours, or take a GPU."
                )
        return [
            Choice("train.total_images", total, why),
            Choice("train.plan", ["D", "G"], "One update of each, with a z of its own."),
            Choice("train.share_z", False),
            Choice("train.precision", "auto", "bf16 on a GPU that has it, else float32."),
        ]

    def _intervals(self) -> list[Choice]:
        total, batch = self.total_images, self.recipe.batch_size
        rate = self.found.images_per_second if self.found else 0.0
        grid = min(total, max(batch, two_digits(max(total / 100, rate * GRID_SECONDS))))
        often = "A grid about every five minutes" if rate * GRID_SECONDS >= total / 100 else "A hundred grids"
        lines = [
            Choice("sample.interval_images", grid, f"{often}, and a checkpoint twice as often."),
            Choice("checkpoint.interval_images", max(batch, two_digits(grid / 2))),
        ]
        if self.facts.usable and self.facts.count >= SCORED_FROM:
            lines += [
                Choice("evaluate.interval_images", max(batch, two_digits(total / 4)), "Four times, and at the end."),
                Choice("evaluate.metrics", ["label_accuracy", "frechet_distance"]),
            ]
        return [
            *lines,
            Choice("tracking.trackers", [], "Or [wandb], [tensorboard]; metrics.jsonl is always written."),
            Choice("tracking.interval_images", max(batch, two_digits(grid / 10))),
        ]
