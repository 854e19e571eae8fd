"""What metrics would do on a GPU, which need not be there: PyTorch's fake tensors know devices, forms and no values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from cgan_dist.evaluation.metrics import distances, frechet_distance, kernel_distance
from cgan_dist.evaluation.metrics.base import Metric
from cgan_dist.evaluation.metrics.diversity import near_pairs, variance
from cgan_dist.evaluation.metrics.frechet_distance import Fid
from cgan_dist.evaluation.metrics.kernel_distance import KernelDistance
from cgan_dist.evaluation.metrics.memorization import Memorization
from cgan_dist.evaluation.metrics.nearest import nearest
from cgan_dist.evaluation.metrics.precision_recall import PrecisionRecall
from tests.unit.evaluation.metrics.sets import fake_set, real_set

GPU = torch.device("cuda", 0)
COUNT, WIDTH, ROWS = 500, 40, 100


class OnGpu(TorchDispatchMode):
    """Notes what comes about; the answer to the host's every question is 1."""

    def __init__(self) -> None:
        super().__init__()
        self.devices: dict[str, set[str]] = {}
        self.largest = 0

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = op.overloadpacket.__name__
        if name == "_local_scalar_dense":
            return 1.0
        made = op(*args, **kwargs or {})
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self.devices.setdefault(name, set()).add(tensor.device.type)
                if tensor.device == GPU and not op.is_view:
                    self.largest = max(self.largest, tensor.numel())
        return made


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (distances, frechet_distance, kernel_distance):
        monkeypatch.setattr(module, "ROWS", ROWS)
    monkeypatch.setattr("cgan_dist.evaluation.metrics.nearest.QUERIES", ROWS)


@pytest.mark.parametrize("metric", [Fid(), KernelDistance(subset_size=ROWS), PrecisionRecall(), Memorization()])
def test_what_is_much_is_done_on_the_gpu_a_block_at_a_time(metric: Metric) -> None:
    with FakeTensorMode(), OnGpu() as seen:
        embedding = torch.randn(COUNT, WIDTH)
        (features,) = metric.extractors
        metric.score(replace(real_set(features, embedding), device=GPU), fake_set(features, embedding))
    matrices = seen.devices.keys() & {"mm", "addmm", "addmm_", "_linalg_eigh", "topk"}
    assert matrices
    assert {name: seen.devices[name] for name in matrices} == dict.fromkeys(matrices, {"cuda"})
    assert seen.largest <= ROWS * ROWS < COUNT * WIDTH


@pytest.mark.parametrize("compute", [variance, lambda values: near_pairs(values, values)])
def test_variances_and_pairs_within_a_class_are_taken_where_the_features_are(
    compute: Callable[[Tensor], object],
) -> None:
    with FakeTensorMode(), OnGpu() as seen:
        compute(torch.randn(COUNT, WIDTH, device=GPU))
    assert set().union(*(seen.devices.get(name, set()) for name in ("var", "_pdist_forward"))) == {"cuda"}


def test_what_is_nearest_comes_back() -> None:
    with FakeTensorMode():
        found = nearest(torch.randn(COUNT, WIDTH), torch.randn(COUNT, WIDTH), k=3, device=GPU)
    assert [(part.device.type, part.shape) for part in found] == [("cpu", (COUNT, 3))] * 2
