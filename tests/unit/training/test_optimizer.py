from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.linear import ConditionLinear
from cgan_dist.config.document import parse_config
from cgan_dist.config.training import AdamConfig
from cgan_dist.distributed.gradients import reduce_rows
from cgan_dist.distributed.group import build_accelerator
from cgan_dist.training import optimizer as optimizer_module
from cgan_dist.training.optimizer import NetworkOptimizer, large_tables, rows_of_large_tables


class Network(nn.Module):
    """A table of classes and a linear layer."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table, self.linear = ConditionLinear(Layout(classes=(classes,)), 3), nn.Linear(3, 1)

    def forward(self, labels: list[int]) -> torch.Tensor:
        return self.linear(self.table(Condition.of_classes(torch.tensor(labels)))).sum()


def updated(network: Network, tables: list[nn.Parameter], steps: list[list[int]]) -> NetworkOptimizer:
    config = parse_config({"data": {"path": "x"}, "optim": {"lr": 0.1, "betas": [0.5, 0.9]}}, "test").optim
    optimizer = NetworkOptimizer(build_accelerator("no"), network, config, tables)
    for number, labels in enumerate(steps):
        network(labels).backward()
        reduce_rows(optimizer.accelerator, tables, at_most=len(labels))
        optimizer.step(number)
    return optimizer


def test_all_rows_in_every_batch_make_rows_and_dense_the_same() -> None:
    dense, rows = Network(4), Network(4)
    updated(dense, [], [[0, 1, 2, 3, 3]] * 5)
    updated(rows, large_tables(rows, "rows"), [[0, 1, 2, 3, 3]] * 5)
    for ours, theirs in zip(rows.parameters(), dense.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=0)


def test_rows_outside_the_batch_stay_where_dense_adam_moves_them_on() -> None:
    dense, rows = Network(4), Network(4)
    updated(dense, [], [[0, 1], [2, 3]])
    updated(rows, large_tables(rows, "rows"), [[0, 1], [2, 3]])
    once = Network(4)
    updated(once, large_tables(once, "rows"), [[0, 1]])
    assert torch.equal(rows.table.table[:2], once.table.table[:2])
    assert not torch.allclose(dense.table.table[:2], once.table.table[:2])


@pytest.mark.parametrize(
    ("tables", "classes", "large"), [("auto", 639, 0), ("auto", 640, 1), ("dense", 10_000, 0), ("rows", 2, 1)]
)
def test_which_tables_are_large(tables: str, classes: int, large: int) -> None:
    assert len(large_tables(Network(classes), tables)) == large  # type: ignore[arg-type]


def test_rates_follow_their_schedules_and_survive_a_restore() -> None:
    schedule = {"start": 0.1, "end": 0.2, "end_images": 10, "shape": "linear"}
    values = {"data": {"path": "x"}, "optim": {"lr": schedule, "betas": [schedule, 0.9]}}
    config: AdamConfig = parse_config(values, "test").optim
    network = Network(4)
    optimizer = NetworkOptimizer(build_accelerator("no"), network, config, [])
    for images_seen, expected in ((0, 0.1), (5, 0.15), (10, 0.2), (99, 0.2)):
        network([0]).backward()
        optimizer.step(images_seen)
        group = optimizer.optimizers["adam"].param_groups[0]
        assert (group["lr"], group["betas"]) == (pytest.approx(expected), (pytest.approx(expected), 0.9))
    fresh = NetworkOptimizer(build_accelerator("no"), Network(4), config, [])
    for name, state in optimizer.state().items():
        fresh.restore(name, state)
    assert torch.equal(fresh.state()["adam"]["state"][0]["exp_avg"], optimizer.state()["adam"]["state"][0]["exp_avg"])


@pytest.mark.parametrize("order", [torch.channels_last, torch.contiguous_format])
def test_moments_saved_in_another_order_of_memory_move_the_right_weights(order: torch.memory_format) -> None:
    config, accelerator = parse_config({"data": {"path": "x"}}, "test").optim, build_accelerator("no")
    torch.manual_seed(0)
    start, images = torch.randn(4, 3, 3, 3), torch.randn(2, 3, 5, 5)

    def built(memory_format: torch.memory_format) -> tuple[nn.Conv2d, NetworkOptimizer]:
        network = nn.Conv2d(3, 4, 3, bias=False)
        network.weight.data.copy_(start)
        network = network.to(memory_format=memory_format)
        return network, NetworkOptimizer(accelerator, network, config, [])

    def trained(network: nn.Conv2d, optimizer: NetworkOptimizer) -> torch.Tensor:
        network(images).square().sum().backward()
        optimizer.step(0)
        return network.weight.detach().clone()

    first, optimizer = built(torch.contiguous_format)
    saved = trained(first, optimizer)
    state = optimizer.state()["adam"]
    moved, other = built(order)
    other.restore("adam", copy.deepcopy(state))
    moved.weight.data.copy_(saved)
    torch.testing.assert_close(trained(moved, other), trained(first, optimizer))


def test_a_table_is_large_from_so_many_rows_on() -> None:
    assert [rows_of_large_tables(tables) for tables in ("auto", "dense", "rows")] == [640, math.inf, 1]


class Case:
    """A network with its optimizer, over class tables that are dense or move by rows."""

    def __init__(self, tables: str, scale: float | None = None) -> None:
        config = parse_config({"data": {"path": "x"}, "optim": {"lr": 0.1, "betas": [0.5, 0.9]}}, "test").optim
        self.network, accelerator = Network(4), build_accelerator("no" if scale is None else "fp16")
        large = large_tables(self.network, tables)  # type: ignore[arg-type]
        self.optimizer = NetworkOptimizer(accelerator, self.network, config, large)
        assert (self.optimizer.scaler is None) == (scale is None)
        if scale is not None:
            self.optimizer.scaler = torch.amp.GradScaler("cpu", init_scale=scale)

    def update(self, labels: list[int], factor: float = 1.0) -> float:
        return self.update_on_device(labels, factor).item()

    def update_on_device(self, labels: list[int], factor: float = 1.0) -> Tensor:
        self.optimizer.backward(self.network(labels) * factor)
        reduce_rows(self.optimizer.accelerator, self.optimizer.tables, at_most=len(labels))
        return self.optimizer.step(0)

    def everything(self) -> dict[str, Tensor]:
        found = {name: value.detach().clone() for name, value in self.network.named_parameters()}
        for name, state in self.optimizer.state().items():
            for index, moments in state["state"].items():
                found |= {f"{name}.{index}.{key}": torch.as_tensor(value).clone() for key, value in moments.items()}
        return found


def assert_same(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


TOO_LARGE = 1e25
"""Finite in float32, and its square is not."""


@pytest.mark.parametrize("tables", ["dense", "rows"])
@pytest.mark.parametrize("factor", [math.nan, math.inf, -math.inf, TOO_LARGE])
def test_an_update_that_is_not_finite_leaves_weights_moments_and_the_count_of_steps(tables: str, factor: float) -> None:
    guarded, spared = Case(tables), Case(tables)
    for case in (guarded, spared):
        assert case.update([0, 1]) == 0
    before = guarded.everything()
    assert guarded.update([1, 2], factor) == 1
    assert_same(guarded.everything(), before)
    assert all(parameter.grad is None for parameter in guarded.network.parameters())
    for case in (guarded, spared):
        assert case.update([2, 3]) == 0
    assert_same(guarded.everything(), spared.everything())


@pytest.mark.parametrize("tables", ["dense", "rows"])
def test_a_bad_first_update_leaves_an_optimizer_as_good_as_new(tables: str) -> None:
    guarded, fresh = Case(tables), Case(tables)
    guarded.update([0], math.nan)
    for case in (guarded, fresh):
        case.update([0, 1])
    assert_same(guarded.everything(), fresh.everything())


@pytest.mark.parametrize("bad", ["table", "linear"])
def test_dense_weights_and_rows_skip_together(bad: str) -> None:
    case = Case("rows")
    case.update([0, 1])
    before = case.everything()
    parameter = case.network.table.table if bad == "table" else case.network.linear.bias
    hook = parameter.register_hook(lambda grad: grad * math.nan)
    assert case.update([0, 1]) == 1
    assert_same(case.everything(), before)
    hook.remove()
    case.update([0, 1])
    changed = {name for name, value in case.everything().items() if not torch.equal(value, before[name])}
    assert changed == set(before)


@pytest.fixture
def _as_on_mps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adam of this device cannot be told to skip."""
    monkeypatch.setattr(optimizer_module, "SKIPS_ON_DEVICE", ())


