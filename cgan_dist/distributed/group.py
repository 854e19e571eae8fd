"""The Accelerator and its process group, from the first rank that joins to the last that leaves."""

from __future__ import annotations

import contextlib
import gc
import os
import warnings
from collections.abc import Iterator
from datetime import timedelta

import torch
import torch.distributed as dist
from accelerate import Accelerator, DistributedDataParallelKwargs, InitProcessGroupKwargs
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from cgan_dist.distributed.launch import _only_cpu, launched_world_size, local_device
from cgan_dist.errors import UserError

TIMEOUT_MINUTES = 30


def build_accelerator(precision: str, tf32: bool = True, deterministic: bool = False) -> Accelerator:
    """Joins the process group, if there is one, and picks the device.

    Every rank must call it, once. Buffers are not broadcast in forward passes: they start equal, because every rank
    builds the same networks, and `averaged_buffers` brings batch statistics together where they are used.

    Args:
        precision: `no`, `fp16` or `bf16`, from `resolve_precision`.
        tf32: let GPUs multiply float32 with ten bits of mantissa.
        deterministic: let GPUs take only algorithms that give the same bits every time.
    """
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = not deterministic  # image sizes never change
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when a GPU is first touched
        torch.backends.cudnn.deterministic = True
        torch.use_deterministic_algorithms(True)
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
    backend = _backend()
    timeout = timedelta(minutes=TIMEOUT_MINUTES)
    store, rank, world_size = next(rendezvous("env://", timeout=timeout))
    dist.init_process_group(
        backend,
        store=PrefixStore(f"attempt {attempt}", store),
        rank=rank,
        world_size=world_size,
        timeout=timeout,
    )


def _backend() -> str:
    """The backend that Accelerate takes for the device in use.

    Raises:
        UserError: if this PyTorch has none for it.
    """
    kind = "cpu" if _only_cpu() else local_device().type
    backend = dist.Backend.default_device_backend_map.get(kind)
    if backend is None or not dist.is_backend_available(backend):
        missing = f"no {backend}" if backend else "nothing"
        raise UserError(
            f"--max_restarts: found a restart on {kind}, and this PyTorch has {missing} to join its processes with; "
            "expected cuda, xpu or cpu. Leave --max_restarts out and start the run again."
        )
    return backend


def leave_group(accelerator: Accelerator) -> None:
    """Ends the process group, when the caller holds no network any more; every rank must call it, once.

    A network in DDP holds the group. If it is still there when Python ends, the group's threads are destroyed while
    they run, and one exit in twenty aborts ("terminate called without an active exception").
    """
    accelerator.wait_for_everyone()  # nobody leaves while another still talks
    accelerator.free_memory()
    gc.collect()
    accelerator.end_training()


def synchronize(accelerator: Accelerator) -> None:
    """Waits for queued work on a GPU, so that a clock read next is the work's and not the queue's."""
    if accelerator.device.type != "cpu":
        torch.accelerator.synchronize()


@contextlib.contextmanager
def without_tf32() -> Iterator[None]:
    """Within, GPUs multiply float32 with all of its mantissa, whatever `build_accelerator` was told."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False  # cudnn.flags would set all else to its own defaults, and cuDNN off
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
