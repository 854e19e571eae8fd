"""Seeded damage to what a person may be sent: values, texts and bytes, and files of them whose hashes are right."""

from __future__ import annotations

import copy
import io
import json
import random
import tarfile
from collections.abc import Callable
from typing import Any

import yaml

PAYLOAD = "stranger_payload"
"""Name of a module that lies in the folder, and that no input may get imported."""
HOSTILE: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1,
    2**31,
    10**18,
    10**400,
    0.5,
    -1e308,
    float("nan"),
    float("inf"),
    "",
    "\n",
    "\x1b]0;title\x07\x1b[31m",
    "<img src=x onerror=alert(1)>",
    "../../../etc/passwd",
    "/etc/passwd",
    "/dev/zero",
    "file:///etc/passwd",
    "http://127.0.0.1:9/x",
    "simplecache::http://127.0.0.1:9/x",
    "pipe:touch ESCAPED",
    "$(touch ESCAPED)",
    f"{PAYLOAD}:go",
    "subprocess:Popen",
    "os:system",
    "builtins:exec",
    "con\x00nul",
    "\ud800",
    "ａｂｃ" * 3000,
    [],
    {},
    [[]],
    {"name": f"{PAYLOAD}:go", "args": {}},
    {"name": "subprocess:Popen", "args": {"args": ["touch", "ESCAPED"]}},
    [f"{PAYLOAD}:go"],
    ["subprocess:Popen"],
    list(range(5000)),
    {str(number): number for number in range(500)},
    json.loads("[" * 200 + "]" * 200),
)


SPLINTERS = (b"\x00" * 9, b"\xff" * 9, b"\x80\x04cos\nsystem\n", b"&a [*a]", b"\r\n\x1b[2J")
"""Bytes that mean something to some reader."""


def mutated(value: Any, chance: random.Random) -> Any:
    """A copy of a document with one to three places changed."""
    document = copy.deepcopy(value)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        document = _changed_once(document, chance)
    return document


def _changed_once(document: Any, chance: random.Random) -> Any:
    places = list(_places(document))
    if not places or chance.random() < 0.02:
        return copy.deepcopy(chance.choice(HOSTILE))
    parent, key = chance.choice(places)
    match chance.randrange(6):
        case 0:
            del parent[key]
        case 1:
            other, other_key = chance.choice(places)
            parent[key] = copy.deepcopy(other[other_key])
        case 2 if isinstance(parent, dict):
            parent[f"{key}{chance.choice(('s', '_', ' ', chr(10)))}"] = parent.pop(key)
        case _:
            parent[key] = copy.deepcopy(chance.choice(HOSTILE))
    return document


def _places(value: Any) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        yield value, key
        yield from _places(inner)


def bytes_mutated(content: bytes, chance: random.Random) -> bytes:
    """Some bytes flipped, cut, doubled, taken out or put in."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 8))):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(6):
            case 0:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del data[at:]
            case 2:
                del data[at : at + chance.choice((1, 8, 512))]
            case 3:
                data[at:at] = data[: chance.choice((1, 64, 600))]
            case 4:
                data[at:at] = chance.choice(
                    (b"\x00" * 9, b"\xff" * 9, b"\x80\x04cos\nsystem\n", b"&a [*a]", b"\r\n\x1b[2J")
                )
            case _:
                data[at : at + 8] = chance.choice((2**63 - 1, 2**40, 0)).to_bytes(8, "little")
    return bytes(data)


def json_text(document: Any) -> bytes:
    """JSON of anything that `mutated` makes."""
    return json.dumps(document, indent=1).encode("utf-8", "surrogatepass")


def yaml_text(document: Any) -> bytes:
    """YAML of the same."""
    return yaml.dump(document, allow_unicode=False, sort_keys=False).encode("utf-8", "surrogatepass")


YAML_BOMBS = (
    b"a: &a [x, x, x, x, x, x, x, x, x]\n"
    + b"".join(b"%c: &%c [%s]\n" % (c, c, b", ".join([b"*%c" % (c - 1)] * 9)) for c in range(ord("b"), ord("j"))),
    b"run: &r {name: a, dir: *r}\n",
    b"data: &d [*d]\n",
    b"run: !!python/object/apply:os.system ['touch ESCAPED']\n",
    b"run: !!python/name:stranger_payload.go\n",
    b"- " * 5000,
    b"{" * 3000,
    b"a" * 1_000_000,
    b"run: {name: !!binary aGVsbG8=}\n",
    b"\xff\xfer\x00u\x00n\x00",
    b"run: {name: 2026-13-45}\n",
    b"train: {total_images: 0x" + b"f" * 5000 + b"}\n",
    b"train: {total_images: " + b"9" * 5000 + b"}\n",
    b"train: {total_images: 1:2:3:4:5:6}\n",
    b"<<: {run: {name: x}}\n",
    b"? {a: b}\n: c\n",
)
"""Texts that no change of a document's values makes."""


def hostile_tar(chance: random.Random, shard: bytes) -> bytes:
    """A tar that names places outside, links, devices and members that are not what they say."""
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(shard)) as old, tarfile.open(fileobj=out, mode="w") as new:
        for member in old:
            file = old.extractfile(member)
            content = b"" if file is None else file.read()
            _change_member(member, chance)
            new.addfile(member, io.BytesIO(content))
    return out.getvalue()


def _change_member(member: tarfile.TarInfo, chance: random.Random) -> None:
    changes: tuple[Callable[[], None], ...] = (
        lambda: setattr(member, "name", "../../ESCAPED"),
        lambda: setattr(member, "name", "/tmp/ESCAPED"),
        lambda: setattr(member, "name", "a\x1b[31m\n" + member.name),
        lambda: setattr(member, "name", "x" * 3000 + member.name),
        lambda: setattr(member, "name", member.name.replace("images", "labels")),
        lambda: setattr(member, "name", member.name.replace(".npy", ".png")),
        lambda: member.__setattr__("type", tarfile.SYMTYPE) or member.__setattr__("linkname", "/etc/passwd"),
        lambda: member.__setattr__("type", tarfile.LNKTYPE) or member.__setattr__("linkname", "/etc/passwd"),
        lambda: member.__setattr__("type", tarfile.FIFOTYPE),
        lambda: member.__setattr__("type", tarfile.CHRTYPE),
        lambda: setattr(member, "size", 0),
        lambda: None,
    )
    chance.choice(changes)()
