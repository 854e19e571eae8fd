"""Processes: what the launcher says before a process group exists, the Accelerator, and the few collectives we use.

No other file knows about ranks' communication. Networks are called through their DDP wrapper only while they are
trained; the other network is raw and frozen, so a D step reduces D's gradients and nothing else.
"""

from __future__ import annotations

import contextlib
import gc
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TypeVar, cast

import torch
import torch.distributed as dist
import torch.nn.functional as F
from accelerate import Accelerator, DistributedDataParallelKwargs, InitProcessGroupKwargs
from accelerate.utils import broadcast_object_list, gather_object
from torch import Tensor, nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from cgan_dist.errors import UserError
from cgan_dist.state_buffers import state_buffers

TIMEOUT_MINUTES = 30
Made = TypeVar("Made")


def launched_rank() -> int:
    """The rank that the launcher gave this process, known before any process group exists."""
    return int(os.environ.get("RANK", "0"))


def launched_world_size() -> int:
    """The number of processes that the launcher started."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def check_launched() -> None:
    """Checks that the launcher started as many processes as the job script asked for, in CGAN_DIST_PROCESSES.

    Raises:
        UserError: if not. Some launchers then train alone, many times over, without a word.
    """
    expected = os.environ.get("CGAN_DIST_PROCESSES")
    if expected is not None and expected != str(launched_world_size()):
        raise UserError(
            f"CGAN_DIST_PROCESSES: the job asked for {expected} processes, but this one was started as one of "
            f"{launched_world_size()}. On CPUs, accelerate launch starts several with --multi_gpu and "
            "ACCELERATE_USE_CPU=true; on several machines also with --num_machines and --machine_rank."
        )


def has_gpu() -> bool:
    """Whether a CUDA GPU is there and not forbidden by ACCELERATE_USE_CPU."""
    return torch.cuda.is_available() and os.environ.get("ACCELERATE_USE_CPU", "").lower() not in ("1", "true", "yes")


def resolve_precision(precision: str) -> str:
    """Turns `auto` into `bf16` on a GPU that has it, else `no`, and refuses what this machine cannot do.

    Raises:
        UserError: for fp16 without a GPU, where Accelerate would silently run float32.
    """
    if precision == "fp16" and not has_gpu():
        raise UserError("train.precision: fp16 needs a GPU, and none is in use; expected auto, no or bf16.")
    if precision != "auto":
        return precision
    return "bf16" if has_gpu() and torch.cuda.is_bf16_supported(including_emulation=False) else "no"


def build_accelerator(precision: str, tf32: bool = True) -> Accelerator:
    """Joins the process group, if there is one, and picks the device.

    Every rank must call it, once. Buffers are not broadcast in forward passes: they start equal, because every rank
    builds the same networks, and `averaged_buffers` brings batch statistics together where they are used.

    Args:
        precision: `no`, `fp16` or `bf16`, from `resolve_precision`.
        tf32: let GPUs multiply float32 with ten bits of mantissa.
    """
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True  # image sizes never change
    # Its successor, forward_sync_buffers, is not among the arguments that Accelerate passes on (1.15).
    warnings.filterwarnings("ignore", message=".*broadcast_buffers. is deprecated", category=FutureWarning)
    # A kernel of one channel has the same order in memory in both layouts; copying its few gradients costs nothing.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides", category=UserWarning)
    _rejoin_after_restart()
    accelerator = Accelerator(
        mixed_precision=precision,
        cpu=not torch.accelerator.is_available(),
        kwargs_handlers=[
            DistributedDataParallelKwargs(broadcast_buffers=False, gradient_as_bucket_view=True),
            InitProcessGroupKwargs(timeout=timedelta(minutes=TIMEOUT_MINUTES)),
        ],
    )
    accelerator.scaler = None  # of fp16, shared by all networks; each NetworkOptimizer has one of its own instead
    return accelerator


def _rejoin_after_restart() -> None:
    """Joins the group under keys of its own when a launcher with `--max_restarts` has started the processes again.

    With the static rendezvous, accelerate's default, the store is the one of the first start, and torch (2.14) reads
    the addresses of dead processes from it: one restart in three hangs.
    """
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    if attempt == "0" or launched_world_size() == 1 or dist.is_initialized():
        return
    timeout = timedelta(minutes=TIMEOUT_MINUTES)
    store, rank, world_size = next(rendezvous("env://", timeout=timeout))
    dist.init_process_group(
        "nccl" if has_gpu() else "gloo",
        store=PrefixStore(f"attempt {attempt}", store),
        rank=rank,
        world_size=world_size,
        timeout=timeout,
    )


def leave_group(accelerator: Accelerator) -> None:
    """Ends the process group, when the caller holds no network any more; every rank must call it, once.

    A network in DDP holds the group. If it is still there when Python ends, the group's threads are destroyed while
    they run, and one exit in twenty aborts ("terminate called without an active exception").
    """
    accelerator.wait_for_everyone()  # nobody leaves while another still talks
    accelerator.free_memory()
    gc.collect()
    accelerator.end_training()


@contextlib.contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Holds a network's parameters fixed: gradients pass through it to its input, none are computed for it."""
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in trainable:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)


