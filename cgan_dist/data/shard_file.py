"""One open shard: raw ones hold packs of images, encoded ones an image a member; every error names file and key."""

from __future__ import annotations

import io
import mmap
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from webdataset.tariterators import group_by_keys, tar_file_expander

from cgan_dist.data.codecs import SUFFIXES, CorruptImage, Decoder, decoder
from cgan_dist.data.manifest import ImageFormat
from cgan_dist.errors import UserError
from cgan_dist.labels import Labels, LabelSchema
from cgan_dist.latents.stored import not_finite

IMAGES, LABELS = "images.npy", "labels.npy"
NPY_HEADER_BYTES = 1024


class BadImage(UserError):
    """One image that cannot be used, in a shard that can."""


class Arrays(NamedTuple):
    """Images (N, H, W, C) uint8 and their labels as the schema stores them."""

    images: NDArray[np.uint8]
    labels: Labels


class ShardData(Protocol):
    """The content of one shard, by image number."""

    labels: Labels

    def take(self, indices: NDArray[np.int64], out: NDArray[np.uint8]) -> None:
        """Fills `out` (N, H, W, C) uint8; raises BadImage."""


class DecodedShard:
    """A shard whose images are an array, private or shared with other processes."""

    def __init__(self, arrays: Arrays) -> None:
        self.images, self.labels = arrays

    def take(self, indices: NDArray[np.int64], out: NDArray[np.uint8]) -> None:
        """See `ShardData`."""
        np.take(self.images, indices, axis=0, out=out, mode="clip")  # other modes go through a buffer


class PackedShard:
    """A shard of packs, whose images are copied out of the mapped file when they are taken.

    Args:
        path: the tar file.
        image: the manifest's format.
        schema: of the labels.

    Raises:
        UserError: if anything but the pixels is not as the format says.
    """

    def __init__(self, path: Path, image: ImageFormat, schema: LabelSchema) -> None:
        self.path, self.image = path, image
        self.packs, labels = list[NDArray[np.uint8]](), list[Labels]()
        for where, images, own in _mapped_packs(path):
            _check_pack(images, own, image, schema, where)
            self.packs.append(images)
            labels.append(own)
        if not labels:
            raise UserError(f"{path}: holds 0 images.")
        self.labels = np.concatenate(labels)
        self.ends = np.cumsum([len(own) for own in labels])

    def take(self, indices: NDArray[np.int64], out: NDArray[np.uint8]) -> None:
        """See `ShardData`."""
        numbers = np.searchsorted(self.ends, indices, side="right")
        rows = indices - self.ends[numbers]  # from the end of the pack, as Python counts below 0
        for place, (number, row) in enumerate(zip(numbers.tolist(), rows.tolist(), strict=True)):
            out[place] = self.packs[number][row]
        if self.image.latents is not None and len(bad := np.flatnonzero(not_finite(out))):
            raise _bad_latent(self.path, int(indices[bad[0]]))


class EncodedShard:
    """A shard whose images are decoded when they are taken, sliced from the file by its index.

    Args:
        path: the tar file.
        index: its index: offset, size and label of each image.
        image: the manifest's format.
        schema: of the labels.

    Raises:
        UserError: if the index does not fit the file.
    """

    def __init__(self, path: Path, index: Path, image: ImageFormat, schema: LabelSchema) -> None:
        self.path, self.image = path, image
        self.decode = decoder(image.encoding, image.channels)
        entries = _index_entries(index, schema)
        offsets, sizes, length = entries["offset"], entries["size"], path.stat().st_size
        if ((offsets < 0) | (sizes < 0) | (offsets > length) | (sizes > length - offsets)).any():
            raise UserError(f"{index}: points outside {path.name}.")
        self.offsets, self.sizes = np.ascontiguousarray(offsets), np.ascontiguousarray(sizes)
        self.labels = np.ascontiguousarray(entries["label"])
        schema.check(self.labels, str(index))
        self.content = _mapped(path)

    def take(self, indices: NDArray[np.int64], out: NDArray[np.uint8]) -> None:
        """See `ShardData`."""
        starts, stops = self.offsets[indices], self.offsets[indices] + self.sizes[indices]
        for place, (start, stop) in enumerate(zip(starts.tolist(), stops.tolist(), strict=True)):
            try:
                decode_checked(self.content[start:stop], self.decode, out[place])
            except CorruptImage as error:
                raise BadImage(
                    f"{self.path}, image {indices[place]}: not a readable {self.image.encoding.upper()} image: {error}."
                ) from error


