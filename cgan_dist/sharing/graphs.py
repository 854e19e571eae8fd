"""A generator as a graph that runs without this package: ONNX, and torch.export's `.pt2`; each checked when written."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.errors import UserError
from cgan_dist.randomness import torch_generator
from cgan_dist.sharing.folder import ONNX, TORCH_EXPORT
from cgan_dist.sharing.pretrained import Generator

TOLERANCE = 1e-4
"""Largest difference of a pixel, where the whole range is 1 or 2 and a step of uint8 0.004."""
BATCHES = (1, 2, 7, 16)
TRACED = 3
INPUTS, OUTPUT, BATCH = ("z", "labels"), "images", "batch"
GRID_LABELS = 16
WHERE = "--format"

Run = Callable[..., Tensor]


class Form(NamedTuple):
    """A form of graph.

    Attributes:
        file: its name in a model folder.
        needs: modules that writing and checking it takes.
        write: takes the traced generator, the generator, and the path.
        read: path -> what is called with z and, unless the space is `none`, labels.
    """

    file: str
    needs: Sequence[str]
    write: Callable[[ExportedProgram, Generator, Path], None]
    read: Callable[[Path], Run]


class Conditional(nn.Module):
    """z and labels of a space -> images; the encoding of the labels is part of it."""

    def __init__(self, network: nn.Module, space: LabelSpace) -> None:
        super().__init__()
        self.network, self.space = network, space

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """(B, Z) and B labels -> (B, C, H, W)."""
        return self.network(z, self.space.encode(labels))  # type: ignore[no-any-return]


class Unconditional(Conditional):
    """z -> images, where there is no label to give."""

    def forward(self, z: Tensor) -> Tensor:  # type: ignore[override]
        """(B, Z) -> (B, C, H, W)."""
        return super().forward(z, torch.empty(z.shape[0], 0, dtype=torch.uint8, device=z.device))


def trace(generator: Generator) -> ExportedProgram:
    """Traces a generator on the CPU, for any size of the batch.

    Raises:
        UserError: if it is a plug-in that cannot be traced.
    """
    unlabelled = generator.space.schema.kind == "none"
    graph = (Unconditional if unlabelled else Conditional)(generator.drawing, generator.space).eval()
    inputs = inputs_for(generator, TRACED)
    batch = Dim(BATCH)
    try:
        with torch.no_grad():
            # Strict, which follows Python itself: otherwise len() of a tensor would fix the size of the batch.
            program = torch.export.export(
                graph, inputs, dynamic_shapes={name: {0: batch} for name in INPUTS[: len(inputs)]}, strict=True
            )
    except Exception as error:  # a dozen kinds, for all that a plug-in may do
        raise UserError(
            f"{WHERE}: torch.export cannot trace this generator: {_first_line(error)}. A plug-in must compute with "
            "torch alone, and do the same whatever the values are. For the weights alone leave --format out."
        ) from error
    _forget_paths(program)
    return program


def _forget_paths(program: ExportedProgram) -> None:
    """Takes out where on this machine the code of each operation lies: a model folder is for others."""
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ():
            node.meta.pop("stack_trace", None)


def inputs_for(generator: Generator, count: int) -> tuple[Tensor, ...]:
    """Draws (B, Z) and, unless the space is `none`, B labels: those of a grid and those that the data has, in turn."""
    z = generator.draw_z(count, seed=count)
    space = generator.space
    if space.schema.kind == "none":
        return (z,)
    drawn = generator.distribution.draw(count, torch_generator(count, "graph labels"))
    grid, number = space.grid(GRID_LABELS), torch.arange(count)
    from_grid = (number % 2 == 0).view(-1, *[1] * (drawn.ndim - 1))
    return z, torch.where(from_grid, grid[number // 2 % len(grid)], drawn)


def write_graph(form: str, program: ExportedProgram, generator: Generator, folder: Path) -> float:
    """Writes one form, reads it back, and compares what it draws with what PyTorch draws.

    Returns:
        The largest difference of any pixel, in the generator's range.

    Raises:
        UserError: if it cannot be written, or the difference is above 1e-4.
    """
    _, _, write, read = FORMS[form]
    path = folder / FORMS[form].file
    try:
        write(program, generator, path)
    except OSError:
        raise
    except Exception as error:  # e.g. an operator of a plug-in that ONNX lacks
        raise UserError(f"{WHERE} {form}: this generator has no such form: {_first_line(error)}.") from error
    error_found = largest_error(generator, read(path))
    if not error_found <= TOLERANCE:  # nan is not either
        raise UserError(
            f"{WHERE} {form}: its images differ from PyTorch's by {error_found:.1e}, more than {TOLERANCE:g}. Leave "
            "it out, and please report it."
        )
    return error_found


@torch.no_grad()
def largest_error(generator: Generator, run: Run) -> float:
    """Compares images of random z and labels, at several sizes of the batch."""
    errors = []
    for count in BATCHES:
        inputs = inputs_for(generator, count)
        found, expected = run(*inputs), generator(*inputs)
        if found.shape != expected.shape:
            return float("inf")
        errors.append((found - expected).abs().max())
    return float(torch.stack(errors).max())


def check_installed(forms: Sequence[str]) -> None:
    """Asks for the packages that some forms take.

    Raises:
        UserError: naming those that are not installed.
    """
    needed = {module for form in forms for module in FORMS[form].needs}
    if missing := sorted(module for module in needed if importlib.util.find_spec(module) is None):
        raise UserError(f"{WHERE}: {', '.join(missing)} not installed; give `pip install 'cgan_dist[export]'`.")


def facts(generator: Generator) -> dict[str, str]:
    """What a program that has the graph alone must know."""
    schema, image = generator.space.schema, generator.config.image
    return {
        "cgan_dist_version": generator.config.version,
        "origin": generator.config.origin.model_dump_json(),
        "labels": json.dumps(schema.model_dump()),
        "labels_form": generator.form,
        "label_names": json.dumps(generator.label_names),
        "latent": generator.config.generator.latent,
        "latent_dim": str(generator.latent_dim),
        "image_shape": json.dumps(generator.image_shape),
        "pixels": image.pixels,
        "to_uint8": to_uint8_formula(generator),
    }


def to_uint8_formula(generator: Generator) -> str:
    """How pixels are made of a graph's images."""
    pixels = generator.pixels
    return f"clip(images * {pixels.factor:g} + {pixels.origin:g}, 0, 255), cut to uint8"


