from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from cgan_dist.assembly.inputs import check_inputs
from cgan_dist.assembly.networks import build_networks
from cgan_dist.assembly.step import build_step
from cgan_dist.conditioning.condition import Condition
from cgan_dist.config.document import Config
from cgan_dist.data.batch import Batch
from cgan_dist.distributed.group import build_accelerator
from cgan_dist.models import spectral_norm
from cgan_dist.models.resnet import spectral_norm_
from cgan_dist.training.step import Micro, TrainStep

ConfigMaker = Callable[..., Config]


def make_step(config: Config) -> TrainStep:
    inputs = check_inputs(config, world_size=1, rank=0)
    networks = build_networks(config, inputs.spec, inputs.label_space)
    return build_step(config, inputs, networks, build_accelerator("no"))


def numbered_batches() -> Iterator[Batch]:
    """Batch n holds images of brightness n."""
    for number in range(100):
        yield Batch(torch.full((8, 1, 8, 8), number, dtype=torch.uint8), torch.arange(8) % 3)


def watch(step: TrainStep, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, Tensor]]:
    """Records (net, number of its batch, its z) of every update."""
    seen: list[tuple[str, int, Tensor]] = []
    for net in ("generator", "discriminator"):
        real_step = getattr(step, f"{net}_step")

        def record(micro_batches: list[Micro], position: int, net: str = net, real_step: object = real_step) -> Tensor:
            images, z = micro_batches[0].real, micro_batches[0].z
            seen.append((net[0].upper(), round(float((images[0, 0, 0, 0] + 1) * 127.5)), z))
            return real_step(micro_batches, position)  # type: ignore[operator]

        monkeypatch.setattr(step, f"{net}_step", record)
    return seen


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        ("[G, G, D]", ["G0", "G0", "D0", "G1", "G1", "D1"]),
        ("[D, G]", ["D0", "G0", "D1", "G1"]),
        ("[D, D, D, G]", ["D0", "D1", "D2", "G2", "D3", "D4", "D5", "G5"]),
        ("[G, D, D, G]", ["G0", "D0", "D1", "G1", "G2", "D2", "D3", "G3"]),
    ],
)
def test_each_d_consumes_a_batch_and_a_g_takes_the_next_ds(
    make_config: ConfigMaker, monkeypatch: pytest.MonkeyPatch, plan: str, expected: list[str]
) -> None:
    step = make_step(make_config(f"train.plan={plan}"))
    seen, batches = watch(step, monkeypatch), numbered_batches()
    step.iterate(batches, 0)
    step.iterate(batches, step.images_per_iteration)
    assert [f"{net}{batch}" for net, batch, _ in seen] == expected
    assert step.images_per_iteration == 8 * plan.count("D")


