"""Work that the main process does alone while the others wait, not in a collective but at the store."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import cast

import torch.distributed as dist
from accelerate import Accelerator
from torch.distributed.distributed_c10d import _get_default_store

from cgan_dist.distributed.collectives import Made, from_main
from cgan_dist.errors import PassingError, UserError

ALONE_HOURS = 24
"""How long the main process may work alone while the others wait; of a metric that never ends, they are told so."""

HEARING_SECONDS = 5.0
"""How long a main process that fails stays for the others to hear of it, for its store is gone with it."""

_times_alone = itertools.count()
"""Numbers these times alike on every rank, because all of them come to the same ones."""


def on_main(accelerator: Accelerator, make: Callable[[], Made]) -> Made:
    """Makes a small value on the main process and returns it on every rank; every rank must call it.

    It may take hours. The others ask the store now and then whether it is done, so that no collective is begun, whose
    time would run out. The store ends with the main process or with the launcher that watches it.

    Raises:
        UserError: on every rank, if the main process raised it, and on the others, if it raised anything else, is gone
            or works for more than ALONE_HOURS; so none waits for a process that has given up.
    """
    if accelerator.num_processes == 1:
        return make()
    key = f"cgan_dist alone {next(_times_alone)}"
    made: object = None
    if accelerator.is_main_process:
        made = _made_alone(make, key, accelerator.num_processes - 1)
    else:
        _wait_for_main(key)
    made = from_main(made)
    if isinstance(made, UserError):
        raise made
    return cast(Made, made)


def _made_alone(make: Callable[[], object], key: str, others: int) -> object:
    """The value or a UserError, once it is written below `key` that there is one, or what was raised instead."""
    store = _get_default_store()
    try:
        made = make()
    except UserError as error:
        made = UserError(str(error))
    except BaseException as error:
        store.set(key, f"{type(error).__name__}: {error}")
        _until_heard(key, others)
        raise
    store.set(key, "")
    return made


def _until_heard(key: str, others: int) -> None:
    store, until = _get_default_store(), time.monotonic() + HEARING_SECONDS
    while store.add(_heard(key), 0) < others and time.monotonic() < until:
        time.sleep(0.01)


def _heard(key: str) -> str:
    return f"{key} heard"


def _wait_for_main(key: str) -> None:
    store, pause_seconds, until = _get_default_store(), 0.001, time.monotonic() + 3600 * ALONE_HOURS
    try:
        while not store.check([key]):
            if time.monotonic() > until:
                raise UserError(f"Rank 0 has worked alone for {ALONE_HOURS} hours. Suspect a metric that never ends.")
            time.sleep(pause_seconds)
            pause_seconds = min(1.2 * pause_seconds, 1.0)
        failure = store.get(key).decode()
        store.add(_heard(key), 1)
    except dist.DistError as error:
        raise PassingError("Rank 0 is gone; the launcher, or what it printed, says why.") from error
    if failure:
        raise UserError(f"Rank 0 failed: {failure}")
