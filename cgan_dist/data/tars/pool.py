"""The same work on many tars, in several processes where that is worth their start."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from tqdm import tqdm

from cgan_dist.data.workers import apart_from_working_folder, end_with_parent
from cgan_dist.distributed.cores import usable_cores
from cgan_dist.errors import UserError

WORTH_BYTES = 1 << 28
"""What one process reads while others would still be starting."""
Task = TypeVar("Task")
Result = TypeVar("Result")


def for_each_tar(
    work: Callable[[Task], Result], tasks: Sequence[Task], size_bytes: int, what: str, processes: int | None = None
) -> Iterator[Result]:
    """Yields the work on each task, in order.

    Args:
        work: picklable.
        tasks: what each tar needs; picklable.
        size_bytes: of all tars.
        what: is done, for the progress bar.
        processes: null takes one per core that this process may use, and one where the tars are small together.

    Raises:
        UserError: what `work` raises, or if a process ended without a word.
    """
    processes = processes or (1 if size_bytes < WORTH_BYTES else usable_cores())
    results = _results(work, tasks, min(processes, len(tasks)))
    yield from tqdm(results, total=len(tasks), desc=what, unit="tar", disable=len(tasks) == 1)


def _results(work: Callable[[Task], Result], tasks: Sequence[Task], processes: int) -> Iterator[Result]:
    if processes == 1:
        yield from map(work, tasks)
        return
    context = multiprocessing.get_context("spawn")
    with apart_from_working_folder(), ProcessPoolExecutor(processes, context, end_with_parent) as pool:
        try:
            yield from pool.map(work, tasks)
        except BrokenProcessPool as error:
            raise UserError(
                "--processes: a process ended without a word, probably for want of memory; give fewer."
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