def _write_torch_export(program: ExportedProgram, generator: Generator, path: Path) -> None:
    torch.export.save(program, path, extra_files={"facts.json": json.dumps(facts(generator))})


def _read_torch_export(path: Path) -> Run:
    return torch.export.load(path).module()


def _write_onnx(program: ExportedProgram, generator: Generator, path: Path) -> None:
    names = INPUTS[: len(program.graph_signature.user_inputs)]
    written = torch.onnx.export(
        program,
        input_names=list(names),
        output_names=[OUTPUT],
        dynamic_shapes=({0: BATCH}, *[{}] * (len(names) - 1)),  # names the one symbol that both inputs have
        dynamo=True,
        verbose=False,
    )
    assert written is not None, "the exporter returns a program where it is given no file"
    written.model.metadata_props.update(facts(generator))
    written.save(path)


def _read_onnx(path: Path) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [given.name for given in session.get_inputs()]

    def run(*inputs: Tensor) -> Tensor:
        fed: Mapping[str, Any] = {name: value.numpy() for name, value in zip(names, inputs, strict=True)}
        return torch.from_numpy(session.run([OUTPUT], fed)[0])

    return run


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


FORMS = {
    "onnx": Form(ONNX, ("onnx", "onnxscript", "onnxruntime"), _write_onnx, _read_onnx),
    "torch_export": Form(TORCH_EXPORT, (), _write_torch_export, _read_torch_export),
}
