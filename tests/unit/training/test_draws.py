"""Draws ahead of time: the same numbers, one copy to the device, nothing left over."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from cgan_dist.assembly.inputs import check_inputs
from cgan_dist.config.document import Config
from cgan_dist.randomness import draw_latent, torch_generator
from cgan_dist.training import draws as module
from cgan_dist.training.draws import Drawn, Draws, Noise
from tests.unit.training.test_step import ConfigMaker, make_step, numbered_batches, parameters

OPTIONS = [
    "train.plan=[G, G, D]",
    "data.augment=[flip, translation]",
    "data.augment_probability={start: 0.1, end: 0.9, end_images: 64, shape: linear}",
]
SIZE = 8
NOISY = {name: Noise({"D"}, (1, 8, 8)) for name in ("r1_approximate", "r2_approximate")} | {"z": Noise({"G"}, [5])}
TWINS = ("bcr_real", "bcr_fake")


def make_draws(config: Config, rank: int = 0, ranks: int = 1, device: str = "cpu", ahead: bool = False) -> Draws:
    share = SIZE // ranks
    rows, augment = slice(rank * share, (rank + 1) * share), check_inputs(config, 1, 0).augment
    draws = Draws(config, augment, True, rows, torch.device(device), NOISY, twins=dict.fromkeys(TWINS, augment))
    if ahead:
        draws.thread = ThreadPoolExecutor(1, "draws")
    return draws


def flat(drawn: Drawn) -> list[Tensor]:
    assert drawn.mix is not None
    return [drawn.z, drawn.mix, *drawn.real, *drawn.fake, *drawn.noise.values(), *chain(*drawn.twins.values())]


def assert_same(one: Drawn, other: Drawn) -> None:
    for part in ("real", "fake", "noise", "twins"):
        assert len(getattr(one, part)) == len(getattr(other, part))
    for ours, theirs in zip(flat(one), flat(other), strict=True):
        assert ours.dtype == theirs.dtype
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("share_z", [True, False])
@pytest.mark.parametrize("ahead", [False, True])
def test_each_number_is_drawn_for_the_global_batch_by_its_key(
    make_config: ConfigMaker, share_z: bool, ahead: bool
) -> None:
    config = make_config(*OPTIONS, f"train.share_z={share_z}")
    ranks = [make_draws(config, rank, 4, ahead=ahead) for rank in range(4)]
    seed, position, phase = 3, 32, 2
    parts = [flat(draws.take(seed, position, phase)) for draws in ranks]
    z, mix, *others = (torch.cat(part) for part in zip(*parts, strict=True))
    augmentation, (at_reals, at_fakes), twins = others[:6], others[6:8], others[8:]
    keys = [("r1_approximate", position, phase, row) for row in range(SIZE)]
    assert torch.equal(at_reals, torch.stack([torch.randn(1, 8, 8, generator=torch_generator(seed, *k)) for k in keys]))
    assert at_fakes.shape == at_reals.shape
    assert not torch.equal(at_fakes, at_reals)
    of_g = torch.cat([draws.take(seed, position, 0).noise["z"] for draws in ranks])
    by_row = [torch.randn(5, generator=torch_generator(seed, "z", position, 0, row)) for row in range(SIZE)]
    assert torch.equal(of_g, torch.stack(by_row))
    assert set(ranks[0].take(seed, position, 0).noise) == {"z"}
    assert not ranks[0].take(seed, position, 0).twins
    every = [rows for name in TWINS for rows in ranks[0].augment.draw(seed, f"{name} {phase}", position, SIZE)]
    assert all(torch.equal(*pair) for pair in zip(twins, every, strict=True))
    key = (position,) if share_z else (position, phase)
    assert torch.equal(z, draw_latent((SIZE, 8), "uniform", torch_generator(seed, "latent", *key)))
    assert torch.equal(mix, torch.rand(SIZE, generator=torch_generator(seed, "mix", position, phase)))
    expected = [
        rows
        for images in ("real", "fake")
        for rows in ranks[0].augment.draw(seed, f"{images} {phase}", position, SIZE, 0.5)
    ]
    assert [rows.dtype for rows in augmentation] == [torch.float32, torch.float32, torch.bool] * 2
    assert all(torch.equal(*pair) for pair in zip(augmentation, expected, strict=True))


@pytest.mark.parametrize("ahead", [False, True])
def test_what_samples_real_latents_is_drawn_row_by_row_in_every_phase(make_config: ConfigMaker, ahead: bool) -> None:
    config, key = make_config(), (3, 32)
    ranks = [make_draws(config, rank, 4, ahead=ahead) for rank in range(4)]
    for draws in ranks:
        draws.reals_shape = (1, 8, 8)
    for phase in range(3):
        parts = [draws.take(*key, phase).reals for draws in ranks]
        expected = [
            torch.randn(1, 8, 8, generator=torch_generator(3, "moments", 32, phase, row)) for row in range(SIZE)
        ]
        assert torch.equal(torch.cat([part for part in parts if part is not None]), torch.stack(expected))
    assert make_draws(config).take(*key, 0).reals is None


def test_what_was_begun_is_what_is_taken(make_config: ConfigMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_config(*OPTIONS)
    plain, ahead = make_draws(config), make_draws(config, ahead=True)
    drawing: list[str] = []
    real = ahead._drawn

    def drawn(*key: int) -> Drawn:
        drawing.append(threading.current_thread().name)
        return real(*key)

    monkeypatch.setattr(ahead, "_drawn", drawn)
    keys = [(0, position, phase) for position in (0, 8, 16) for phase in range(3)]
    for key, after in zip(keys, keys[1:], strict=False):
        assert_same(ahead.take(*key), plain.take(*key))
        ahead.begin(*after)
    ahead.take(*keys[-1])
    assert drawing == [threading.current_thread().name, *["draws_0"] * 8]


def test_what_was_begun_for_another_seed_or_position_is_not_taken(make_config: ConfigMaker) -> None:
    config = make_config(*OPTIONS)
    plain, ahead = make_draws(config), make_draws(config, ahead=True)
    for key in ((1, 8, 0), (0, 16, 0), (0, 8, 1), (0, 8, 0)):
        ahead.begin(0, 8, 0)
        assert_same(ahead.take(*key), plain.take(*key))
    assert_same(ahead.take(0, 8, 0), plain.take(0, 8, 0))  # nothing was begun


def test_training_is_the_same_bit_for_bit_if_it_draws_ahead(make_config: ConfigMaker) -> None:
    found = []
    for ahead in (False, True):
        step = make_step(make_config(*OPTIONS, "train.micro_batch=4", "loss.penalties={gp: 1.0}"))
        taken: list[bool] = []
        if ahead:
            step.draws.thread = ThreadPoolExecutor(1, "draws")
            real = step.draws.take

            def take(*key: int, draws: Draws = step.draws, real: Any = real, taken: list[bool] = taken) -> Drawn:
                taken.append(draws._begun is not None and draws._begun[0] == key)
                return real(*key)  # type: ignore[no-any-return]

            step.draws.take = take  # type: ignore[method-assign]
        batches = numbered_batches()
        for position in (0, 8, 16):
            step.iterate(batches, position)
        step.seed = 99  # as after a return to a checkpoint
        for position in (8, 16):
            step.iterate(batches, position)
        found.append([*parameters(step.raw_generator), *parameters(step.raw_discriminator)])
        assert taken == ([False, *[True] * 8, False, *[True] * 5] if ahead else [])
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))


class CopiesTo(TorchDispatchMode):
    """Counts what goes to a device."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device, self.count = device, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        self.count += torch.device(kwargs.get("device") or "cpu").type == self.device
        return func(*args, **kwargs)


