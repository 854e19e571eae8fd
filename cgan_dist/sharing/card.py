"""`README.md` of a model folder: what the model is, how it was trained and scored, how to load it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from huggingface_hub import EvalResult, ModelCardData
from torch import Tensor

from cgan_dist.conditioning.spaces.words import NUMBER, typed_name
from cgan_dist.config.document import Config
from cgan_dist.errors import UserError
from cgan_dist.labels import LabelSchema, ProductLabels, parts_of_schema
from cgan_dist.sharing.folder import GRID, ONNX, TORCH_EXPORT
from cgan_dist.sharing.graphs import to_uint8_formula
from cgan_dist.sharing.pretrained import Generator
from cgan_dist.sharing.scores import Scores

LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]*")
SHOWN_NAMES = 100
SHOWN_VALUES = 4


def model_card(
    generator: Generator, config: Config, scores: Sequence[Scores], forms: Mapping[str, float], license_id: str | None
) -> str:
    """Writes the card.

    Args:
        generator: that the folder holds.
        config: that it was trained by.
        scores: of its checkpoint.
        forms: file of each graph in the folder, and how far its images are from PyTorch's.
        license_id: of the weights, as the Hub names it; null says nothing.

    Returns:
        Markdown, with the Hub's metadata as YAML in front.
    """
    name = generator.config.origin.run
    sections = [
        f"# {name}",
        _summary(generator),
        f"![Samples, a column for each label]({GRID})",
        "## Use\n\n" + _use(generator),
        *(["## Graphs\n\n" + _graphs(generator, forms)] if forms else []),
        "## Labels\n\n" + _labels(generator.space.schema, generator.form),
        "## Training\n\n" + _table(("", ""), _training(generator, config)),
        "## Scores\n\n" + _scores(scores),
        "## Licence\n\n" + (license_id or "None was stated; ask the author before you use the model."),
    ]
    return f"---\n{_metadata(generator, config, scores, license_id)}\n---\n\n" + "\n\n".join(sections) + "\n"


def check_license(license_id: str | None) -> None:
    """Holds a licence against the form of the Hub's identifiers.

    Raises:
        UserError: if it has another form.
    """
    if license_id is not None and not LICENSE.fullmatch(license_id):
        raise UserError(
            f"--license: found '{license_id}'; expected an identifier of the Hub in small letters, such as apache-2.0, "
            "mit, cc-by-4.0 or other."
        )


def data_name(config: Config) -> str:
    """The last part of `data.path`; what is before it, and after a `?`, is nobody's business."""
    return PurePosixPath(config.data.path.split("?")[0].rstrip("/")).name or "data"


def _metadata(generator: Generator, config: Config, scores: Sequence[Scores], license_id: str | None) -> str:
    conditional = generator.space.schema.kind != "none"
    results = [
        EvalResult(
            task_type="unconditional-image-generation",
            task_name="Image generation",
            dataset_type=data_name(config),
            dataset_name=data_name(config),
            metric_type=name,
            metric_name=name,
            metric_value=round(value, 6),
            metric_args=found.protocol or None,
        )
        for found in scores
        for name, value in found.values.items()
        if "/" not in name  # parts of a score, such as of one class, are in the card's text
    ]
    return ModelCardData(
        license=license_id,
        library_name="cgan_dist",
        pipeline_tag="unconditional-image-generation",
        tags=["gan", *(["conditional-gan"] if conditional else []), "image-generation", "pytorch"],
        model_name=generator.config.origin.run if results else None,
        eval_results=results or None,
    ).to_yaml()


def _summary(generator: Generator) -> str:
    channels, height, width = generator.image_shape
    colour = "colour" if channels == 3 else "grey"
    asked = "without labels" if generator.space.schema.kind == "none" else f"by {generator.space.schema.kind}"
    origin = generator.config.origin
    return (
        f"The generator of a GAN: {colour} images of {width}x{height} pixels, {asked}. The weights are the moving "
        f"average of the generator of `{origin.checkpoint}`, after {origin.images_seen:,} training images."
    )


def _use(generator: Generator) -> str:
    unlabelled = generator.space.schema.kind == "none"
    columns = generator.space.grid(2)
    channels, height, width = generator.image_shape
    asked = "" if unlabelled else f"{_typed(generator, columns)}, "
    lines = [
        "```python",
        "from cgan_dist import Generator",
        'generator = Generator.from_pretrained("path/to/this/folder")  # or user/name on the Hub',
        f"images = generator.sample({asked}count=8, seed=0)  # (8, {height}, {width}, {channels}) uint8",
        "```",
    ]
    if generator.config.image.latents is not None:
        lines += [
            "",
            "It draws latents, which the autoencoder in this folder decodes: `pip install 'cgan_dist[latents]'`. The "
            "licence of that autoencoder is its authors'.",
        ]
    if generator.config.plugins:
        lines += [
            "",
            f"The model needs {generator.config.plugin_names}, which is not in this folder: get that code, and add "
            "`trust_code=True` to the second line.",
        ]
    return "\n".join(lines)


