"""What is endless or enormous, by the commands that a user types: each a sentence, within 2 GB and without waiting."""

from __future__ import annotations

import gzip
import io
import json
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cgan_dist.bounds import MANIFEST_BYTES
from cgan_dist.data.manifest import File, Manifest, Shard, Tar
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.storage import Storage
from tests.launching import ROOT, environment

MOST_BYTES = 2 << 30
SECONDS = 10
"""Of the process's own time; what waits for ever is ended by the test's limit."""
SCRIPT = """
import json, sys, time
from pathlib import Path
from click.testing import CliRunner
from cgan_dist.cli import main
CliRunner().invoke(main, ["check", "--config", "nowhere.yaml"])  # so that imports are not counted as the first's time
for line in sys.stdin:
    args, began = json.loads(line), time.process_time()
    done = CliRunner().invoke(main, args)
    seconds, status = time.process_time() - began, Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024  # ru_maxrss would begin with that of pytest
    print(json.dumps([done.exit_code, done.output, seconds, peak, repr(done.exception)]), flush=True)
"""
Make = Callable[[Path], list[str]]


def prepared(source: str, *options: str) -> Callable[[Path], list[str]]:
    return lambda place: ["prepare", source, "--source", str(place), "--out", str(place / "out"), *options]


def fifo(name: str, command: Make) -> Make:
    def make(place: Path) -> list[str]:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(place / name)
        return command(place)

    return make


def written(name: str, content: bytes, command: Make, holes_to_bytes: int = 0) -> Make:
    def make(place: Path) -> list[str]:
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.write(content)
            if holes_to_bytes:
                file.truncate(holes_to_bytes)
        return command(place)

    return make


def check(*overrides: str) -> Make:
    return lambda place: ["check", "--config", str(place / "config.yaml"), *overrides]


def png(side: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "PNG")
    whole = buffer.getvalue()
    header = whole[12:16] + struct.pack(">2I", side, side) + whole[24:29]
    return whole[:12] + header + struct.pack(">I", zlib.crc32(header)) + whole[33:]


def packed_zeros(megabytes: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file, file.open("images.npy", "w") as entry:
        np.lib.format.write_array_header_1_0(
            entry, {"descr": "|u1", "fortran_order": False, "shape": (megabytes << 20,)}
        )
        for _ in range(megabytes):
            entry.write(bytes(1 << 20))
    return buffer.getvalue()


ALIASES = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
IDX = gzip.compress(bytes([0, 0, 8, 3]) + struct.pack(">3I", 100_000, 200, 200) + bytes(1 << 24))
CASES: dict[str, Make] = {
    "a pipe as config": fifo("config.yaml", check()),
    "a device as config": lambda _: ["check", "--config", "/dev/zero"],
    "aliases": written("config.yaml", ALIASES.encode(), check()),
    "an alias of itself": written("config.yaml", b"run: &r {dir: *r}", check()),
    "a long config": written("config.yaml", b"a: b\n" * 50_000, check()),
    "holes as config": written("config.yaml", b"", check(), 1 << 40),
    "a pipe as manifest": fifo("manifest.json", lambda place: ["verify", str(place)]),
    "zeros as manifest": written("manifest.json", b"", lambda place: ["verify", str(place)], 1 << 29),
    "a pipe as list": fifo("labels.csv", prepared("csv")),
    "a line without an end": written("labels.csv", b"path,label\n", prepared("csv"), 1 << 29),
    "a table without an end": written("labels.json", b"[" + b"{}," * (12 << 20), prepared("json")),
    "nothing but objects": written("labels.json", b"[" + b"{}," * (10 << 20) + b"{}]", prepared("json")),
    "holes as arrays": written("data.npz", b"", prepared("npz"), 1 << 36),
    "an npz bomb": written("data.npz", packed_zeros(256), prepared("npz")),
    "a gzip bomb": written("a.gz", IDX, prepared("idx", "--option", "images=a.gz", "--option", "labels=a.gz")),
    "a picture of 60,000 pixels a side": written("a/1.png", png(60_000), prepared("folder", "--shards", "1")),
    "a picture of 12,000 pixels a side": written("a/1.png", png(12_000), prepared("folder", "--shards", "1")),
    "a pipe as tar": fifo("a.tar", lambda place: ["adopt", str(place)]),
    "holes as tar": written("a.tar", b"", lambda place: ["adopt", str(place)], 1 << 40),
    "a grid of 60,000 pixels a side": written(
        "samples/fixed_z-000000000064.png", png(60_000), lambda place: ["film", str(place), "--out", f"{place}/a.gif"]
    ),
    "a pipe as a run's config": fifo("config.yaml", lambda place: ["status", str(place)]),
    "a pipe as a checkpoint's list": fifo(
        "step-000000000064/files.json", lambda place: ["sample", str(place / "step-000000000064"), "--out", "a.png"]
    ),
}


@pytest.mark.timeout(1000)
def test_each_is_a_sentence(tmp_path: Path) -> None:
    """In one process, so that what one of them takes shows in the peak of all."""
    lines = {}
    for number, (name, make) in enumerate(CASES.items()):
        (tmp_path / str(number)).mkdir()
        lines[name] = json.dumps(make(tmp_path / str(number)))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input="\n".join(lines.values()),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(),
        timeout=900,
        check=False,
    )
    answers = dict(zip(CASES, map(json.loads, done.stdout.splitlines()), strict=True))
    for name, (code, output, seconds, peak, error) in answers.items():
        assert code == 2, (name, output[-2000:], error)
        assert "Traceback" not in output, name
        assert len(output) < 4000, name
        assert peak < MOST_BYTES, (name, peak)
        assert seconds < SECONDS, (name, seconds)


def test_a_manifest_of_a_hundred_thousand_shards_is_none_of_them(shards_folder: Path) -> None:
    """Of indexed shards, or of adopted ones with as many tars: what stands in a manifest for each."""
    digest, most = "0" * 64, 10**9
    index = File(name="shard-00000.index.npy", bytes=most, sha256=digest)
    shard = Shard(name="shard-000000.tar", bytes=most, sha256=digest, count=10**6, index=index)
    tar = Tar(name="folder/of/some/length/tar-000000.tar", bytes=most, sha256=digest)
    whole: Manifest = ShardSet(Storage(shards_folder)).manifest
    without = len(whole.model_copy(update={"shards": []}).to_json())
    for update in ({"shards": [shard]}, {"shards": [shard.model_copy(update={"index": None})], "tars": [tar]}):
        each = len(whole.model_copy(update={"shards": []} | update).to_json()) - without
        assert 100_000 * each < MANIFEST_BYTES.limit
