from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from cgan_dist.errors import UserError
from cgan_dist.inversion.found_file import FoundFacts, FoundFile, read_found
from cgan_dist.inversion.inverter import Found
from cgan_dist.labels import ContinuousLabels
from tests.unit.inversion.finding import KINDS, sampler_of

Change = Callable[[dict[str, Tensor], dict[str, Any]], None]


def found_file(kind: str = "classes") -> FoundFile:
    schema, labels = KINDS[kind]
    count = len(labels)
    numbers = torch.rand(count, generator=torch.Generator().manual_seed(0))
    found = Found(
        z=torch.linspace(-1, 1, 4 * count).view(count, 4),
        labels=labels,
        pixels=numbers,
        features=numbers,
        distance=numbers,
        random=numbers + 1,
        next_labels=labels.flip(0),
        next_distance=torch.full((count,), torch.inf),
        curve=numbers[:, None],
    )
    facts = FoundFacts(
        names=[f"{number}.png" for number in range(count)],
        checkpoint="/runs/demo/checkpoints/step-000000000064",
        checkpoint_sha256="0f" * 32,
        images_seen=64,
        latent="normal",
        latent_dim=4,
        label_schema=schema.model_dump(mode="json"),
        settings={"steps": 60, "seed": 0, "features": "none", "labels_given": False},
        made_with={"torch": "2"},
    )
    return FoundFile(facts, torch.arange(count * 36, dtype=torch.uint8).view(count, 1, 6, 6), found)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "found.safetensors"
    file = found_file(kind)
    file.write(path)
    again = read_found(path)
    assert again.facts == file.facts
    assert len(again) == len(file)
    assert torch.equal(again.pictures, file.pictures)
    for name in ("z", "labels", "pixels", "features", "distance", "random", "next_labels", "next_distance"):
        assert torch.equal(getattr(again.found, name), getattr(file.found, name)), name
    again.facts.check_z(sampler_of(kind), "found")
    again.check_labels(sampler_of(kind), "found")
    assert [entry.name for entry in tmp_path.iterdir()] == ["found.safetensors"]


def test_it_is_held_against_the_generator() -> None:
    file = found_file("classes")
    with pytest.raises(UserError, match="--z f: its z have 4 entries, normal; this generator takes 4, uniform"):
        file.facts.check_z(sampler_of("classes", "uniform"), "--z f")
    with pytest.raises(UserError, match="f: its labels are .*'classes'.*, those of this generator are .*'attributes'"):
        file.check_labels(sampler_of("attributes"), "f")


def _fact(name: str, value: Any) -> Change:
    return lambda tensors, facts: facts.__setitem__(name, value)


def _tensor(name: str, change: Callable[[Tensor], Tensor]) -> Change:
    return lambda tensors, facts: tensors.__setitem__(name, change(tensors[name]).contiguous())


def _both(one: Change, other: Change) -> Change:
    return lambda tensors, facts: (one(tensors, facts), other(tensors, facts))[0]


