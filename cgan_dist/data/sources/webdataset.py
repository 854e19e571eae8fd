"""`webdataset`: tars that webdataset, img2dataset or others wrote, pictures and labels by key."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from cgan_dist.data.source import Source
from cgan_dist.data.tars.collection import AUTO, Options, collect
from cgan_dist.errors import UserError


def load(
    folder: Path | str | None,
    split: str,
    *,
    label: str = AUTO,
    class_names: list[str] | str | None = None,
    first_label: int = 0,
    picture: str | None = None,
    incomplete: Literal["stop", "skip"] = "stop",
    splits: bool | None = None,
    cache_dir: str | None = None,
) -> Source:
    """Scans the headers and labels of all tars; pictures are read one by one, by their places.

    Members of one key that follow each other are a sample: the key is the name up to the first dot. Nothing is
    unpacked, and members that are neither picture nor label are passed over.

    Args:
        folder: with tars, here or in sub-folders; or a tar, a pattern such as `train-{000000..000146}.tar`, or URLs,
            whose tars are fetched first.
        split: where sub-folders or the names of the tars are those of splits, one of them; else `train` or `all`.
        label: suffix of the member that holds a class's name or number, `json.KEY` (dots lead into nested keys),
            `shard` for the tar's name, `folder` for its folder's, or `none`. `auto` is `cls`, else `txt` unless those
            are captions.
        class_names: of the numbers from `first_label` on, or the order of names: a list, or a file with a name a line.
        first_label: the number of the first class.
        picture: suffix of the picture, where a sample has several of jpg, jpeg, png and webp, or another one.
        incomplete: `skip` leaves out samples without picture or label and what lies behind damage.
        splits: whether sub-folders and names of tars are splits, where it is open.
        cache_dir: where remote tars are kept.

    Raises:
        UserError: if there is no tar, one is damaged or compressed, or samples lack a picture or a label.
    """
    if folder is None:
        raise UserError(
            "webdataset needs --source: a folder of tars, a pattern such as train-{000000..000146}.tar, or URLs."
        )
    options = Options(
        label=label,
        class_names=class_names,
        first_label=first_label,
        picture=picture,
        incomplete=incomplete,
        splits=splits,
        cache_dir=cache_dir,
    )
    return collect(folder, split, options)
