from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cgan_dist.training.parcel import ALIGNMENT_BYTES, Parcel


def contents() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(5, 7, generator=generator),
        torch.rand(3, generator=generator),
        torch.rand(4, 2, generator=generator) < 0.5,
        torch.empty(4, 0),
        torch.randn(6, 3, generator=generator).double(),
        torch.randn(6, 3, generator=generator).T,
        torch.arange(9)[2:5],
        torch.tensor(2.5),
    ]


def test_every_tensor_arrives_as_it_was() -> None:
    for arrived, sent in zip(Parcel(contents()).to(torch.device("cpu")), contents(), strict=True):
        assert arrived.dtype == sent.dtype
        assert torch.equal(arrived, sent)
        assert arrived.is_contiguous()


def test_all_lie_in_one_piece_each_well_aligned() -> None:
    arrived = [tensor for tensor in Parcel(contents()).to(torch.device("cpu")) if tensor.numel()]
    first = arrived[0].data_ptr()
    assert len({tensor.untyped_storage().data_ptr() for tensor in arrived}) == 1
    assert all((tensor.data_ptr() - first) % ALIGNMENT_BYTES == 0 for tensor in arrived)


def test_what_is_sent_is_what_was_packed() -> None:
    tensor = torch.zeros(3)
    parcel = Parcel([tensor])
    tensor.add_(1)
    assert parcel.to(torch.device("cpu"))[0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("pin_memory", [False, True])
def test_memory_is_pinned_where_asked(monkeypatch: pytest.MonkeyPatch, pin_memory: bool) -> None:
    asked, real = [], torch.empty

    def empty(*args: int, pin_memory: bool, dtype: torch.dtype) -> Tensor:
        asked.append(pin_memory)
        return real(*args, dtype=dtype)

    monkeypatch.setattr("cgan_dist.training.parcel.torch.empty", empty)
    Parcel([torch.zeros(3)], pin_memory)
    assert asked == [pin_memory]