def _with(tensor: Tensor, place: Any, value: Any) -> Tensor:
    changed = tensor.clone()
    changed[place] = value
    return changed


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        (_fact("format", "cgan_dist found 2"), "its header, format"),
        (_fact("names", ["a"] * 3), "z is (4, 4) torch.float32, expected (3, 4)"),
        (_fact("names", []), "expected a file as"),
        (_fact("names", ["a\x1b[31m", "b", "c", "d"]), "found a control character in a name"),
        (_fact("checkpoint", "x" * 5000), "its header, checkpoint"),
        (_fact("checkpoint_sha256", "no"), "its header, checkpoint_sha256"),
        (_fact("latent", "gamma"), "its header, latent"),
        (_both(_fact("latent", "uniform"), _tensor("z", lambda z: z * 2)), "no numbers or beyond 1;"),
        (_fact("latent_dim", 5), "z is (4, 4) torch.float32, expected (4, 5)"),
        (_fact("latent_dim", 10**18), "expected (4, 1000000000000000000)"),
        (_fact("label_schema", {"kind": "classes", "names": []}), "its header, label_schema"),
        (_fact("label_schema", {"kind": "classes", "names": ["a", "b"]}), "labels: image 2 has label 2; expected 0..1"),
        (_fact("label_schema", {"kind": "x"}), "its header, label_schema"),
        (_fact("settings", {"a": [1]}), "its header, settings"),
        (_fact("more", 1), "its header, more"),
        (_tensor("z", lambda z: _with(z, (0, 0), torch.nan)), "z has entries that are no numbers"),
        (_tensor("z", lambda z: _with(z, (0, 0), 1e9)), "or beyond 16"),
        (_tensor("z", lambda z: z.double()), "z is (4, 4) torch.float64"),
        (_tensor("z", lambda z: z[:, :3]), "z is (4, 3)"),
        (_tensor("labels", lambda labels: _with(labels, 1, 9)), "image 1 has label 9; expected 0..3"),
        (_tensor("labels", lambda labels: labels.float()), "labels is (4,) torch.float32"),
        (_tensor("next_labels", lambda labels: labels - 1), "next_labels: image 3 has label -1"),
        (_tensor("distance", lambda found: -found), "distance has entries that are no numbers or below 0"),
        (_tensor("random", lambda found: found * torch.nan), "random has entries"),
        (_tensor("pictures", lambda found: found.float()), "pictures is (4, 1, 6, 6) torch.float32"),
        (_tensor("pictures", lambda found: found.expand(-1, 2, -1, -1)), "pictures is (4, 2, 6, 6)"),
        (_tensor("pictures", lambda found: found[:, :, :0]), "pictures is (4, 1, 0, 6)"),
        (lambda tensors, facts: tensors.pop("z"), "expected a file as"),  # type: ignore[arg-type, return-value]
        (lambda tensors, facts: tensors.update(w=torch.ones(1)), "expected a file as"),
    ],
)
def test_what_a_stranger_wrote_is_refused_with_a_sentence(change: Change, fragment: str, tmp_path: Path) -> None:
    path = tmp_path / "found.safetensors"
    found_file().write(path)
    tensors, facts = load_file(path), json.loads(found_file().facts.model_dump_json())
    change(tensors, facts)
    save_file(tensors, path, metadata={"cgan_dist": json.dumps(facts)})
    with pytest.raises(UserError) as caught:
        read_found(path)
    assert str(caught.value).startswith(str(path))
    assert fragment in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\x00" * 40, b"\xff" * 40, b"\x80\x04cos\nsystem\n.", b"PK\x03\x04"])
def test_bytes_that_are_no_safetensors_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "found.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError, match="no safetensors file"):
        read_found(path)


def test_a_file_without_a_header_or_no_file_at_all_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "found.safetensors"
    save_file({"z": torch.ones(1, 4)}, path)
    with pytest.raises(UserError, match="its header"):
        read_found(path)
    with pytest.raises(UserError, match="No such file"):
        read_found(tmp_path / "nothing.safetensors")
    with pytest.raises(UserError, match="Is a directory"):
        read_found(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="expected a regular file"):
        read_found(tmp_path / "pipe")
    found_file().write(path)
    monkeypatch.setenv("CGAN_DIST_FOUND_PICTURES", "3")
    with pytest.raises(UserError, match="4 pictures, expected at most 3"):
        read_found(path)
    monkeypatch.setenv("CGAN_DIST_FOUND_BYTES", "100")
    with pytest.raises(UserError, match="bytes, expected at most 100"):
        read_found(path)


def test_a_schema_of_values_keeps_its_ranges(tmp_path: Path) -> None:
    path = tmp_path / "found.safetensors"
    found_file("continuous").write(path)
    schema = ContinuousLabels.model_validate(read_found(path).facts.label_schema)
    assert schema.ranges == [(0.0, 90.0)]
