"""Files appear whole, and nothing is written through a link."""

from __future__ import annotations

from pathlib import Path

import pytest

from cgan_dist.errors import UserError
from cgan_dist.files.whole import check_links, leaves, whole_file


def test_what_a_link_leads_to_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("key")
    path = tmp_path / "contact-sheet.png"
    path.symlink_to(tmp_path / "secret")
    path.with_name("contact-sheet.png.partial").symlink_to(tmp_path / "secret")
    with whole_file(path) as partial:
        partial.write_text("sheet")
    assert (tmp_path / "secret").read_text() == "key"
    assert path.read_text() == "sheet"
    assert not path.is_symlink()


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("before")
    with pytest.raises(UserError, match="file: cannot write: Is a directory"), whole_file(path) as partial:
        (partial.mkdir(), partial.open())
    assert path.read_text() == "before"


def test_a_link_that_is_appended_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log.txt").symlink_to(tmp_path / "profile")
    check_links(tmp_path, ["metrics.jsonl"])
    with pytest.raises(UserError, match=r"log.txt: a link to .*profile, which would be written to"):
        check_links(tmp_path, ["metrics.jsonl", "log.txt"])


def test_a_path_leaves_by_any_link_on_its_way(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "file").touch()
    (inside / "near").symlink_to("file")
    (inside / "far").symlink_to(tmp_path)
    assert [leaves(inside / name, inside) for name in ("file", "near", "far", "far/x")] == [False, False, True, True]
