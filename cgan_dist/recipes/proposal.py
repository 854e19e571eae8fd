"""From a prepared set to the text of a config: a step is measured where the device is, and the length fitted to it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from cgan_dist.assembly.dry_run import build_trial
from cgan_dist.assembly.inputs import check_inputs, open_shards
from cgan_dist.assembly.measurement import Measurement
from cgan_dist.assembly.networks import build_networks
from cgan_dist.config.document import Config, parse_config
from cgan_dist.config.sections import DataConfig, RunConfig
from cgan_dist.errors import UserError
from cgan_dist.recipes.choices import Plan
from cgan_dist.recipes.commented import commented_yaml
from cgan_dist.recipes.dcgan import Dcgan
from cgan_dist.recipes.facts import Facts
from cgan_dist.recipes.machine import Machine, find_machine
from cgan_dist.recipes.r3 import LEAST_SIDE, R3
from cgan_dist.recipes.recipe import Recipe

HOURS_ON_A_CPU = 1.0
WELL_SEEN_IMAGES = 250_000
"""Where the time lets networks see fewer, narrower ones see more; configs/demo.yaml has about so many."""
SMALL_SIDE = 32
FASTER_BY_POWER = 1.2
"""Of the width: what a step of `dcgan` was seen to take on one CPU core, at 64x64 and 128x128."""


@dataclass(frozen=True)
class Proposal:
    """A config that fits.

    Attributes:
        plan: what was chosen.
        text: of the file.
    """

    plan: Plan
    text: str


def propose(
    data: str, out: Path, asked: str | None, hours: float | None, measure: Callable[[Config], Measurement] | None = None
) -> Proposal:
    """Chooses a config for a prepared set and a machine; nothing is written.

    Args:
        data: folder or URL of the set.
        out: file that the config is for.
        asked: `cpu`, `gpu` or `gpu:GIB`; null is what is here.
        hours: that the run may take; null is one hour on a CPU, and the recipe's own length on a GPU.
        measure: an iteration of a config; null does so on this machine.

    Raises:
        UserError: if there is no such set or machine, or if hours are given for a device that is not here.
    """
    machine = find_machine(asked)
    facts = Facts(data, open_shards(DataConfig(path=data)).manifest)
    if facts.manifest.image.latents is not None:
        raise UserError(
            f"{data}: found latents, for which there is no recipe yet; expected pictures. Write a config by hand, with "
            "data.autoencoder: docs/latents.md has one."
        )
    recipe = choose_recipe(facts, machine)
    if hours is None and not machine.is_gpu:
        hours = HOURS_ON_A_CPU
    if hours is not None and not machine.is_here:
        raise UserError(
            f"--hours: found {hours:g} hours on {machine.name}, which is not here, so that its speed cannot be "
            "measured. Leave --hours out, or give the command on that machine."
        )
    plan = Plan(name=free_name(out), facts=facts, machine=machine, recipe=recipe, width=recipe.widths[0], hours=hours)
    if machine.is_here:
        with machine.used():
            plan = _fitted(plan, measure or measured)
    return Proposal(plan, commented_yaml(_header(plan), _commands(out), plan.choices()))


def choose_recipe(facts: Facts, machine: Machine) -> Recipe:
    """The recipe for the data and the machine: what was measured here decides for CPUs and small grey images."""
    small_and_grey = facts.is_grey and facts.side <= SMALL_SIDE
    if not machine.is_gpu or small_and_grey or min(facts.size) < LEAST_SIDE:
        return Dcgan(facts, machine)
    return R3(facts, machine)


def measured(config: Config) -> Measurement:
    """Builds a step of the config and measures it on this machine."""
    inputs = check_inputs(config, 1, rank=0)
    trial = build_trial(config, inputs, build_networks(config, inputs.spec, inputs.label_space))
    trial.scalars()  # warms up
    return trial.measure(world_size=1)


def free_name(out: Path) -> str:
    """A name for the run that nobody has: that of the file, or with a number behind it."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", out.stem).lstrip("._-") or "run"
    names = (name if number == 1 else f"{name}-{number}" for number in count(1))
    return next(free for free in names if not RunConfig(name=free).folder.exists())


def _fitted(plan: Plan, measure: Callable[[Config], Measurement]) -> Plan:
    """With a measurement and, where the first width sees too few images in the time, the next that should see enough.

    None may; then it is the narrowest.
    """
    plan = replace(plan, found=measure(parse_config(plan.values(), "the config")))
    enough, first = min(WELL_SEEN_IMAGES, plan.recipe.longest_images), plan.width
    narrower = [width for width in plan.recipe.widths if width < first]
    if plan.total_images >= enough or not narrower:
        return plan
    seen = plan.total_images
    width = next((w for w in narrower if seen * (first / w) ** FASTER_BY_POWER >= enough), narrower[-1])
    plan = replace(plan, width=width, found=None)
    return replace(plan, found=measure(parse_config(plan.values(), "the config")))


def _header(plan: Plan) -> str:
    return (
        f"For {plan.facts.path} ({plan.facts.describe_images()}) and {plan.machine.name}, by `cgan-dist new`. Change "
        "what you like: every key is in docs/configuration.md, and what is not named here has its default."
    )


def _commands(out: Path) -> dict[str, list[str]]:
    return {
        what: ["cgan-dist", command, "--config", str(out)]
        for what, command in (("Check it", "check"), ("Train it, and go on after a stop", "train"))
    }