def _graphs(generator: Generator, forms: Mapping[str, float]) -> str:
    """What a program that has the graph alone must give, and gets."""
    settings = generator.config.generator
    drawn = "uniform in [-1, 1]" if settings.latent == "uniform" else "standard normal"
    rows = [("`z`", f"(B, {settings.latent_dim}) float32, {drawn}")]
    if generator.space.schema.kind != "none":
        rows.append(("`labels`", f"{generator.form}, as below"))
    shape = ", ".join(map(str, generator.image_shape))
    rows.append(("`images`", f"(B, {shape}) float32; pixels are `{to_uint8_formula(generator)}`"))
    readers = {ONNX: "onnxruntime and others", TORCH_EXPORT: "`torch.export.load`"}
    files = [
        f"- `{file}`, for {readers[file]}: draws what PyTorch draws, "
        + (f"but for {error:.1e} at most." if error else "bit for bit.")
        for file, error in forms.items()
    ]
    return "The same generator as a graph, with these inputs and this output:\n\n" + "\n".join(
        [_table(("", ""), rows), "", *files]
    )


def _typed(generator: Generator, labels: Tensor) -> str:
    """Labels of the space as Python's source: text if a person can type them, else numbers."""
    schema, rows = generator.space.schema, labels.tolist()
    if schema.kind == "classes":
        is_clear = not any(NUMBER.fullmatch(name) for name in schema.names)
        text = ",".join(str(row) if is_clear else typed_name(schema.names[row]) for row in rows)
    else:
        text = "; ".join(",".join(_values(schema, row)) for row in rows)
    try:
        generator.space.parse(text)
    except UserError:  # a plug-in's own way of writing
        return repr(rows)
    return f'"{text}"' if '"' not in text else repr(text)


def _values(schema: LabelSchema, row: Sequence[float]) -> list[str]:
    if isinstance(schema, ProductLabels):
        parts = zip(schema.parts, schema.columns, strict=True)
        return [word for part, columns in parts for word in _values(part, row[columns])]
    if schema.kind == "classes":
        return [typed_name(schema.names[int(row[0])])]
    return [f"{typed_name(name)}={value:g}" for name, value in zip(schema.names[:SHOWN_VALUES], row, strict=False)]


def _labels(schema: LabelSchema, form: str) -> str:
    if schema.kind == "none":
        return "There are none."
    lines = [f"Text as above, or numbers: {form}.", ""]
    for part in parts_of_schema(schema):
        ranges = part.ranges if part.kind == "continuous" else [None] * len(part.names)
        shown = [
            f"`{_cell(name)}`" + (f" ({limits[0]:g} to {limits[1]:g})" if limits else "")
            for name, limits in zip(part.names[:SHOWN_NAMES], ranges, strict=False)
        ]
        more = len(part.names) - len(shown)
        lines.append(f"- {part.kind}: {', '.join(shown)}" + (f" and {more:,} more, in config.json" if more else ""))
    return "\n".join(lines)


def _training(generator: Generator, config: Config) -> Iterator[tuple[str, str]]:
    origin = generator.config.origin
    ways = ", ".join(way.name for way in config.conditioning.generator) or "none"
    d_ways = ", ".join(way.name for way in config.conditioning.discriminator) or "none"
    penalties = "".join(f", {name} {weight}" for name, weight in config.loss.penalties.items())
    yield "data", f"`{data_name(config)}`, fingerprint `{origin.data[:12]}`"
    yield "generator", f"{config.generator.name} {_shown(config.generator.args)}, condition by {ways}"
    yield "discriminator", f"{config.discriminator.name} {_shown(config.discriminator.args)}, condition by {d_ways}"
    yield "z", f"{config.generator.latent_dim} values, {config.generator.latent}"
    yield "loss", config.loss.adversarial + penalties
    yield "plan", ", ".join(config.train.plan)
    yield "batch", f"{config.train.batch_size} images"
    yield "images seen", f"{origin.images_seen:,} of {config.train.total_images:,}"
    yield "seed", str(config.run.seed)
    yield "checkpoint", f"`{origin.checkpoint}`, manifest sha256 `{origin.checkpoint_sha256[:12]}`"
    yield "package", f"cgan_dist {generator.config.version}"


def _shown(args: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in args.items()) or "(defaults)"


def _scores(scores: Sequence[Scores]) -> str:
    if not any(found.values for found in scores):
        return "None were measured of this checkpoint."
    tables = []
    for found in scores:
        how = ", ".join(f"{key} {value}" for key, value in found.protocol.items())
        rows = ((name, f"{value:.4g}") for name, value in found.values.items())
        tables.append((f"With {how}:\n\n" if how else "") + _table(("score", "value"), rows))
    return "\n\n".join(tables)


def _table(heads: tuple[str, str], rows: Iterable[tuple[str, str]]) -> str:
    cells = [(_cell(key), _cell(value)) for key, value in rows]
    return "\n".join([f"| {heads[0]} | {heads[1]} |", "|---|---|", *(f"| {key} | {value} |" for key, value in cells)])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
