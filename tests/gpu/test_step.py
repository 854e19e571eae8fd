"""One iteration on the card is one iteration on the CPU, in float32; other precisions come near it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gpu.running import NETWORKS, train

FLOAT32_RELATIVE = 2e-3
"""Of losses and norms of gradients: sums of some thousand products in another order, and their square in penalties."""
HALF_RELATIVE = 0.1
COMPARED = ("loss/", "logits/", "gradient/", "penalty/", "aux/")


@pytest.fixture(scope="session")
def on_cpu(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    """The first line of metrics of each network, by the CPU."""
    folder = tmp_path_factory.mktemp("cpu")
    return {name: train("cpu", folder / name, data, *own).lines[0] for name, own in NETWORKS.items()}


def compared(line: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in line.items() if name.startswith(COMPARED)}


@pytest.mark.parametrize("network", NETWORKS)
def test_the_step_has_the_numbers_of_the_cpu(
    network: str, device: str, data: Path, tmp_path: Path, on_cpu: dict[str, dict[str, float]]
) -> None:
    found = compared(train(device, tmp_path, data, *NETWORKS[network]).lines[0])
    assert len(found) > 5
    assert found == pytest.approx(compared(on_cpu[network]), rel=FLOAT32_RELATIVE, abs=1e-4)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("network", NETWORKS)
def test_half_precision_comes_near(
    network: str, precision: str, device: str, data: Path, tmp_path: Path, on_cpu: dict[str, dict[str, float]]
) -> None:
    run = train(device, tmp_path, data, *NETWORKS[network], f"train.precision={precision}")
    found, expected = run.lines[0], on_cpu[network]
    for name in ("loss/d", "loss/g"):
        assert found[name] == pytest.approx(expected[name], rel=HALF_RELATIVE, abs=0.05)


@pytest.mark.parametrize("network", NETWORKS)
def test_the_order_in_memory_changes_nothing(
    network: str, device: str, data: Path, tmp_path: Path, on_cpu: dict[str, dict[str, float]]
) -> None:
    run = train(device, tmp_path, data, *NETWORKS[network], "train.channels_last=false")
    assert compared(run.lines[0]) == pytest.approx(compared(on_cpu[network]), rel=FLOAT32_RELATIVE, abs=1e-4)


@pytest.mark.parametrize("network", ["dcgan", "r3"])
def test_compiled_networks_have_the_same_numbers(
    network: str, device: str, data: Path, tmp_path: Path, on_cpu: dict[str, dict[str, float]]
) -> None:
    run = train(device, tmp_path, data, *NETWORKS[network], "train.compile=true")
    assert compared(run.lines[0]) == pytest.approx(compared(on_cpu[network]), rel=FLOAT32_RELATIVE, abs=1e-4)
