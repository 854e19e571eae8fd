"""What the launcher and the machine say before a process group exists."""

from __future__ import annotations

import os

import torch

from cgan_dist.errors import UserError


def launched_rank() -> int:
    """The rank that the launcher gave this process, known before any process group exists."""
    return int(os.environ.get("RANK", "0"))


def launched_world_size() -> int:
    """The number of processes that the launcher started."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def launched_local_world_size() -> int:
    """The number of processes that the launcher started on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


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
    return torch.cuda.is_available() and not _only_cpu()


def _only_cpu() -> bool:
    return os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes")


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


SLOW_BF16 = "this CPU has no AVX-512, and bf16 without it is about fifty times slower than float32"
"""Where `computes_slowly`, for a person."""


def computes_slowly(precision: str) -> bool:
    """Whether what would train here has to do its arithmetic in software: bf16 on a CPU without AVX-512.

    Such CPUs multiply bfloat16 at 2 to 3 GFLOP/s, about a fiftieth of what they do in float32.
    """
    if precision != "bf16" or torch.accelerator.is_available() and not _only_cpu():
        return False
    # PyTorch has no public word for what oneDNN will do.
    return not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def local_device() -> torch.device:
    """The device of a single process: the accelerator if there is one, else the CPU."""
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
