"""What a saved config may have run and opened: of a stranger's nothing that the person at the keyboard did not allow.

Whoever types a config, with `--config` or as options, has allowed what it names. A saved one is followed where this
user trained the run (`runs.own_runs`), or says `--trust-code`.
"""

from __future__ import annotations

from collections.abc import Sequence

from cgan_dist.assembly.contents import config_of
from cgan_dist.checkpoints.store import Checkpoint
from cgan_dist.config.document import Config
from cgan_dist.config.named_code import named_code, opened
from cgan_dist.errors import UserError
from cgan_dist.runs.own_runs import recognize

GENERATOR = ("conditioning.labels", "conditioning.generator", "generator.")
CONDITIONING = ("conditioning.",)
LABELS = ("conditioning.labels",)
"""Key paths of what is built of a saved config, by what it is built for."""
NAMES_SHOWN, LENGTH_SHOWN = 50, 200
"""Of what may be made to be endless."""


def trusted_config(
    checkpoint: Checkpoint, parts: Sequence[str], trust_code: bool, typed: Config | None = None
) -> Config:
    """Reads the config in a checkpoint, for building some parts of it.

    Args:
        checkpoint: of any run.
        parts: key paths of what is going to be built, or their beginnings.
        trust_code: the person at the keyboard allows whatever it names.
        typed: a config of this person's own; what it names too is allowed.

    Raises:
        UserError: naming all code that would be imported and that nobody has allowed; none has been imported.
    """
    config = config_of(checkpoint)
    if trust_code:
        recognize(config)  # one's own is found where it was, too
    else:
        check_code(config, str(checkpoint.folder), parts, typed)
    return config


def check_code(config: Config, source: str, parts: Sequence[str], typed: Config | None = None) -> None:
    """Refuses code that a saved config names; the arguments are those of `trusted_config`, `source` is for the error.

    Raises:
        UserError: naming it.
    """
    allowed = list(named_code(typed).values()) if typed is not None else []
    found = {
        where: part.name
        for where, part in named_code(config).items()
        if where.startswith(tuple(parts)) and part not in allowed
    }
    if found and not recognize(config):
        raise UserError(
            f"{source}: its config names code that is no part of cgan_dist, and it is not known as your own:\n"
            + "".join(f"  {where}: {name[:LENGTH_SHOWN]!r}\n" for where, name in list(found.items())[:NAMES_SHOWN])
            + f"  and {len(found) - NAMES_SHOWN} more\n" * (len(found) > NAMES_SHOWN)
            + "Code can do whatever you can. If you trust whoever wrote it and the config, add --trust-code, in Python "
            "trust_code=True; the modules must be on PYTHONPATH or below the folder that you start from."
        )


def check_opened(config: Config, source: str, where: str, option: str, trust_code: bool) -> None:
    """Refuses a file or an address that a saved config names and that would be opened.

    Args:
        config: as it was saved.
        source: for the error.
        where: key path of what would be opened, one of `config.named_code.opened`.
        option: by which a person names another one.
        trust_code: the person at the keyboard allows whatever it names.

    Raises:
        UserError: naming it.
    """
    named = opened(config).get(where)
    if named is not None and not trust_code and not recognize(config):
        raise UserError(
            f"{source}: {where}: its config names {named[:LENGTH_SHOWN]!r}, outside of the run, and it is not known as "
            f"your own; nothing was opened. Say with {option} what is to be opened. If you trust whoever wrote that "
            "config, add --trust-code."
        )