def decode_checked(content: bytes, decode: Decoder, out: NDArray[np.uint8]) -> None:
    """Decodes one member into `out` (H, W, C); raises CorruptImage, also if it has another size."""
    picture = decode(content, out)
    if picture is out:
        return
    if picture.shape != out.shape:
        raise CorruptImage(f"it is {picture.shape}, expected {out.shape}")
    out[...] = picture


def read_raw(path: Path, image: ImageFormat, schema: LabelSchema) -> Arrays:
    """Reads a shard of packs through WebDataset's own parser.

    Raises:
        UserError: if anything in it is not as the format says.
    """
    packs = [_unpack(sample, image, schema, f"{path}, key {sample['__key__']}") for sample in samples(path)]
    if not packs:
        raise UserError(f"{path}: holds 0 images.")
    return Arrays(*(np.concatenate(column) for column in zip(*packs, strict=True)))


def check_latents(path: Path, images: NDArray[np.uint8]) -> list[tuple[int, BadImage]]:
    """Returns number and error of each image of a shard that holds something else than finite numbers."""
    return [(number, _bad_latent(path, number)) for number in np.flatnonzero(not_finite(images)).tolist()]


def _bad_latent(path: Path, number: int) -> BadImage:
    return BadImage(f"{path}, image {number}: a value of the latent is infinite or no number. Encode the data again.")


def index_labels(index: Path, schema: LabelSchema) -> Labels:
    """Reads the labels of a shard of encoded images from its index.

    Raises:
        UserError: if it is not an index of such labels.
    """
    labels = np.ascontiguousarray(_index_entries(index, schema)["label"])
    schema.check(labels, str(index))
    return labels


def check_encoded(path: Path, shard: EncodedShard, schema: LabelSchema) -> list[tuple[int, BadImage]]:
    """Walks the tar file as plain WebDataset would and decodes everything.

    Returns:
        Number and error of each image that cannot be used.

    Raises:
        UserError: if members are missing, unexpected, duplicate, or contradict the index.
    """
    suffix, count = SUFFIXES[shard.image.encoding], 0
    bad: list[tuple[int, BadImage]] = []
    pixels = np.empty((shard.image.height, shard.image.width, shard.image.channels), np.uint8)
    for count, sample in enumerate(samples(path), start=1):
        where = f"{path}, key {sample['__key__']}"
        _expect_members(sample, {suffix} | ({"json"} if schema.width != 0 else set()), where)
        if count > len(shard.labels):
            break
        stored = shard.content[shard.offsets[count - 1] : shard.offsets[count - 1] + shard.sizes[count - 1]]
        if stored != sample[suffix] or (schema.width != 0 and label_json(shard.labels[count - 1]) != sample["json"]):
            raise UserError(f"{where}: image or label is not what the shard's index says.")
        try:
            decode_checked(sample[suffix], shard.decode, pixels)
        except CorruptImage as error:
            kind = shard.image.encoding.upper()
            bad.append((count - 1, BadImage(f"{where}: not a readable {kind} image: {error}.")))
    if count != len(shard.labels):
        raise UserError(f"{path}: holds {count} images or more, its index says {len(shard.labels)}.")
    return bad


def samples(path: Path) -> Iterator[dict[str, Any]]:
    """WebDataset's parser over one local file; nothing is decoded by it, so nothing can be unpickled.

    Raises:
        UserError: if it is not a whole tar file, or a name is duplicate.
    """
    try:
        _refuse_sparse(path)
        with path.open("rb") as file:
            yield from group_by_keys(tar_file_expander([{"url": str(path), "stream": file}]))
    except (OSError, tarfile.TarError, ValueError, EOFError, IndexError, AttributeError) as error:
        cause = str(error.args[0]) if error.args else type(error).__name__
        raise UserError(f"{path}: not a readable tar file: {cause}.") from error


def _refuse_sparse(path: Path) -> None:
    """A member with holes may claim any size, and the parser would fill them."""
    with tarfile.open(path, "r:") as tar:
        for member in tar:
            if member.issparse():
                raise UserError(f"{path}: the member {member.name} has holes, {member.size:,} bytes with them.")


def index_dtype(schema: LabelSchema) -> np.dtype[Any]:
    """The record of one image in an index: offset and size in the tar file, and the label."""
    shape = () if schema.width is None else (schema.width,)
    return np.dtype([("offset", np.int64), ("size", np.int64), ("label", schema.dtype, shape)])