def test_z_is_shared_by_the_phases_of_a_batch_as_in_the_original(
    make_config: ConfigMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = make_step(make_config())
    seen, batches = watch(step, monkeypatch), numbered_batches()
    step.iterate(batches, 0)
    step.iterate(batches, 8)
    first, second = [z for _, _, z in seen[:3]], [z for _, _, z in seen[3:]]
    assert torch.equal(first[0], first[1])
    assert torch.equal(first[0], first[2])
    assert not torch.equal(first[0], second[0])


def test_z_is_drawn_anew_for_each_phase_if_told_so(make_config: ConfigMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    step = make_step(make_config("train.share_z=false"))
    seen = watch(step, monkeypatch)
    step.iterate(numbered_batches(), 0)
    assert len({tuple(z.flatten().tolist()) for _, _, z in seen}) == 3


def parameters(network: torch.nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in network.parameters()]


def changed(before: list[Tensor], network: torch.nn.Module) -> bool:
    return any(not torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))


def test_an_update_changes_its_own_network_only_and_leaves_no_gradients(make_config: ConfigMaker) -> None:
    step = make_step(make_config())
    batch = next(numbered_batches())
    micro = step._micro_batches(batch, 0, 0)
    G, D = step.raw_generator, step.raw_discriminator
    before_g, before_d = parameters(G), parameters(D)
    step.generator_step(micro, 0)
    assert changed(before_g, G)
    assert not changed(before_d, D)
    before_g = parameters(G)
    step.discriminator_step(micro, 0)
    assert changed(before_d, D)
    assert not changed(before_g, G)
    assert all(p.grad is None for net in (G, D) for p in net.parameters())
    assert all(p.requires_grad for net in (G, D) for p in net.parameters())


@pytest.mark.parametrize("loss", ["non_saturating", "relativistic"])
def test_micro_batches_give_the_step_of_the_whole_batch(make_config: ConfigMaker, loss: str) -> None:
    overrides = [
        "generator.args.norm=none",
        "discriminator.args.norm=none",
        f"loss.adversarial={loss}",
        "loss.penalties={r1: 1.0, r2: 0.5}",
    ]
    whole, parts = make_step(make_config(*overrides)), make_step(make_config(*overrides, "train.micro_batch=2"))
    assert (whole.rounds, parts.rounds) == (1, 4)
    for step in (whole, parts):
        for network in (step.raw_generator, step.raw_discriminator, step.ema.network):
            network.double()
        step.pixels = type("Doubles", (), {"normalize": lambda self, images, channels, draw: images.double() / 255})()
        step.draws._latents = lambda seed, position, phase: torch.sin(torch.arange(64).view(8, 8) + position).double()
        images = (torch.arange(8 * 64) % 251).to(torch.uint8).view(8, 1, 8, 8)
        for iteration in range(3):
            step.iterate(iter([Batch(images, torch.arange(8) % 3)]), iteration * 8)
    for ours, theirs in zip(parts.raw_generator.parameters(), whole.raw_generator.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-7)
    torch.testing.assert_close(parts.meter.means(), whole.meter.means(), rtol=1e-7, atol=1e-9)


def test_a_share_smaller_than_a_micro_batch_is_passed_at_once(make_config: ConfigMaker) -> None:
    assert make_step(make_config("train.micro_batch=64")).rounds == 1


def test_what_is_frozen_on_purpose_stays_frozen(make_config: ConfigMaker) -> None:
    config = make_config()
    inputs = check_inputs(config, world_size=1, rank=0)
    networks = build_networks(config, inputs.spec, inputs.label_space)
    networks.discriminator.head.linear.weight.requires_grad_(False)  # type: ignore[union-attr]
    before = networks.discriminator.head.linear.weight.clone()  # type: ignore[union-attr,operator]
    step = build_step(config, inputs, networks, build_accelerator("no"))
    batches = numbered_batches()
    for iteration in range(3):
        step.iterate(batches, iteration * 8)
    assert torch.equal(step.raw_discriminator.head.linear.weight, before)  # type: ignore[union-attr]
    assert step.raw_discriminator.head.linear.bias.requires_grad  # type: ignore[union-attr]


def test_d_sees_augmented_images_that_are_drawn_for_each_phase_and_for_reals_and_fakes(
    make_config: ConfigMaker,
) -> None:
    step = make_step(make_config("data.augment=[translation, flip]", "train.micro_batch=4"))
    batch = next(numbered_batches())
    ramp = Batch(torch.arange(64, dtype=torch.uint8).view(1, 1, 8, 8).expand(8, -1, -1, -1).contiguous(), batch.labels)
    first, again, later = (step._micro_batches(ramp, position, phase) for position, phase in ((0, 0), (0, 0), (0, 1)))

    def shown(micro: list[Micro], view: str) -> Tensor:
        return torch.cat([getattr(part, view)(part.real) for part in micro])

    assert torch.equal(shown(first, "view_real"), shown(again, "view_real"))
    assert not torch.equal(shown(first, "view_real"), shown(first, "view_fake"))
    assert not torch.equal(shown(first, "view_real"), shown(later, "view_real"))
    whole = make_step(make_config("data.augment=[translation, flip]"))
    assert torch.equal(shown(first, "view_real"), shown(whole._micro_batches(ramp, 0, 0), "view_real"))
    step.iterate(numbered_batches(), 0)


def test_grey_becomes_three_channels_where_the_config_says_so(make_config: ConfigMaker) -> None:
    step = make_step(make_config("data.channels=3", "data.pixels=half"))
    (micro,) = step._micro_batches(next(numbered_batches()), 0, 0)
    assert micro.real.shape == (8, 3, 8, 8)
    assert step.raw_generator(torch.randn(2, 8), Condition.of_classes(torch.tensor([0, 1]))).shape == (2, 3, 8, 8)


def test_a_generator_learns_its_labels(make_config: ConfigMaker) -> None:
    """A few hundred steps on striped images: the stripes must come out as the label says."""
    from cgan_dist.assembly.trainer import Loader

    config = make_config(
        "generator.args.width=16",
        "discriminator={args: {width: 16, norm: none}}",
        "optim.lr=2e-3",
        "optim.betas=[0, 0.99]",
        "loss={adversarial: relativistic, penalties: {r1: 0.1, r2: 0.1}}",
        "train.plan=[D, G]",
        "train.batch_size=32",
    )
    inputs = check_inputs(config, 1, 0)
    step = make_step(config)
    batches = Loader(inputs.shards, batch_size=32, streams=4, seed=0).batches(0)
    for iteration in range(400):
        step.iterate(batches, iteration * 32)
    labels = torch.arange(90) % 3
    with torch.no_grad():
        images = step.ema.network(torch.rand(90, 8) * 2 - 1, Condition.of_classes(labels))[:, 0]
    rows = images[:, ::2].mean((1, 2)) - images[:, 1::2].mean((1, 2)) > 0.7
    columns = images[:, :, ::2].mean((1, 2)) - images[:, :, 1::2].mean((1, 2)) > 0.7
    seen = torch.where(rows, 0, torch.where(columns, 1, 2))
    assert (seen == labels).float().mean() >= 0.95


def with_spectral_norm(config: Config) -> TrainStep:
    """A D with spectral norm; no batch norm, which sees micro-batches."""
    inputs = check_inputs(config, world_size=1, rank=0)
    networks = build_networks(config, inputs.spec, inputs.label_space)
    torch.manual_seed(0)
    spectral_norm_(networks.discriminator, None)
    return build_step(config, inputs, networks, build_accelerator("no"))


NO_BATCH_NORM = ["generator.args.norm=none", "discriminator.args.norm=none"]


def test_power_iteration_moves_once_in_an_update(make_config: ConfigMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    step = with_spectral_norm(make_config("train.plan=[D, D, G]", "train.micro_batch=4", *NO_BATCH_NORM))
    calls, real = [], spectral_norm.iterate_

    def iterate(norms: list[spectral_norm.SpectralNorm], weights: list[Tensor]) -> list[spectral_norm.Singular]:
        calls.append(len(norms))
        return real(norms, weights)

    monkeypatch.setattr(spectral_norm, "iterate_", iterate)
    step.iterate(numbered_batches(), 0)
    layers = sum(isinstance(module, spectral_norm.SpectralNorm) for module in step.raw_discriminator.modules())
    assert layers > 1
    assert calls == [layers] * 3


@pytest.mark.parametrize("penalties", ["{}", "{r1: 1.0, gp: 1.0}"])
def test_micro_batches_do_not_change_what_spectral_norm_does(make_config: ConfigMaker, penalties: str) -> None:
    found = []
    for micro_batch in ("null", "2"):
        options = [f"train.micro_batch={micro_batch}", f"loss.penalties={penalties}", *NO_BATCH_NORM]
        step, batches = with_spectral_norm(make_config(*options)), numbered_batches()
        for iteration in range(3):
            step.iterate(batches, 8 * iteration)
        found.append(step.raw_discriminator.state_dict())
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-5)


def test_a_bad_update_leaves_the_vectors_of_spectral_norm(make_config: ConfigMaker) -> None:
    step = with_spectral_norm(make_config("train.plan=[D, G]", *NO_BATCH_NORM))
    batches = numbered_batches()
    step.iterate(batches, 0)
    before = {name: value.clone() for name, value in step.raw_discriminator.state_dict().items()}
    for optimizer in (step.optimizer_d, step.optimizer_g):
        plain = optimizer.backward
        optimizer.backward = lambda loss, plain=plain: plain(loss * torch.inf)  # type: ignore[method-assign]
    step.iterate(batches, 8)
    assert [optimizer.skips[0].item() for optimizer in step.optimizers.values()] == [1, 1]
    torch.testing.assert_close(step.raw_discriminator.state_dict(), before, rtol=0, atol=0)