@contextlib.contextmanager
def gradient_sync(accelerator: Accelerator, network: nn.Module, when: bool) -> Iterator[None]:
    """Reduces the network's gradients over ranks in this backward pass only `when` true (the last micro-batch)."""
    with contextlib.nullcontext() if when else accelerator.no_sync(network):
        yield


def leave_out_of_ddp(network: nn.Module, parameters: Iterable[nn.Parameter]) -> None:
    """Keeps DDP from reducing these; before the network is prepared. `reduce_rows` reduces them instead."""
    apart = {id(parameter) for parameter in parameters}
    names = [name for name, parameter in network.named_parameters() if id(parameter) in apart]
    nn.parallel.DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(network, names)


def reduce_rows(accelerator: Accelerator, tables: Iterable[nn.Parameter], at_most: int) -> None:
    """Averages sparse gradients over ranks, in place and in two gathers of the batch's rows each; every rank calls it.

    Args:
        accelerator: of this process.
        tables: with sparse gradients.
        at_most: different rows in one rank's gradient, the same number on every rank. Shorter ones are filled up with
            zeros for a row that is there, because all must gather the same size.
    """
    if accelerator.num_processes == 1:
        return
    for table in tables:
        assert table.grad is not None
        grad = table.grad.coalesce()
        missing = at_most - grad._nnz()
        own = torch.cat([grad.indices()[0], grad.indices()[0, :1].expand(missing)])
        index = cast(Tensor, accelerator.gather(own))
        rows = cast(Tensor, accelerator.gather(F.pad(grad.values(), (0, 0, 0, missing))))
        table.grad = torch.sparse_coo_tensor(
            index[None], rows / accelerator.num_processes, table.shape, check_invariants=False
        )


def synchronize(accelerator: Accelerator) -> None:
    """Waits for queued work on a GPU, so that a clock read next is the work's and not the queue's."""
    if accelerator.device.type != "cpu":
        torch.accelerator.synchronize()


def all_finite(networks: Iterable[nn.Module]) -> bool:
    """Whether every parameter is; the same on every rank, because parameters are."""
    norms = torch._foreach_norm([parameter.detach() for network in networks for parameter in network.parameters()])
    return bool(torch.stack(list(norms)).isfinite().all())


def greatest_over_ranks(accelerator: Accelerator, values: Tensor) -> list[float]:
    """The greatest of each of (n,) values over all ranks, in one collective; every rank must call it."""
    rows = cast(Tensor, accelerator.gather(values.to(accelerator.device, torch.float32)[None]))
    return rows.amax(0).tolist()


