"""Run by one process or more: trains with each line of arguments of a file in turn, in one group.

training_script.py LINES
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from unittest import mock

from accelerate import Accelerator

from cgan_dist.commands.train import train
from cgan_dist.distributed import group


def main(lines: list[list[str]]) -> None:
    """Trains as typed; the group is left once, by all, at the end."""
    last: list[Accelerator] = []
    with mock.patch.object(group, "leave_group", last.append):
        for line in lines:
            train.main(line, standalone_mode=False)
    group.leave_group(last[-1])


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
