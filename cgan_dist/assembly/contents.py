"""What a checkpoint holds, held against what a run needs before any of it is loaded.

Its hashes say that it is what somebody wrote, not that a trainer did: each file is compared by names, shapes and types.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from cgan_dist.assembly.networks import Networks
from cgan_dist.augment.adaptation import STATE as ADAPTATION
from cgan_dist.checkpoints.folder import STATE
from cgan_dist.checkpoints.store import Checkpoint
from cgan_dist.conditioning.linear import large_maps
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.conditioning.spaces.distribution import LabelDistribution
from cgan_dist.config.document import Config, parse_config
from cgan_dist.distributed.buffers import state_buffers
from cgan_dist.errors import UserError, shown
from cgan_dist.labels import LabelSchema
from cgan_dist.losses.lecam import STATE as LECAM
from cgan_dist.training.optimizer import build_optimizers, parts_of, rows_of_large_tables
from cgan_dist.training.row_adam import MOMENTS

SET_ANEW = ("params", "lr", "betas", "fused", "foreach", "weight_decay", "decoupled_weight_decay")
"""Of a group: its parameters, and what the trainer sets by itself."""


def config_of(checkpoint: Checkpoint) -> Config:
    """The config that a checkpoint was trained by.

    Raises:
        UserError: naming the key that is no longer, or never was, one of a config.
    """
    return parse_config(checkpoint.state["config"], f"{checkpoint.folder / STATE}: config")


def labels_of(checkpoint: Checkpoint, space: LabelSpace) -> LabelDistribution:
    """The joint distribution of labels in a checkpoint.

    Raises:
        UserError: if it is none of the space's labels.
    """
    tensors, where = checkpoint.tensors("labels"), f"{checkpoint.folder / 'labels.safetensors'}"
    check_labels(tensors, space.schema, where)
    return LabelDistribution.from_state(tensors)


def check_labels(tensors: Mapping[str, Tensor], schema: LabelSchema, where: str) -> None:
    """Holds the `rows` and `counts` of a distribution against a schema.

    Raises:
        UserError: beginning with `where`, if one is missing or has another form, or there is no label or none like it.
    """
    for name in ("rows", "counts"):
        if name not in tensors:
            raise UserError(f"{where}: {name} is not there, expected the labels that the data has and how often.")
    rows, counts = tensors["rows"], tensors["counts"]
    if counts.dtype != torch.int64 or counts.shape != (len(rows) if rows.ndim else 0,) or not len(counts):
        raise UserError(f"{where}: counts is {_form(counts)}, expected a whole number for each of {_form(rows)}.")
    if int(counts.min()) < 1 or float(counts.double().sum()) >= 2**63:
        raise UserError(f"{where}: counts has {int(counts.min())}; expected how often each label occurs, 1 or more.")
    schema.check(rows.numpy().astype(schema.dtype), f"{where}: rows")


def check_contents(checkpoint: Checkpoint, config: Config, networks: Networks) -> None:
    """Compares all that `Trainer.restore` takes beside the networks themselves; nothing is changed.

    Args:
        checkpoint: whose networks have been compared already.
        config: of the run.
        networks: as the config builds them.

    Raises:
        UserError: naming the file and the key in it.
    """
    generator, discriminator = networks.generator, networks.discriminator
    _check_statistics(checkpoint, [generator, discriminator, generator])  # the average of G has the same as G
    _check_objective(checkpoint)
    rows = rows_of_large_tables(config.optim.tables)
    optim = config.optim
    for name, network, own in (("g", generator, optim.generator), ("d", discriminator, optim.discriminator)):
        tables = [cast(nn.Parameter, found.table) for found in large_maps(network, rows)]
        parts = parts_of(network, own or optim, tables)
        for kind, fresh in build_optimizers(parts, own or optim).items():
            _check_optimizer(checkpoint, f"optimizer_{name}_{kind}", fresh)


def _check_statistics(checkpoint: Checkpoint, networks: Iterable[nn.Module]) -> None:
    where, rows = f"{checkpoint.folder / 'statistics.safetensors'}", checkpoint.tensors("statistics").get("of_ranks")
    count = sum(b.numel() for network in networks for b in state_buffers(network) if b.is_floating_point())
    if rows is None:
        raise UserError(f"{where}: of_ranks is not there, expected the statistics of batch norm of each process.")
    if rows.ndim != 2 or not len(rows) or rows.shape[1] != count or not rows.is_floating_point():
        raise UserError(f"{where}: of_ranks is {_form(rows)}, expected {count:,} numbers for each process.")


def _check_objective(checkpoint: Checkpoint) -> None:
    where, tensors = checkpoint.folder / "objective.safetensors", checkpoint.tensors("objective")
    averages, adaptation = tensors.get(LECAM), tensors.get(ADAPTATION)
    if averages is not None and (averages.shape != (2,) or not averages.is_floating_point()):
        raise UserError(f"{where}: {LECAM} is {_form(averages)}, expected the two averages of D's logits.")
    if adaptation is None:
        return
    if adaptation.shape != (3,) or adaptation.dtype != torch.float32:
        raise UserError(f"{where}: {ADAPTATION} is {_form(adaptation)}, expected three numbers in float32.")
    p, total, images = adaptation.tolist()
    if not 0 <= p <= 1 or not math.isfinite(total) or not 0 <= images < math.inf:
        raise UserError(
            f"{where}: {ADAPTATION} is {[p, total, images]}, expected a probability, a sum, and a number of images."
        )


def _check_optimizer(checkpoint: Checkpoint, name: str, fresh: torch.optim.Optimizer) -> None:
    """Holds a saved optimizer against a fresh one over the same parameters, whose tensors are not touched."""
    saved, where = checkpoint.optimizer(name), f"{checkpoint.folder / name}.pt"
    parameters = [parameter for group in fresh.param_groups for parameter in group["params"]]
    _check_groups(saved["param_groups"], fresh.state_dict()["param_groups"], where)
    for number, moments in saved["state"].items():
        if type(number) is not int or not 0 <= number < len(parameters):
            raise UserError(f"{where}: state has {shown(number)}, expected a number below {len(parameters)}.")
        for problem in _problems(moments, parameters[number]):
            raise UserError(f"{where}: state.{number}{problem}.")


def _check_groups(found: Any, expected: list[dict[str, Any]], where: str) -> None:
    if not isinstance(found, list) or len(found) != len(expected) or not all(isinstance(g, dict) for g in found):
        told = f"{len(found)} groups" if isinstance(found, list) else shown(found)
        raise UserError(f"{where}: param_groups is {told}, expected a list of {len(expected)} mapping(s).")
    for number, (group, own) in enumerate(zip(found, expected, strict=True)):
        if group.get("params") != own["params"]:
            raise UserError(
                f"{where}: param_groups.{number}.params is {shown(group.get('params'))}, expected the numbers of "
                f"{len(own['params'])} parameters in their order."
            )
        for key, value in own.items():
            if key not in SET_ANEW and key in group and (type(group[key]), group[key]) != (type(value), value):
                raise UserError(
                    f"{where}: param_groups.{number}.{key} is {shown(group[key])}, expected {value!r}: it was another "
                    "optimizer."
                )


def _problems(moments: Any, parameter: Tensor) -> Iterator[str]:
    """What is wrong with the state of one parameter, each beginning behind its number."""
    if not isinstance(moments, dict):
        yield f" is {type(moments).__name__}, expected a mapping"
        return
    if moments.keys() != {"step", *MOMENTS}:
        yield f" has {', '.join(shown(key) for key in moments) or 'nothing'}, expected step, {', '.join(MOMENTS)}"
        return
    for key in MOMENTS:
        moment = moments[key]
        if not isinstance(moment, Tensor):
            yield f".{key} is {type(moment).__name__}, expected a tensor"
        elif moment.shape != parameter.shape or not moment.is_floating_point() or moment.is_sparse:
            yield f".{key} is {_form(moment)}, expected {_form(parameter)}"
    step = moments["step"]
    value = step.item() if isinstance(step, Tensor) and step.numel() == 1 else step
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        yield f".step is {_form(step) if isinstance(step, Tensor) else shown(step)}, expected the number of updates"


def _form(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