@pytest.mark.usefixtures("_as_on_mps")
@pytest.mark.parametrize("factor", [math.nan, TOO_LARGE])
def test_where_fused_adam_cannot_be_told_the_host_skips(factor: float) -> None:
    case = Case("dense")
    assert not case.optimizer.optimizers["adam"].param_groups[0]["fused"]
    assert case.update([0, 1]) == 0
    before = case.everything()
    assert case.update([1, 2], factor) == 1
    assert_same(case.everything(), before)
    assert case.update([1, 2]) == 0
    assert not torch.equal(case.everything()["linear.weight"], before["linear.weight"])


@pytest.mark.parametrize("saved_fused", [True, False])
def test_moments_move_between_kinds_of_devices(saved_fused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group of a checkpoint says whether its Adam was fused; that of this device stays."""
    found, steps = [], []
    for fused in (saved_fused, not saved_fused):
        monkeypatch.setattr(optimizer_module, "SKIPS_ON_DEVICE", ("cpu",) if fused else ())
        case = Case("dense")
        if found:
            case.network.load_state_dict(found[0][1])
            case.optimizer.restore("adam", found[0][0])
            assert case.optimizer.optimizers["adam"].param_groups[0]["fused"] is fused
        case.update([0, 1])
        found.append(copy.deepcopy((case.optimizer.state()["adam"], case.network.state_dict())))
        steps.append(found[-1][0]["state"][0]["step"].item())
        before = case.everything()
        assert case.update([2], math.nan) == 1
        assert_same(case.everything(), before)
    assert steps == [1, 2]


def test_good_updates_are_those_of_plain_adam_bit_for_bit() -> None:
    case, plain = Case("dense"), Network(4)
    adam = torch.optim.Adam(plain.parameters(), lr=0.1, betas=(0.5, 0.9), fused=True)
    for labels in ([0, 1], [3, 3], [2]):
        case.update(labels)
        plain(labels).backward()
        adam.step()
        adam.zero_grad()
    for ours, theirs in zip(case.network.parameters(), plain.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_skips_are_counted_in_all_and_in_a_row() -> None:
    case = Case("dense")
    counts = []
    for factor in (1, math.nan, math.inf, 1, math.nan):
        case.update([0], factor)
        counts.append(case.optimizer.skips.tolist())
    assert counts == [[0, 0], [1, 1], [2, 2], [2, 0], [3, 1]]
    case.optimizer.restore("adam", case.optimizer.state()["adam"])
    assert case.optimizer.skips.tolist() == [3, 0]


@pytest.mark.parametrize("tables", ["dense", "rows"])
def test_nothing_makes_the_host_wait(tables: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(*_: object) -> None:
        raise AssertionError("the host waits for the device")

    case = Case(tables)
    for name in ("item", "__bool__", "__float__", "tolist", "cpu", "coalesce"):
        monkeypatch.setattr(Tensor, name, wait)
    bad = case.update_on_device([0, 1, 1])
    monkeypatch.undo()
    assert bad.item() == 0


OVERFLOWS = [math.nan, math.inf, -math.inf]


@pytest.mark.parametrize("tables", ["dense", "rows"])
@pytest.mark.parametrize("factor", OVERFLOWS)
def test_an_overflow_halves_the_scale_of_its_network_alone_and_skips_its_update_alone(
    tables: str, factor: float
) -> None:
    first, second = Case(tables, scale=1024.0), Case(tables, scale=64.0)
    for case in (first, second):
        assert case.update([0, 1]) == 0
    before = first.everything()
    assert first.update([1, 2], factor) == 1
    assert second.update([1, 2]) == 0
    assert_same(first.everything(), before)
    assert (first.optimizer.scale.item(), second.optimizer.scale.item()) == (512, 64)
    assert (first.optimizer.skips.tolist(), second.optimizer.skips.tolist()) == ([1, 0], [0, 0])


@pytest.mark.parametrize("tables", ["dense", "rows"])
def test_a_scaled_update_is_that_without_a_scale(tables: str) -> None:
    """A power of two changes no digit."""
    scaled, plain = Case(tables, scale=2.0**16), Case(tables, scale=1.0)
    plain.optimizer.scaler = None
    for labels in ([0, 1], [3, 3], [2]):
        for case in (scaled, plain):
            assert case.update(labels) == 0
    assert_same(scaled.everything(), plain.everything())


def test_a_scale_is_that_of_torchs_scaler_but_never_below_one() -> None:
    case, scaler = Case("dense", scale=8.0), torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
    assert case.optimizer.scaler is not None
    case.optimizer.scaler.set_growth_interval(2)
    weight = torch.zeros(1, requires_grad=True)
    adam = torch.optim.Adam([weight])
    factors = [1, 1, 1, math.inf, 1, 1, math.nan, math.nan, math.nan, 1, 1, 1, 1]
    for factor in factors:
        case.update([0], factor)
        scaler.scale((weight * factor).sum()).backward()
        scaler.step(adam)
        scaler.update()
        adam.zero_grad()
        assert case.optimizer.scale.item() == scaler.get_scale()
    for _ in range(10):
        case.update([0], math.inf)
    assert case.optimizer.scale.item() == 1


def test_the_search_for_a_scale_is_no_row_of_skips_and_what_fails_at_the_least_is() -> None:
    case = Case("dense", scale=4.0)
    seen = []
    for _ in range(4):  # at scales 4, 2, 1, 1
        case.update([0], math.nan)
        seen.append(case.optimizer.skips.tolist())
    assert seen == [[1, 0], [2, 0], [3, 1], [4, 2]]
    case.update([0])
    assert case.optimizer.skips.tolist() == [4, 0]


def test_gradients_that_are_finite_and_too_large_are_not_the_scales_fault() -> None:
    case = Case("dense", scale=4.0)
    for number in (1, 2):
        assert case.update([0], TOO_LARGE) == 1
        assert case.optimizer.skips.tolist() == [number, number]
    assert case.optimizer.scale.item() == 4


def test_a_scale_costs_the_host_no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(*_: object) -> None:
        raise AssertionError("the host waits for the device")

    case = Case("dense", scale=4.0)
    for name in ("item", "__bool__", "__float__", "tolist", "cpu"):
        monkeypatch.setattr(Tensor, name, wait)
    bad = case.update_on_device([0], math.inf)
    monkeypatch.undo()
    assert bad.item() == 1


@pytest.mark.parametrize("tables", ["dense", "rows"])
@pytest.mark.parametrize("scale", [1.0, 2.0**16])
def test_the_norm_of_all_gradients_is_kept_without_the_scale(tables: str, scale: float) -> None:
    case = Case(tables, scale=scale)
    loss = case.network([0, 1, 1])
    gradients = torch.autograd.grad(loss, list(case.network.parameters()))
    squares = [(g.coalesce().values() if g.is_sparse else g).square().sum() for g in gradients]
    case.update([0, 1, 1])
    assert case.optimizer.gradient_norm.item() == pytest.approx(torch.stack(squares).sum().sqrt().item(), rel=1e-6)
    case.update([0], math.nan)
    assert not case.optimizer.gradient_norm.isfinite()
