"""Where a command finds plug-ins: those that were typed or are trusted below the working folder too, no others."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from cgan_dist.commands.place import LocalPath
from cgan_dist.config.plugin_path import let_in

Value = TypeVar("Value")
Decorated = TypeVar("Decorated", bound=Callable[..., Any] | click.Command)


def leave_out_working_folder() -> None:
    """Takes the working folder off the front of the import path; a command's first act.

    Python puts it there for `python -m` and `python -c`, and for each empty or relative entry of PYTHONPATH, and then
    imports a `torch.py` that lies in it. Absolute entries stay: somebody has typed them.
    """
    here = os.getcwd()
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    typed = [os.path.normpath(path) for path in given if os.path.isabs(path)]
    libraries = sys.path.index(folder) if (folder := os.path.dirname(os.__file__)) in sys.path else 0
    front = [path for path in sys.path[:libraries] if path in typed or os.path.abspath(path) != here]
    sys.path[:libraries] = front
    package = str(Path(__file__).parents[2])
    if package not in sys.path:  # not installed, but started in its own folder; child processes look for it
        sys.path.append(package)


def naming_code(context: click.Context, parameter: click.Parameter, value: Value) -> Value:
    """Callback of an option that may name code: what was typed may lie below the working folder."""
    if value and (value is True or isinstance(value, Path) or ":" in str(value)):
        let_in(Path.cwd())
    return value


def naming(*names: str, **facts: Any) -> Callable[[Decorated], Decorated]:
    """An option that may name code."""
    return click.option(*names, callback=naming_code, **facts)


AUTOENCODER_OPTION = click.option(
    "--autoencoder",
    type=LocalPath(),
    help="Of a run on latents: folder of the autoencoder that decodes them. Default: that of the config of a run that "
    "you trained.",
)
TRUST_OPTION = naming(
    "--trust-code",
    is_flag=True,
    help="Run and open what the run's config names, whoever wrote it: plug-ins, addresses of data. Runs that you "
    "trained need no such word.",
)
