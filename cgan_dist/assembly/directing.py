"""From a checkpoint to directions in its generator's z, and to what a file of them says of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from cgan_dist import __version__
from cgan_dist.assembly.inverting import load_classifier, z_facts
from cgan_dist.bounds import DIRECTIONS
from cgan_dist.checkpoints.store import Checkpoint
from cgan_dist.conditioning.spaces import LABEL_SPACES
from cgan_dist.data.spec import DataSpec
from cgan_dist.directions.directions_file import DirectionFacts
from cgan_dist.directions.factorization import factorized, first_layers
from cgan_dist.directions.found_directions import Directions
from cgan_dist.directions.regression import read_directions
from cgan_dist.errors import UserError, close_match
from cgan_dist.evaluation.candidates import match_channels
from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels, LabelSchema, names_of_kind
from cgan_dist.sampling.sampler import Sampler

EVERY = "all"
WHERE = "--read"


def find_directions(
    checkpoint: Checkpoint,
    sampler: Sampler,
    factors: int,
    read: str | None,
    pairs: int,
    data: Path | str | None = None,
    trust_code: bool = False,
) -> Directions:
    """Finds directions by a generator's weights, and by what the classifier of the data reads.

    Args:
        checkpoint: of the generator.
        sampler: of it, as `load_sampler` gives it; its seed is that of the samples that are read.
        factors: so many of the first layer's; 0 for none.
        read: names of labels of the data, whether the generator is conditioned on them or not, separated by commas;
            `all`; or null for none.
        pairs: of samples to read.
        data: shards in place of those that it was trained on, from which the classifier learns.
        trust_code: open what a stranger's checkpoint names.

    Raises:
        UserError: if nothing is asked for, a name is unknown, or there is no weight or no data to find them by.
    """
    if not factors and read is None:
        raise UserError("--factors: found 0 and no --read; expected one of the two to look for.")
    schema = DataSpec.from_dict(checkpoint.state["data"]).labels
    chosen = [] if read is None else _chosen(schema, read)
    found = [factorized(first_layers(sampler.generator), factors)] if factors else []
    if chosen:
        found.append(_read(checkpoint, sampler, schema, chosen, pairs, data, trust_code))
    directions = found[0] if len(found) == 1 else found[0] + found[1]
    if not len(directions):
        raise UserError(f"{WHERE} {read}: none of these readings depends on z at all.")
    return directions


def facts_of(checkpoint: Checkpoint, sampler: Sampler, directions: Directions) -> DirectionFacts:
    """What a file of directions says of a generator."""
    return DirectionFacts(
        **z_facts(checkpoint, sampler),
        names=directions.names,
        made_with={"cgan_dist": __version__, "torch": torch.__version__},
    )


def _read(
    checkpoint: Checkpoint,
    sampler: Sampler,
    schema: LabelSchema,
    names: Sequence[str],
    pairs: int,
    data: Path | str | None,
    trust_code: bool,
) -> Directions:
    space = LABEL_SPACES.build("auto", WHERE, {}, schema=schema)
    classifier = load_classifier(checkpoint, sampler, data, trust_code, space, WHERE)
    channels = DataSpec.from_dict(checkpoint.state["data"]).picture[0]
    columns = [_names(schema).index(name) for name in names]

    def read(images: Tensor) -> Tensor:
        return classifier.read(match_channels(images, channels))[:, columns]

    return read_directions(sampler, read, [f"more {name}" for name in names], pairs)


def _chosen(schema: LabelSchema, read: str) -> list[str]:
    """The names that were asked for, each once."""
    known = _names(schema)
    if not known:
        raise UserError(f"{WHERE} {read}: the data has no labels to read. Leave it out.")
    names = known if read == EVERY else list(dict.fromkeys(name.strip() for name in read.split(",")))
    for name in names:
        if name not in known:
            raise UserError(
                f"{WHERE}: the data has no label '{name}'.{close_match(name, known)} Expected names separated by "
                f"commas, or {EVERY}."
            )
    DIRECTIONS.check(len(names), f"{WHERE} {read}")
    return names


def _names(schema: LabelSchema) -> list[str]:
    """Of all entries of a condition of the data's own labels, in order."""
    return [name for kind in (ClassLabels, AttributeLabels, ContinuousLabels) for name in names_of_kind(schema, kind)]
