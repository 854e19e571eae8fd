"""From a checkpoint to a model folder that others can load: weights, config, card, grid, and graphs if wanted."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from cgan_dist.assembly.contents import labels_of
from cgan_dist.assembly.decoding import pixels_of_saved
from cgan_dist.assembly.inputs import build_label_space
from cgan_dist.assembly.saved import check_average, check_form
from cgan_dist.assembly.trust import GENERATOR, trusted_config
from cgan_dist.checkpoints.folder import FILES_MANIFEST
from cgan_dist.checkpoints.store import Checkpoint
from cgan_dist.checkpoints.writer import discard, sync_folder, write_file
from cgan_dist.config.document import Config
from cgan_dist.data.spec import DataSpec
from cgan_dist.errors import UserError
from cgan_dist.latents.latent_range import LatentRange
from cgan_dist.runs.own_runs import mark_own, recognize
from cgan_dist.sharing.card import check_license, model_card
from cgan_dist.sharing.config import Conditions, ImageFacts, ModelConfig, Origin, read_model_config
from cgan_dist.sharing.folder import CARD, GRID
from cgan_dist.sharing.graphs import FORMS, check_installed, trace, write_graph
from cgan_dist.sharing.pretrained import Generator
from cgan_dist.sharing.scores import scores_of

GRID_COLUMNS, GRID_ROWS = 16, 8
GRID_CLASSES = 64

Tell = Callable[[str], object]


def export(
    checkpoint: Checkpoint,
    out: Path,
    graphs: Sequence[str] = (),
    license_id: str | None = None,
    overwrite: bool = False,
    tell: Tell = lambda text: None,
    trust_code: bool = False,
    autoencoder: Path | None = None,
) -> None:
    """Writes a model folder that is whole or absent.

    Args:
        checkpoint: whose EMA generator it holds.
        out: folder to make.
        graphs: names of `graphs.FORMS` to write beside the weights.
        license_id: for the card.
        overwrite: replace a model folder that is there.
        tell: takes a line for each thing that was written and checked.
        trust_code: import the plug-ins that a stranger's checkpoint names.
        autoencoder: folder of the one that decodes its latents; null takes the config's, of a trusted one.

    Raises:
        UserError: if something is in the way, a graph cannot be written or draws other images, or the disk refuses.
    """
    check_license(license_id)
    check_installed(graphs)
    out = Path(os.path.abspath(out))  # `.` has no name to write beside
    _check_free(out, overwrite)
    generator, config = generator_of(checkpoint, trust_code, autoencoder)
    fresh = out.with_name(f".{out.name}.partial")
    try:
        discard(fresh)
        fresh.mkdir(parents=True)
        _write_weights(generator, fresh, tell)
        errors = _write_graphs(generator, graphs, fresh, tell)
        columns = GRID_CLASSES if generator.space.schema.kind == "classes" else GRID_COLUMNS
        sampler = generator.sampler(config.run.seed)
        sampler.grid(sampler.label_space.grid(columns), GRID_ROWS, "random", 0).save(fresh / GRID, format="PNG")
        card = model_card(generator, config, scores_of(checkpoint), errors, license_id)
        write_file(fresh / CARD, card.encode())
        _put_in_place(fresh, out)
        if recognize(config) and (trouble := mark_own(generator.config.settings)) != "":
            tell(f"not marked as yours, so that loading it will ask for trust: your state folder: {trouble}")
    except OSError as error:
        raise UserError(f"--out {out}: cannot write: {error.strerror or error}.") from error
    finally:
        discard(fresh)


def generator_of(
    checkpoint: Checkpoint, trust_code: bool = False, autoencoder: Path | None = None
) -> tuple[Generator, Config]:
    """Builds the EMA generator of a checkpoint as others load it, on the CPU, and the config it was trained by.

    Raises:
        UserError: if it names a stranger's plug-ins, unless `trust_code`.
    """
    config = trusted_config(checkpoint, GENERATOR, trust_code)
    spec = DataSpec.from_dict(checkpoint.state["data"])
    check_average(checkpoint, config, spec, build_label_space(config, spec))
    manifest = (checkpoint.folder / FILES_MANIFEST).read_bytes()
    facts = ModelConfig(
        image=ImageFacts(
            channels=config.data.channels or spec.channels,
            height=spec.height,
            width=spec.width,
            pixels=config.data.pixels,
            latents=spec.latents,
        ),
        generator=config.generator,
        conditioning=Conditions(labels=config.conditioning.labels, generator=config.conditioning.generator),
        labels=spec.labels,
        origin=Origin(
            run=config.run.name,
            checkpoint=checkpoint.folder.name,
            images_seen=checkpoint.images_seen,
            checkpoint_sha256=hashlib.sha256(manifest).hexdigest(),
            data=spec.fingerprint,
        ),
    )
    pixels = pixels_of_saved(config, spec, str(checkpoint.folder), autoencoder, trust_code)
    generator = Generator(facts.model_dump())
    generator.autoencoder = pixels.autoencoder if isinstance(pixels, LatentRange) else None
    check_form(checkpoint, config, "ema", generator.network)
    generator.network.load_state_dict(checkpoint.tensors("ema"))
    generator.distribution = labels_of(checkpoint, generator.space)
    return generator, config


def _check_free(out: Path, overwrite: bool) -> None:
    """What is replaced must be a model folder: a slip of the hand must not remove anything else."""
    if not os.path.lexists(out):
        return
    if not overwrite:
        raise UserError(f"--out {out}: it is there already; give another name, or --overwrite to replace it.")
    if out.is_symlink() or not out.is_dir():
        raise UserError(f"--out {out}: --overwrite replaces a model folder, and this is a file or a link.")
    if any(out.iterdir()):
        try:
            read_model_config(out)
        except UserError as error:
            raise UserError(
                f"--out {out}: --overwrite replaces a model folder only, and this is none: {error}"
            ) from None


def _write_weights(generator: Generator, folder: Path, tell: Tell) -> None:
    """Writes the weights, and reads them back as others will."""
    (folder / CARD).touch()  # the mixin would write a card of its own
    generator.save_pretrained(folder)
    again = Generator.from_pretrained(folder, trust_code=True)
    z, labels = generator.draw_z(4), generator.distribution.rows[[0]]
    with torch.no_grad():
        same = torch.equal(again(z, labels), generator(z, labels))
    if not same:
        raise UserError(
            f"{generator.config.origin.run}: the generator draws other images after it was saved and loaded. A plug-in "
            "must keep everything that it depends on in its arguments, parameters and buffers."
        )
    tell("model.safetensors: loads, and draws the same images, bit for bit")


def _write_graphs(generator: Generator, graphs: Sequence[str], folder: Path, tell: Tell) -> dict[str, float]:
    errors = {}
    program = trace(generator) if graphs else None
    for form in graphs:
        assert program is not None
        file = FORMS[form].file
        errors[file] = write_graph(form, program, generator, folder)
        tell(f"{file}: differs from PyTorch by at most {errors[file]:.1e}")
    return errors


def _put_in_place(fresh: Path, out: Path) -> None:
    sync_folder(fresh)
    old = out.with_name(f".{out.name}.old")
    discard(old)
    replaced = os.path.lexists(out)
    if replaced:
        out.rename(old)
    try:
        fresh.rename(out)
    except OSError:
        if replaced:
            old.rename(out)
        raise
    sync_folder(out.parent)
    discard(old)
