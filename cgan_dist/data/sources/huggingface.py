"""`huggingface`: Parquet files, sets that the `datasets` library saved, sets on the Hub; none of their code is run."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path

import numpy as np

from cgan_dist.data.arrow.features import Features, read_features
from cgan_dist.data.arrow.labels import join, read_column
from cgan_dist.data.arrow.pictures import pictures_of
from cgan_dist.data.arrow.places import Files, find_files
from cgan_dist.data.arrow.table_files import count_rows, library, read_columns
from cgan_dist.data.source import Source
from cgan_dist.data.sources.files import existing_folder, first_repeated
from cgan_dist.errors import UserError
from cgan_dist.labels import Labels, LabelSchema, NoLabels


def load(
    folder: Path | None,
    split: str,
    *,
    image: str | None = None,
    label: str | list[str] | None = None,
    class_names: list[str] | None = None,
    first_label: int = 0,
    unlabelled: bool = False,
    config: str | None = None,
    revision: str | None = None,
    picture_folder: str | None = None,
    cache_dir: str | None = None,
) -> Source:
    """Reads labels and names of classes at once, pictures one by one.

    A column of labels may be a ClassLabel, whose names are in the metadata; text or whole numbers, which are classes
    too; truths, which are attributes; real numbers, which range from the least to the greatest; lists of classes or
    names, each of which is an attribute; vectors of 0 and 1 or of real numbers. Names and ranges are those of all
    splits that are on this machine.

    Args:
        folder: with `.parquet` files, here or in sub-folders; or one such file; or what `save_to_disk` wrote; or
            `owner/name` on the Hub.
        split: by the names of files and folders, such as `train-00000-of-00002.parquet`; or `all`.
        image: column of the pictures, bytes of picture files or arrays; null where there is only one.
        label: column of the labels, or several; null where a single one has names of classes, or is called `label`.
        class_names: of the numbers in `label`, instead of those in the metadata.
        first_label: the number of the first class, where numbers have no names.
        unlabelled: take no labels.
        config: sub-folder, where a set has several configurations.
        revision: branch, tag or commit of a set on the Hub.
        picture_folder: where the pictures lie of which a set has only the paths, as `to_parquet` writes them; no path
            leads out of it.
        cache_dir: folder with room for the pictures of Parquet files while shards are made.

    Raises:
        UserError: if PyArrow is not installed, there are no such files, one is damaged, it is open which columns are
            meant, or labels are missing.
    """
    library()
    files = find_files(folder, split, config, revision)
    features = read_features(files.all, files.place)
    picture = features.picture(image)
    counts = {path: count_rows(path) for path in files.all}
    labels: Labels = np.zeros((sum(counts.values()), 0), np.uint8)
    schema: LabelSchema = NoLabels()
    if not unlabelled:
        columns = features.labels([label] if isinstance(label, str) else label)
        if class_names is not None and len(columns) > 1:
            raise UserError(f"class_names: the names of one column, and label names {len(columns)}; take one of them.")
        labels, schema = _labels(files, features, columns, class_names, first_label)
    starts = dict(zip(counts, accumulate(counts.values(), initial=0), strict=False))
    rows = np.concatenate([np.arange(starts[path], starts[path] + counts[path]) for path in files.chosen])
    root = None if picture_folder is None else existing_folder(Path(picture_folder), "huggingface", "the pictures")
    read = pictures_of(files.chosen, [counts[path] for path in files.chosen], picture, cache_dir, root)
    return Source(labels=labels[rows], schema=schema, read=read, description=f"{files.place} ({split})")


def _labels(
    files: Files, features: Features, columns: list[str], class_names: list[str] | None, first_label: int
) -> tuple[Labels, LabelSchema]:
    """The labels of all splits, so that names and ranges are the same in each."""
    if repeated := first_repeated(columns):
        raise UserError(f"label: '{repeated}' is there twice; name each column once.")
    tables = [read_columns(path, columns) for path in files.all]
    parts = []
    for column in columns:
        kind = features.schema.field(column).type
        chunks = [chunk for table in tables for chunk in table.column(column).cast(kind).chunks]
        values = library().chunked_array(chunks, kind)
        where = f"{files.place}, column {column}"
        parts.append(read_column(values, features.feature(column), class_names, first_label, where))
    return join(parts, files.place)
