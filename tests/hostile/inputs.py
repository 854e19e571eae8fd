"""Kinds of folders that people send each other, each damaged from a seed, and the commands that are given them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
import yaml
from PIL import Image
from safetensors.torch import load, save

from cgan_dist.checkpoints.writer import write_folder
from cgan_dist.files.described import HEADER
from cgan_dist.inversion.found_file import FoundFacts, FoundFile
from cgan_dist.inversion.inverter import Found
from tests.hostile.mutations import (
    PAYLOAD,
    YAML_BOMBS,
    bytes_mutated,
    hostile_tar,
    json_text,
    mutated,
    yaml_text,
)
from tests.launching import ROOT
from tests.unit.data.damage import trust

SOUND = ROOT / "tests" / "formats" / "0.1"
"""A set, a run over it, a model of the run."""
STEP = Path("runs/old/checkpoints/step-000000001600")
BESIDE = ("metrics.jsonl", "log.txt", "alerts.jsonl", "checkpoints/latest")


class Kind(NamedTuple):
    """What is damaged in a copy of SOUND, and which commands look at it then."""

    damage: Callable[[Path, random.Random], None]
    commands: tuple[tuple[str, ...], ...]


def _config(folder: Path, chance: random.Random) -> None:
    _document(folder / "config.yaml", chance, yaml.safe_load, yaml_text, YAML_BOMBS)


def _manifest(folder: Path, chance: random.Random) -> None:
    _document(folder / "shards" / "manifest.json", chance, json.loads, json_text)


def _tar(folder: Path, chance: random.Random) -> None:
    path = folder / "shards" / "shard-00001.tar"
    content = path.read_bytes()
    path.write_bytes(hostile_tar(chance, content) if chance.random() < 0.5 else bytes_mutated(content, chance))
    if chance.random() < 0.7:
        trust(folder / "shards", path.name)


def _pictures(folder: Path, chance: random.Random) -> None:
    path = folder / "tars" / "0.tar"
    content = path.read_bytes()
    path.write_bytes(hostile_tar(chance, content) if chance.random() < 0.5 else bytes_mutated(content, chance))


def _table(folder: Path, chance: random.Random) -> None:
    tars = folder / "tars"
    chosen = chance.choice(sorted(tars.glob("*.png"))) if chance.random() < 0.4 else tars / "labels.csv"
    content = chosen.read_bytes()
    if chance.random() < 0.4:
        chosen.write_bytes(bytes_mutated(content, chance))
    else:
        rows = mutated([line.split(",") for line in (tars / "labels.csv").read_text().splitlines()], chance)
        lines = [",".join(map(str, row)) if isinstance(row, list) else str(row) for row in _rows(rows)]
        (tars / "labels.csv").write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))


def _place(folder: Path, chance: random.Random) -> None:
    """Puts something in a file's place that is none, or one without an end."""
    files = [path for part in ("shards", "model", "runs", "tars") for path in (folder / part).rglob("*")]
    path = chance.choice(sorted(path for path in files if path.is_file() and path.suffix != ".py"))
    path.unlink()
    match chance.randrange(6):
        case 0:
            os.mkfifo(path)
        case 1:
            path.symlink_to("/dev/zero")
        case 2:
            path.symlink_to("/etc/passwd")
        case 3:
            path.mkdir()
        case 4:
            path.symlink_to(path)
        case _:
            path.touch()
            os.truncate(path, 1 << 40)


def _rows(rows: Any) -> list[Any]:
    return rows if isinstance(rows, list) else [rows]


