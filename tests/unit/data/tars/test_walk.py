from __future__ import annotations

import gzip
import io
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest

from cgan_dist.data.tars.walk import Member, members, name_at, readable
from cgan_dist.errors import UserError
from tests.unit.data.tar_files import write_tar
from tests.unit.data.test_fuzz import cut, cut_on_a_block, error_of, flip, swap_blocks, zero_a_stretch

DAMAGES = [flip, cut, cut_on_a_block, swap_blocks, zero_a_stretch]


@pytest.fixture
def tar(tmp_path: Path) -> Path:
    contents = [(f"{number:03d}.{suffix}", bytes([number]) * 700) for number in range(4) for suffix in ("jpg", "cls")]
    return write_tar(tmp_path / "a.tar", contents)


def test_members_lie_where_the_walk_says(tar: Path) -> None:
    content = tar.read_bytes()
    found = list(members(tar))
    assert [(member.key, member.suffix) for member in found][:3] == [("000", "jpg"), ("000", "cls"), ("001", "jpg")]
    assert len(found) == 8
    for member in found:
        assert content[member.offset : member.offset + member.size] == bytes([int(member.key)]) * 700


def test_keys_end_at_the_first_dot_and_suffixes_are_small(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", [("n01.x/b.seg.PNG", b"1"), ("c.JPEG", b"2")])
    assert [member[:2] for member in members(path)] == [("n01.x/b", "seg.png"), ("c", "jpeg")]


def test_what_is_no_sample_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        for name, kind in (("folder.jpg", tarfile.DIRTYPE), ("a.jpg", tarfile.SYMTYPE), ("b.jpg", tarfile.LNKTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        for name in ("nodot", "._000.jpg", "__meta__/x.json", "../../etc/0.jpg"):
            tar.addfile(tarfile.TarInfo(name))
    assert [member.key for member in members(path)] == ["../../etc/0"]


def test_names_of_any_length(tmp_path: Path) -> None:
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        path = tmp_path / f"{form}.tar"
        with tarfile.open(path, "w", format=form) as tar:
            info = tarfile.TarInfo("ä" * 300 + ".jpg")
            info.size = 3
            tar.addfile(info, io.BytesIO(b"abc"))
        (found,) = members(path)
        assert found.key == "ä" * 300
        assert path.read_bytes()[found.offset :][:3] == b"abc"


@pytest.mark.parametrize("at", ["block", "middle"])
def test_a_tar_that_ends_early_is_an_error_behind_what_is_whole(tar: Path, at: str) -> None:
    last = list(members(tar))[-1]
    content = tar.read_bytes()
    tar.write_bytes(content[: last.offset + (1024 if at == "block" else 100)])
    found: list[Member] = []
    with pytest.raises(UserError, match=r"a\.tar: not a whole tar file: .*(cut short at byte|unexpected end of data)"):
        found.extend(members(tar))
    walk = members(tar)
    assert [next(walk).key for _ in range(7)] == ["000", "000", "001", "001", "002", "002", "003"]


def test_a_broken_header_is_not_taken_for_the_end(tar: Path) -> None:
    third = list(members(tar))[2]
    content = bytearray(tar.read_bytes())
    content[third.offset - 512] ^= 0xFF
    tar.write_bytes(content)
    with pytest.raises(UserError, match=f"no readable header at byte {third.offset - 512:,}"):
        list(members(tar))


def test_tars_joined_by_cat_are_an_error(tar: Path) -> None:
    tar.write_bytes(tar.read_bytes() * 2)
    with pytest.raises(UserError, match="no readable header at byte"):
        list(members(tar))


@pytest.mark.parametrize("content", [b"", b"hello, I am no tar", bytes(10_240), b"\x89PNG" * 1000])
def test_no_tar(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(content)
    if content == bytes(10_240):  # what an empty tar is
        assert list(members(path)) == []
        return
    with pytest.raises(UserError, match=r"a\.tar: not a whole tar file"):
        list(members(path))


def test_a_missing_tar(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"b\.tar: cannot read: No such file"):
        list(members(tmp_path / "b.tar"))


def test_a_compressed_tar_says_what_to_do(tar: Path) -> None:
    tar.write_bytes(gzip.compress(tar.read_bytes()))
    with pytest.raises(UserError, match="a compressed tar.*gunzip it first"):
        list(members(tar))


def header(name: bytes, size: bytes, kind: bytes) -> bytes:
    block = bytearray(512)
    block[: len(name)] = name
    block[124 : 124 + len(size)] = size
    block[156:157] = kind
    block[257:265] = b"ustar\x0000"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def test_headers_that_lie(tmp_path: Path) -> None:
    """A size that leads backwards would be walked for ever, one of gigabytes read into memory."""
    path = tmp_path / "a.tar"
    back = b"\xff" * 4 + struct.pack(">q", -1024)
    attributes = b"16 size=-000512\n"
    lies = [
        header(b"a.jpg", back, b"0"),
        header(b"x", b"%011o" % (1 << 31), b"L"),
        header(b"x", b"%011o" % (1 << 31), b"x"),
        header(b"x", b"%011o" % len(attributes), b"x") + attributes.ljust(512, b"\0") + header(b"a.jpg", b"0", b"0"),
        header(b"x", b"%011o" % 10, b"L") * 5000,
    ]
    for lie in lies:
        path.write_bytes(header(b"0.jpg", b"%011o" % 0, b"0") + lie + bytes(1 << 22))
        with pytest.raises(UserError, match=r"a\.tar: not a whole tar file"):
            list(members(path))


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damage_is_an_error_or_harmless(tar: Path, damage: object) -> None:
    """5 damages x 100 seeds: nothing but a UserError, and without one no member is lost that zeros do not hide."""
    whole, there = tar.read_bytes(), list(members(tar))
    for seed in range(100):
        tar.write_bytes(damage(bytearray(whole), np.random.default_rng(seed)))  # type: ignore[operator]
        found: list[Member] = []
        error = error_of(lambda path, found=found: found.extend(members(path)), tar)
        if error is not None:
            assert str(error).startswith(str(tar))
            continue
        lost = there[len(found) :]
        if damage is not swap_blocks:  # whole members may have changed places
            assert [member.offset for member in found] == [member.offset for member in there[: len(found)]]
        assert not lost or not any(tar.read_bytes()[lost[0].offset - 512 :])  # nothing was left to be seen


def test_a_picture_is_named_by_its_offset(tar: Path) -> None:
    assert name_at(tar, list(members(tar))[4].offset) == f"{tar}, 002.jpg"
    assert name_at(tar, 7) == f"{tar}, offset 7"


def test_names_are_fit_to_be_printed() -> None:
    assert readable("a\udcffb\x1b[31mß") == "a\\udcffb\\x1b[31mß"
