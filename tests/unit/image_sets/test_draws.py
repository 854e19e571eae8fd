from __future__ import annotations

import numpy as np
import pytest
import torch

from cgan_dist.image_sets.draws import CHUNK, Draws
from tests.unit.samplers import STORED, sampler_of


@pytest.mark.parametrize("kind", STORED)
def test_an_image_does_not_depend_on_how_many_there_are(kind: str) -> None:
    few = Draws(sampler_of(kind, latent="normal"), CHUNK + 44, None, as_data=False)
    many = Draws(sampler_of(kind, latent="normal"), 2 * CHUNK + 1, None, as_data=False)
    assert (few.chunks, many.chunks) == (2, 3)
    assert [few.bounds(chunk) for chunk in range(2)] == [(0, CHUNK), (CHUNK, CHUNK + 44)]
    assert np.array_equal(few.labels(), many.labels()[: CHUNK + 44])
    assert np.array_equal(few.images(0), many.images(0))
    assert np.array_equal(few.images(1), many.images(1)[:44])
    assert many.images(2).shape == (1, 4, 4, 1)


def test_images_are_those_of_their_labels() -> None:
    sampler = sampler_of("classes")
    draws = Draws(sampler, CHUNK + 10, None, as_data=False)
    labels = torch.from_numpy(draws.labels())
    for chunk in range(2):
        first, end = draws.bounds(chunk)
        expected = sampler.images(torch.zeros(end - first, 5), labels[first:end])
        assert np.array_equal(draws.images(chunk)[:, 1:, 1:, 0], expected[:, 0, 1:, 1:])


def test_every_chunk_has_another_z_and_every_seed_too() -> None:
    corners = [
        Draws(sampler_of("classes", seed), 2 * CHUNK, None, False).images(chunk)[:, 0, 0, 0].tobytes()
        for seed in (1, 2)
        for chunk in (0, 1)
    ]
    assert len(set(corners)) == 4


def test_classes_take_turns_unless_they_are_wanted_as_in_the_data() -> None:
    turns = Draws(sampler_of("classes"), 1000, None, as_data=False)
    assert turns.described == "taking turns"
    assert np.bincount(turns.labels()).tolist() == [100] * 10
    as_data = Draws(sampler_of("classes"), 1000, None, as_data=True)
    assert as_data.described == "as the data has them"
    counts = np.bincount(as_data.labels(), minlength=10)
    assert counts[[1, 3]].sum() == 1000
    assert 600 < counts[1] < 730, "twice as often as class 3, as in the data"


def test_with_more_classes_than_images_there_are_no_turns_to_take() -> None:
    assert set(Draws(sampler_of("classes"), 9, None, False).labels().tolist()) <= {1, 3}
    assert sorted(Draws(sampler_of("classes"), 10, None, False).labels().tolist()) == list(range(10))


def test_chosen_labels_take_turns() -> None:
    sampler = sampler_of("product")
    chosen = sampler.label_space.parse("7,hat; 0")
    labels = Draws(sampler, CHUNK + 3, chosen, as_data=False).labels()
    assert labels.dtype == np.float32
    assert labels[0::2].tolist() == [[7, 1, 0]] * len(labels[0::2])
    assert labels[1::2].tolist() == [[0, 0, 0]] * len(labels[1::2])


@pytest.mark.parametrize("kind", ["attributes", "continuous", "product", "none"])
def test_other_labels_are_as_in_the_data(kind: str) -> None:
    schema, stored = STORED[kind]
    labels = Draws(sampler_of(kind), 600, None, as_data=False).labels()
    schema.check(labels, "drawn")
    found = {str(label) for label in labels.tolist()}
    assert found == {str(label) for label in stored.tolist()}


def test_truncation_counts() -> None:
    sampler = sampler_of("classes")
    whole = Draws(sampler, CHUNK, None, False).images(0)[:, 0, 0, 0].astype(float).std()
    sampler.truncate(0.2)
    assert Draws(sampler, CHUNK, None, False).images(0)[:, 0, 0, 0].astype(float).std() < 0.4 * whole
