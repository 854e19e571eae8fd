"""Standard streams whose readers leave; each in a process of its own, for it is its own streams that are changed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.launching import ROOT, environment

BEGIN = "import os, sys\nfrom cgan_dist.commands.streams import outlive_readers\noutlive_readers()\n"


def shell(code: str, redirections: str, *args: str) -> subprocess.CompletedProcess[str]:
    line = ["sh", "-c", f'exec "$@" {redirections}', "sh", sys.executable, "-c", BEGIN + code, *args]
    return subprocess.run(line, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=900, check=False)


def test_a_reader_that_stays_reads_everything_in_order() -> None:
    done = shell("print('one'); os.system('echo two'); print('three: ö'); print('warned', file=sys.stderr)", "")
    assert done.returncode == 0
    assert sorted(done.stdout.split("\n")) == ["", "one", "three: ö", "two"]
    assert done.stderr == "warned\n"


def test_after_a_reader_has_left_nothing_fails_for_children_and_c_libraries_too() -> None:
    code = (
        "for _ in range(3): print('x' * 100_000, flush=True)\n"
        "assert os.readlink('/proc/self/fd/1') == os.devnull\n"
        "assert os.system('echo from a child') == 0\n"
        "print('done', file=sys.stderr)"
    )
    done = shell(code, "| true")
    assert done.stderr == "done\n"


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_no_file_gets_the_number_of_a_stream_that_was_closed(closed: str, tmp_path: Path) -> None:
    code = (
        "file = open(sys.argv[1], 'w')\n"
        "print('lost'); print('lost', file=sys.stderr); os.write(2, b'lost'); sys.stdin.read(0)\n"
        "file.write(str(file.fileno() > 2))"
    )
    done = shell(code, closed, str(tmp_path / "data"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data").read_text() == "True"


def test_a_full_disk_drops_what_it_cannot_take_and_no_more(tmp_path: Path) -> None:
    code = (
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))\n"
        "print('x' * 1998, flush=True); print('y' * 1000, flush=True)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))\n"
        "print('room again')"
    )
    assert shell(code, f"> {tmp_path / 'out'}").returncode == 0
    first, *rest = (tmp_path / "out").read_text().split("\n")
    assert first == "x" * 1998
    assert rest[-2].endswith("room again")


def test_a_terminal_that_would_block_blocks_nothing() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    line = [sys.executable, "-c", BEGIN + "for _ in range(100): print('x' * 10_000, flush=True)"]
    done = subprocess.run(line, cwd=ROOT, env=environment(), stdout=writer, stderr=subprocess.PIPE, timeout=900)
    os.close(reader)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")