def label_json(label: Any) -> bytes:
    """A label as the JSON member of a plain WebDataset sample."""
    return repr(label.tolist()).encode()


def _mapped(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _mapped_packs(path: Path) -> Iterator[tuple[str, NDArray[Any], Labels]]:
    """Yields where each pack is, for errors, its images, which stay in the file, and its labels."""
    members = _members(path)
    if not members:  # nothing cannot be mapped
        return
    mapped = _mapped(path)
    if hasattr(mmap, "MADV_WILLNEED"):  # a storage gives a file faster than pages of it in any order
        mapped.madvise(mmap.MADV_WILLNEED)
    content = np.frombuffer(mapped, np.uint8)
    for key, found in members.items():
        where = f"{path}, key {key}"
        _expect_members(found, {IMAGES, LABELS}, where)
        images, labels = (content[start : start + size] for start, size in (found[IMAGES], found[LABELS]))
        yield where, _mapped_npy(images, f"{where}.{IMAGES}"), load_npy(labels.tobytes(), f"{where}.{LABELS}")


def _mapped_npy(content: NDArray[np.uint8], where: str) -> NDArray[Any]:
    """The array of a .npy file whose bytes are `content`, without copying it."""
    header = io.BytesIO(content[:NPY_HEADER_BYTES].tobytes())
    try:
        if np.lib.format.read_magic(header) != (1, 0):
            raise ValueError("version 1.0 is expected")
        shape, by_columns, dtype = np.lib.format.read_array_header_1_0(header)
        if by_columns or dtype.hasobject:
            raise ValueError("rows of plain numbers are expected")
        return content[header.tell() :].view(dtype).reshape(shape)
    except Exception as error:  # as in `load_npy`
        raise UserError(f"{where}: not a plain .npy array: {error}.") from error


def _members(path: Path) -> dict[str, dict[str, tuple[int, int]]]:
    """By key and name, where the members of a tar file begin and how long they are."""
    found: dict[str, dict[str, tuple[int, int]]] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for member in filter(tarfile.TarInfo.isreg, tar):
                key, _, name = member.name.partition(".")
                own = found.setdefault(key, {})
                if name in own:
                    raise UserError(f"{path}: the member {member.name} is there twice.")
                own[name] = (member.offset_data, member.size)
    except (OSError, tarfile.TarError, ValueError, EOFError) as error:
        raise UserError(f"{path}: not a readable tar file: {error}.") from error
    return found


def _unpack(sample: dict[str, Any], image: ImageFormat, schema: LabelSchema, where: str) -> Arrays:
    _expect_members(sample, {IMAGES, LABELS}, where)
    images, labels = (load_npy(sample[member], f"{where}.{member}") for member in (IMAGES, LABELS))
    _check_pack(images, labels, image, schema, where)
    return Arrays(images, labels)


def _check_pack(images: NDArray[Any], labels: Labels, image: ImageFormat, schema: LabelSchema, where: str) -> None:
    schema.check(labels, where)
    expected = (len(labels), image.height, image.width, image.channels)
    if images.shape != expected or images.dtype != np.uint8:
        raise UserError(f"{where}: images are {images.shape} {images.dtype}, expected {expected} uint8.")


def _index_entries(index: Path, schema: LabelSchema) -> NDArray[Any]:
    entries = load_npy(index.read_bytes(), str(index))
    if entries.dtype != index_dtype(schema) or entries.ndim != 1:
        raise UserError(f"{index}: not an index of this kind of labels: {entries.dtype}.")
    return entries


def _expect_members(sample: dict[str, Any], expected: set[str], where: str) -> None:
    found = {name for name in sample if not name.startswith("__")}
    for name in sorted(expected - found):
        raise UserError(f"{where}: the member {name} is missing; found {', '.join(sorted(found)) or 'nothing'}.")
    for name in sorted(found - expected):
        raise UserError(f"{where}: unexpected member .{name}; expected only {', '.join(sorted(expected))}.")


def load_npy(content: bytes, where: str) -> NDArray[Any]:
    """Reads a plain array; raises UserError, beginning with `where`, if it is none."""
    try:
        return np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)  # no .npz, which unpacks itself
    except Exception as error:  # numpy parses the header with ast: damaged bytes raise almost anything
        raise UserError(f"{where}: not a plain .npy array: {error}.") from error
