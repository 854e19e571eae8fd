"""What is dropped on the page: found again, or refused in a sentence, within bounds."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image

from cgan_dist.errors import UserError
from cgan_dist.playground import finder as module
from cgan_dist.playground.finder import MAX_BYTES, MAX_SECONDS, Finder, file_of
from cgan_dist.playground.gate import MAX_PICTURE_BODY
from cgan_dist.playground.question import MAX_BODY
from tests.unit.samplers import STORED, sampler_of

NOISE = np.random.default_rng(0).integers(0, 256, (100, 100), np.uint8)


def always(done: int, total: int) -> bool:
    return True


def url_of(content: bytes) -> str:
    """As the page sends a file."""
    return "data:image/png;base64," + base64.b64encode(content).decode()


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def bomb(side: int) -> bytes:
    """A grey PNG that says it has so many pixels a side, and has none."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b""))
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


@pytest.mark.parametrize("kind", STORED)
def test_a_picture_of_any_size_is_found_with_its_label(kind: str) -> None:
    sampler = sampler_of(kind)
    z, label = sampler.latents(1, "other"), sampler.distribution.draw(1, torch.Generator().manual_seed(0))
    pixels = sampler.images(z, label)[0, 0].numpy()
    steps: list[tuple[int, int]] = []

    def on_step(done: int, total: int) -> bool:
        steps.append((done, total))
        return True

    found = Finder(sampler, (1, 4, 4)).find(url_of(png(pixels.repeat(20, 0).repeat(20, 1))), 0, on_step)
    assert found.z.shape == (1, 5)
    made = sampler.images(found.z, found.label)[0, 0].numpy().astype(int)
    assert np.abs(made[1:] - pixels[1:]).mean() < 10
    assert found.label.shape == label.shape
    assert found.comparison.size[0] > found.comparison.size[1]
    assert "of the distance of random samples" in found.text
    assert steps[0][0] == 0
    assert len(steps) <= steps[0][1]


def test_a_label_that_is_known_is_not_searched_and_the_samplers_own_settings_stay() -> None:
    sampler = sampler_of("classes")
    sampler.truncate(0.5)
    content = url_of(png(np.full((4, 4, 3), 200, np.uint8)))  # brighter than a 1
    found = Finder(sampler, (1, 4, 4)).find(content, 5, always, torch.tensor([1]))
    assert found.label.tolist() == [1]
    assert (sampler.seed, sampler.truncation) == (3, 0.5)
    again = Finder(sampler, (1, 4, 4)).find(content, 5, always, torch.tensor([1]))
    assert torch.equal(found.z, again.z)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "found none"),
        ("", "found none"),
        ([], "found none"),
        (7, "found none"),
        ({"path": "/etc/passwd"}, "found none"),
        ("data:image/png;base64,***", "base64"),
        ("é", "base64"),
        (url_of(b""), "not a picture"),
        (url_of(b"hello"), "not a picture"),
        (url_of(b"%!PS-Adobe-3.0 EPSF-3.0\n"), "not a picture"),
        (url_of(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "not a picture"),
        (url_of(bomb(30_000)), "megapixels"),
        (url_of(bomb(9_000)), "megapixels"),
        (url_of(bomb(100)), "picture: "),
        (url_of(png(NOISE)[:9_000]), "picture: "),
    ],
)
def test_what_is_no_picture_is_refused_in_a_sentence(content: object, said: str) -> None:
    with pytest.raises(UserError, match=f"^picture: .*{said}|^{said}"):
        Finder(sampler_of("classes"), (1, 4, 4)).find(content, 0, always)


def test_a_large_file_is_not_decoded() -> None:
    whole = file_of(url_of(bytes(MAX_BYTES)))
    assert len(whole) == MAX_BYTES
    with pytest.raises(UserError, match="^picture: found more than 8 MiB"):
        file_of(url_of(bytes(MAX_BYTES + 10)))
    assert len(url_of(bytes(MAX_BYTES))) + MAX_BODY < MAX_PICTURE_BODY


@pytest.mark.parametrize("seed", [-1, 2**31, 0.5, "0", None])
def test_a_seed_beyond_the_bounds_is_refused(seed: object) -> None:
    with pytest.raises(UserError, match="^seed: "):
        Finder(sampler_of("classes"), (1, 4, 4)).find(url_of(png(np.zeros((4, 4), np.uint8))), seed, always)


def test_a_search_ends_when_nobody_waits_or_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    content, now = url_of(png(np.zeros((4, 4), np.uint8))), [0.0]
    finder = Finder(sampler_of("classes"), (1, 4, 4), now=lambda: now[0])
    asked: list[int] = []

    def ended_by(on_step: Callable[[int, int], bool]) -> None:
        asked.clear()
        with pytest.raises(UserError, match="^picture: not found within 120 seconds"):
            finder.find(content, 0, on_step)

    def leaves(done: int, total: int) -> bool:
        asked.append(done)
        return done < 3

    ended_by(leaves)
    assert asked == [0, 1, 2, 3]

    def takes_long(done: int, total: int) -> bool:
        asked.append(done)
        now[0] += MAX_SECONDS / 4
        return True

    ended_by(takes_long)
    assert asked == [0, 1, 2, 3]


def test_the_plan_is_bounded() -> None:
    assert module.PLAN.tried * module.PLAN.starts * module.PLAN.screen_steps < 5_000