def _write_pictures(folder: Path) -> None:
    """A table of pictures, and a tar of the same."""
    folder.mkdir()
    lines = ["path,kind"]
    with tarfile.open(folder / "0.tar", "w") as tar:
        for number in range(8):
            picture = io.BytesIO()
            Image.new("RGB", (9, 8), (30 * number, 90, 0)).save(picture, "PNG")
            (folder / f"{number}.png").write_bytes(picture.getvalue())
            lines.append(f"{number}.png,{('ant', 'bee')[number % 2]}")
            for suffix, content in (("png", picture.getvalue()), ("cls", b"%d" % (number % 2))):
                member = tarfile.TarInfo(f"{number:04d}.{suffix}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    (folder / "labels.csv").write_text("\n".join(lines))


def _run(folder: Path, chance: random.Random) -> None:
    match chance.randrange(8):
        case 0:
            _document(folder / "runs/old/config.yaml", chance, yaml.safe_load, yaml_text, YAML_BOMBS)
        case 1:
            _document(folder / STEP / "files.json", chance, json.loads, json_text)
        case 2:
            path = (
                folder / "runs/old" / chance.choice(("metrics.jsonl", "log.txt", "alerts.jsonl", "checkpoints/latest"))
            )
            path.write_bytes(bytes_mutated(path.read_bytes(), chance))
        case _:
            _checkpoint(folder / STEP, chance)


def _checkpoint(step: Path, chance: random.Random) -> None:
    """Changes its content, and the hashes too."""
    contents = {path.name: path.read_bytes() for path in sorted(step.iterdir()) if path.name != "files.json"}
    name = chance.choice(("state.json", "state.json", "state.json", *contents))
    if name == "state.json":
        contents[name] = json_text(mutated(json.loads(contents[name]), chance))
    else:
        contents[name] = (
            _weights(contents[name], chance) if name.endswith("s") else bytes_mutated(contents[name], chance)
        )
    write_folder(contents.items(), step)


def _model(folder: Path, chance: random.Random) -> None:
    if chance.random() < 0.6:
        _document(folder / "model" / "config.json", chance, json.loads, json_text)
    else:
        path = folder / "model" / "model.safetensors"
        path.write_bytes(_weights(path.read_bytes(), chance))


def _weights(content: bytes, chance: random.Random) -> bytes:
    """Of safetensors: the header, which says where each tensor lies, or any bytes."""
    length = int.from_bytes(content[:8], "little")
    if chance.random() < 0.3 or length > len(content):
        return bytes_mutated(content, chance)
    header = json_text(mutated(json.loads(content[8 : 8 + length]), chance))
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def _found(folder: Path, chance: random.Random) -> None:
    """The facts in the header, or anything else of the file."""
    path = folder / "found.safetensors"
    content = path.read_bytes()
    if chance.random() < 0.5:
        path.write_bytes(_weights(content, chance))
        return
    tensors = load(content)
    facts = json_text(mutated(json.loads(_found_facts(folder).model_dump_json()), chance)).decode("utf-8", "replace")
    if chance.random() < 0.4:
        name = chance.choice(sorted(tensors))
        strange = (tensors[name] * -3, tensors[name].double() * float("nan"), tensors[name][:1], torch.ones(2, 2))
        tensors[name] = chance.choice(strange).contiguous()
    path.write_bytes(save(tensors, metadata={HEADER: facts}))


def _found_facts(folder: Path) -> FoundFacts:
    state = json.loads((SOUND / STEP / "state.json").read_text())
    return FoundFacts(
        names=["0.png", "1.png"],
        checkpoint=str(folder / STEP),
        checkpoint_sha256=hashlib.sha256((SOUND / STEP / "files.json").read_bytes()).hexdigest(),
        images_seen=1600,
        latent="uniform",
        latent_dim=8,
        label_schema=state["data"]["labels"],
        settings={"steps": 10},
        made_with={"device": "cpu"},
    )


def _write_found(folder: Path) -> None:
    numbers, labels = torch.ones(2), torch.tensor([0, 1])
    found = Found(
        z=torch.linspace(-1, 1, 16).view(2, 8),
        labels=labels,
        pixels=numbers,
        features=numbers,
        distance=numbers,
        random=numbers,
        next_labels=labels,
        next_distance=numbers,
        curve=numbers[:, None],
    )
    FoundFile(_found_facts(folder), torch.zeros(2, 1, 8, 8, dtype=torch.uint8), found).write(
        folder / "found.safetensors"
    )


def _document(
    path: Path,
    chance: random.Random,
    load: Callable[[bytes], Any],
    dump: Callable[[Any], bytes],
    others: tuple[bytes, ...] = (),
) -> None:
    content = path.read_bytes()
    if others and chance.random() < 0.15:
        path.write_bytes(chance.choice(others))
    elif chance.random() < 0.2:
        path.write_bytes(bytes_mutated(content, chance))
    else:
        path.write_bytes(dump(mutated(load(content), chance)))


CHECK = ("check", "--config", "config.yaml", "--no-measure")
INTO = ("--size", "8", "--out", "made", "--processes", "1")
PREPARE_TARS = ("prepare", "webdataset", "--source", "tars", *INTO)
PREPARE_TABLE = (
    "prepare",
    "csv",
    "--source",
    "tars",
    "--option",
    "label=kind",
    *INTO[:2],
    "--out",
    "listed",
    *INTO[4:],
)
ADOPT = ("adopt", "tars", "--out", "adopted", "--processes", "1")
PUSH = ("push", "model", "--to", "somebody/something", "--dry-run")
LOAD = ("load", "model")
INFO, STATUS = ("resume-info", "runs/old"), ("status", "runs/old")
INSPECT, VERIFY = ("inspect", "shards"), ("verify", "shards")
SAMPLE = ("sample", "runs/old", "--out", "a.png")
SAMPLE_FOUND = ("sample", "runs/old", "--z", "found.safetensors", "--out", "found.png")
EDIT = ("edit", "found.safetensors", "--labels", "0,2", "--run", "runs/old", "--out", "edited.png")
EDIT_THERE = ("edit", "found.safetensors", "--set", "flat", "--out", "edited.png")
KINDS = {
    "config": Kind(_config, (CHECK,)),
    "manifest": Kind(_manifest, (INSPECT, VERIFY, CHECK)),
    "tar": Kind(_tar, (VERIFY, INSPECT)),
    "pictures": Kind(_pictures, (PREPARE_TARS, ADOPT)),
    "table": Kind(_table, (PREPARE_TABLE,)),
    "run": Kind(_run, (SAMPLE, INFO, STATUS)),
    "found": Kind(_found, (SAMPLE_FOUND, EDIT, EDIT_THERE)),
    "model": Kind(_model, (LOAD, PUSH)),
    "place": Kind(_place, (LOAD, PUSH, SAMPLE, INFO, STATUS, INSPECT, VERIFY, CHECK, PREPARE_TARS, PREPARE_TABLE)),
}


def write_sound(folder: Path) -> None:
    """Writes everything of which one thing is damaged then."""
    shutil.copytree(SOUND, folder)
    _write_pictures(folder / "tars")
    _write_found(folder)


def make(kind: str, number: int, folder: Path) -> list[tuple[str, ...]]:
    """Writes one input into a new folder, and returns the commands to give there."""
    write_sound(folder)
    code = "open('ESCAPED', 'w').close()\ndef go(*_, **__):\n    open('ESCAPED', 'w').close()\n"
    for place in (folder, folder / "runs" / "old", folder / "model", folder / "shards"):
        (place / f"{PAYLOAD}.py").write_text(code)
    chosen = KINDS[kind]
    chosen.damage(folder, random.Random(f"{kind} {number}"))
    return list(chosen.commands)
