"""Pictures of a file that `invert` wrote, on the page."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cgan_dist.errors import UserError
from cgan_dist.playground.found_pictures import MOST, FoundPictures
from tests.unit.inversion.finding import sampler_of
from tests.unit.inversion.test_found_file import found_file


def test_each_is_drawn_beside_its_image_with_its_z_and_label(tmp_path: Path) -> None:
    path = tmp_path / "found.safetensors"
    file = found_file("classes")
    file.write(path)
    sampler = sampler_of("classes")
    sampler.truncation = 0.5
    found = FoundPictures(path, sampler)
    assert found.names[:2] == ["1. 0.png", "2. 1.png"]
    assert len(found.names) <= MOST
    located = found.located("2. 1.png")
    assert located.z.equal(file.z[1:2])
    assert located.label.equal(file.labels[1:2])
    assert f"distance of {file.found.distance[1]:.3f}" in located.text
    assert sampler.truncation == 0.5
    again = found.located("1. 0.png")
    assert again.comparison.tobytes() != located.comparison.tobytes()


def test_what_is_not_there_or_not_of_this_generator_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "found.safetensors"
    found_file("classes").write(path)
    found = FoundPictures(path, sampler_of("classes"))
    for name in ("3. nobody.png", None, 1, ["1. 0.png"]):
        with pytest.raises(UserError, match="expected a name of the list"):
            found.located(name)
    with pytest.raises(UserError, match="^--found .*: its z have 4 entries, normal"):
        FoundPictures(path, sampler_of("classes", "uniform"))
    with pytest.raises(UserError, match="^--found .*: its labels are"):
        FoundPictures(path, sampler_of("attributes"))
    path.write_bytes(torch.zeros(8).numpy().tobytes())
    with pytest.raises(UserError, match="no safetensors file"):
        FoundPictures(path, sampler_of("classes"))
