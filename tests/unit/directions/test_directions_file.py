from __future__ import annotations

import json
import pickle
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from cgan_dist.directions.directions_file import DirectionFacts, read_directions_file, write_directions
from cgan_dist.directions.factorization import factorized
from cgan_dist.directions.found_directions import Directions
from cgan_dist.errors import UserError
from cgan_dist.files.described import HEADER
from tests.unit.samplers import sampler_of

MATRIX = torch.randn(9, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
FOUND = factorized(MATRIX, 3)
FACTS = DirectionFacts(
    names=FOUND.names,
    checkpoint="/runs/demo/checkpoints/step-000000000064",
    checkpoint_sha256="ab" * 32,
    images_seen=64,
    latent="uniform",
    latent_dim=5,
    made_with={"torch": "2"},
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_directions(FOUND, FACTS, tmp_path / "directions.safetensors")
    return tmp_path / "directions.safetensors"


def forge(path: Path, tensors: dict[str, Tensor] | None = None, **header: Any) -> None:
    """Another file in its place, sound but for what is given."""
    own = {"vectors": FOUND.vectors, "strengths": FOUND.strengths} if tensors is None else tensors
    save_file(own, path, metadata={HEADER: json.dumps(FACTS.model_dump() | header)})


def test_what_was_written_is_read(path: Path) -> None:
    found, facts = read_directions_file(path)
    assert (found.names, facts) == (FOUND.names, FACTS)
    assert torch.equal(found.vectors, FOUND.vectors)
    assert torch.equal(found.strengths, FOUND.strengths)


def test_directions_of_other_z_are_refused() -> None:
    FACTS.check_z(sampler_of("classes"), "--directions x")
    with pytest.raises(UserError, match="^--directions x: its z have 5 entries, uniform; this .* normal"):
        FACTS.check_z(sampler_of("classes", latent="normal"), "--directions x")


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"format": "cgan_dist directions 2"}, "format"),
        ({"names": ["a", "b"]}, "found tensors"),
        ({"names": ["a", "b", "c\x1b[2J"]}, "control character"),
        ({"names": ["a", "b", "c" * 1001]}, "names"),
        ({"names": ["a"] * 1001}, "expected at most 1,000"),
        ({"names": "abc"}, "names"),
        ({"latent_dim": 4}, "found tensors"),
        ({"latent_dim": 10**12}, "found tensors"),
        ({"latent_dim": 0}, "latent_dim"),
        ({"latent": "cauchy"}, "latent"),
        ({"checkpoint": "a\nb"}, "control character"),
        ({"checkpoint_sha256": "../etc"}, "checkpoint_sha256"),
        ({"more": 1}, "more"),
    ],
)
def test_a_header_that_is_not_ours_is_refused(path: Path, header: dict[str, Any], said: str) -> None:
    forge(path, **header)
    with pytest.raises(UserError, match=rf"^{path}: .*{said}"):
        read_directions_file(path)


@pytest.mark.parametrize(
    "vectors",
    [
        FOUND.vectors * 1.01,
        FOUND.vectors * torch.tensor([[torch.nan], [1], [1]]),
        FOUND.vectors * torch.tensor([[torch.inf], [1], [1]]),
        torch.zeros(3, 5),
        FOUND.vectors.double(),
        FOUND.vectors[None],
        FOUND.vectors[:, :4].contiguous(),
    ],
)
def test_vectors_that_are_no_directions_are_refused(path: Path, vectors: Tensor) -> None:
    forge(path, {"vectors": vectors, "strengths": FOUND.strengths})
    with pytest.raises(UserError, match=f"^{path}: .*(vectors|found tensors)"):
        read_directions_file(path)


def test_other_tensors_and_strengths_are_refused(path: Path) -> None:
    for strengths in (torch.tensor([0.5, 2.0, 0]), torch.tensor([0.5, torch.nan, 0]), torch.ones(4)):
        forge(path, {"vectors": FOUND.vectors, "strengths": strengths})
        with pytest.raises(UserError, match=f"^{path}: .*strengths"):
            read_directions_file(path)
    forge(path, {"vectors": FOUND.vectors, "strengths": FOUND.strengths, "more": torch.ones(1)})
    with pytest.raises(UserError, match=f"^{path}: found tensors"):
        read_directions_file(path)


@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"\xff" * 8, pickle.dumps(print), b"{}", b"PK\x03\x04" * 50])
def test_another_file_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"^{path}: "):
        read_directions_file(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "absent", Path("/dev/zero")):
        with pytest.raises(UserError, match=f"^{place}: "):
            read_directions_file(place)


def test_a_file_beyond_the_bound_is_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CGAN_DIST_RECORD_BYTES", "100")
    with pytest.raises(UserError, match="expected at most 100"):
        read_directions_file(path)


def test_a_damaged_file_is_refused_or_has_directions(path: Path) -> None:
    whole = path.read_bytes()
    refused = 0
    for number in range(300):
        chance = random.Random(number)
        content = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        path.write_bytes(content[: chance.randrange(len(content))] if chance.random() < 0.2 else content)
        try:
            found, _ = read_directions_file(path)
        except UserError:
            refused += 1
            continue
        assert found.vectors.shape == (len(found), 5)
        assert (found.vectors.norm(dim=1) - 1).abs().max() < 2e-3
    assert refused > 150


def test_several_are_joined_in_order() -> None:
    more = Directions(names=["more hat"], vectors=torch.eye(5)[:1], strengths=torch.tensor([0.5]))
    both = FOUND + more
    assert both.names == [*FOUND.names, "more hat"]
    assert torch.equal(both.vectors, torch.cat([FOUND.vectors, more.vectors]))
    assert both.first(2).names == FOUND.names[:2]
    assert len(both.first(2).vectors) == len(both.first(2).strengths) == 2