@contextlib.contextmanager
def averaged_buffers(accelerator: Accelerator, networks: Iterable[nn.Module]) -> Iterator[Tensor]:
    """Within, running batch statistics are their averages over ranks; afterwards each rank has its own again.

    Each rank's batch norm sees its own share of the batch. A mean over ranks commutes with the running average, so what
    is shown and saved is the same however often this is called, and training does not notice that it was.

    Yields:
        (R, n): every rank's own statistics, for `own_buffers`. Every rank must call it.
    """
    buffers = _floating_buffers(networks)
    own = torch.cat([buffer.flatten() for buffer in buffers]) if buffers else torch.empty(0, device=accelerator.device)
    if accelerator.num_processes == 1 or not buffers:
        yield own[None]
        return
    rows = cast(Tensor, accelerator.gather(own[None]))
    _fill(buffers, rows.mean(0))
    try:
        yield rows
    finally:
        _fill(buffers, own)


def own_buffers(accelerator: Accelerator, networks: Iterable[nn.Module], rows: Tensor) -> None:
    """Gives each rank its own statistics back, from (R, n) of as many ranks; of another number, averages stay."""
    if len(rows) == accelerator.num_processes > 1:
        _fill(_floating_buffers(networks), rows[accelerator.process_index].to(accelerator.device))


def _floating_buffers(networks: Iterable[nn.Module]) -> list[Tensor]:
    return [buffer for network in networks for buffer in state_buffers(network) if buffer.is_floating_point()]


def _fill(buffers: Sequence[Tensor], flat: Tensor) -> None:
    for buffer, values in zip(buffers, flat.split([b.numel() for b in buffers]), strict=True):
        buffer.copy_(values.view_as(buffer))


def differing_replicas(accelerator: Accelerator, networks: Mapping[str, nn.Module]) -> list[str]:
    """Names of networks whose parameters are not the same, bit for bit, on every rank; every rank must call it."""
    sums = [
        torch.stack([p.detach().contiguous().view(torch.int32).sum(dtype=torch.int64) for p in network.parameters()])
        for network in networks.values()
    ]
    rows = cast(Tensor, accelerator.gather(torch.cat(sums)[None]))
    same = (rows == rows[0]).all(0).split([len(part) for part in sums])
    return [name for name, part in zip(networks, same, strict=True) if not bool(part.all())]


@contextlib.contextmanager
def without_tf32() -> Iterator[None]:
    """Within, GPUs multiply float32 with all of its mantissa, whatever `build_accelerator` was told."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.backends.cudnn.flags(benchmark=torch.backends.cudnn.benchmark, allow_tf32=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def gather_rows(accelerator: Accelerator, own: Tensor, size: int) -> Tensor:
    """Joins (n, ...) rows of every rank, n <= `size`, in the order of ranks; every rank must call it.

    Only the last ranks that have any may have fewer than `size`: what they lack are zeros at the end.

    Returns:
        (R * size, ...) on the CPU, the same on every rank; of a single process its (n, ...).
    """
    if accelerator.num_processes == 1:
        return own.cpu()
    filled = own.new_zeros(size, *own.shape[1:], device=accelerator.device)
    filled[: len(own)] = own
    return cast(Tensor, accelerator.gather(filled)).cpu()


def share_network(accelerator: Accelerator, network: nn.Module) -> None:
    """Gives every rank the main process's parameters and buffers of a network, in place; every rank must call it."""
    if accelerator.num_processes > 1:
        for tensor in network.state_dict().values():
            dist.broadcast(tensor, src=0)


def on_main(accelerator: Accelerator, make: Callable[[], Made]) -> Made:
    """Makes a small value on the main process and returns it on every rank; every rank must call it.

    Raises:
        UserError: on every rank, if the main process raised it; so none waits for a process that has given up.
    """
    made: object = None
    if accelerator.is_main_process:
        try:
            made = make()
        except UserError as error:
            made = error if accelerator.num_processes == 1 else UserError(str(error))
    made = from_main(made)
    if isinstance(made, UserError):
        raise made
    return cast(Made, made)


def from_main(value: object) -> object:
    """Returns the main process's value on every rank; every rank must call it."""
    return broadcast_object_list([value])[0]


def from_all(value: Made) -> list[Made]:
    """Returns every rank's value on every rank, in the order of the ranks; every rank must call it."""
    return cast(list[Made], gather_object([value]))


def local_device() -> torch.device:
    """The device of a single process: the accelerator if there is one, else the CPU."""
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