@pytest.mark.parametrize("begun", [False, True])
def test_one_copy_takes_all_of_a_phase_to_the_device(make_config: ConfigMaker, begun: bool) -> None:
    config = make_config(*OPTIONS)
    draws = make_draws(config, device="meta")
    if begun:
        draws.begin(0, 8, 1)
    with CopiesTo("meta") as copies:
        drawn = draws.take(0, 8, 1)
    assert copies.count == 1
    assert {tensor.device.type for tensor in flat(drawn)} == {"meta"}
    there, here = flat(drawn), flat(make_draws(config).take(0, 8, 1))
    assert [(tensor.shape, tensor.dtype) for tensor in there] == [(tensor.shape, tensor.dtype) for tensor in here]


def test_phases_that_share_z_draw_it_once_and_have_each_its_own(
    make_config: ConfigMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, real = [], draw_latent

    def watched(*args: Any) -> Tensor:
        drawn.append(args[0])
        return real(*args)

    monkeypatch.setattr(module, "draw_latent", watched)
    draws = make_draws(make_config(*OPTIONS))
    first = draws.take(0, 0, 0).z
    kept = first.clone()
    first.zero_()
    assert torch.equal(draws.take(0, 0, 1).z, kept)
    assert len(drawn) == 1
    assert not torch.equal(draws.take(0, 8, 0).z, kept)
    assert not torch.equal(draws.take(1, 0, 0).z, kept)
    assert len(drawn) == 3


def test_an_error_of_the_thread_is_raised_where_its_numbers_are_wanted(
    make_config: ConfigMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    draws = make_draws(make_config(*OPTIONS), ahead=True)
    monkeypatch.setattr(draws.augment, "draw", lambda *_: 1 / 0)
    draws.begin(0, 0, 0)
    with pytest.raises(ZeroDivisionError):
        draws.take(0, 0, 0)


def test_the_thread_ends_with_its_draws(make_config: ConfigMaker) -> None:
    draws = make_draws(make_config(*OPTIONS), ahead=True)
    draws.begin(0, 0, 0)
    assert draws.thread is not None
    (worker,) = draws.thread._threads  # its own: threads of other tests may still be ending
    assert worker.is_alive()
    del draws
    gc.collect()
    worker.join(60)
    assert not worker.is_alive()


def test_a_cpu_draws_for_itself(make_config: ConfigMaker) -> None:
    draws = make_draws(make_config(*OPTIONS))
    draws.begin(0, 0, 0)
    assert draws.thread is None
    assert make_draws(make_config(*OPTIONS), device="meta").thread is not None
