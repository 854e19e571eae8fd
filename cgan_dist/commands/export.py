"""Commands `export` and `push`: a generator in a folder of its own, for others to load."""

from __future__ import annotations

from pathlib import Path

import click

from cgan_dist.commands.base import RUN, UserCommand
from cgan_dist.commands.code import AUTOENCODER_OPTION, TRUST_OPTION
from cgan_dist.commands.out import OutFolder
from cgan_dist.commands.place import LocalPath
from cgan_dist.commands.say import say
from cgan_dist.errors import UserError, close_match

WEIGHTS_ALONE, EVERYTHING = "safetensors", "all"


@click.command(cls=UserCommand)
@RUN
@click.option("--out", required=True, type=OutFolder(), help="Folder to make.")
@click.option(
    "--format",
    "forms",
    default=WEIGHTS_ALONE,
    show_default=True,
    help="safetensors, onnx, torch_export, several with commas between them, or all. The weights are always there.",
)
@click.option("--license", "license_id", help="License of the weights, as the Hub names it: mit, apache-2.0, ...")
@click.option("--overwrite", is_flag=True, help="Replace the model folder that is there.")
@AUTOENCODER_OPTION
@TRUST_OPTION
def export(
    run: Path,
    out: Path,
    forms: str,
    license_id: str | None,
    overwrite: bool,
    autoencoder: Path | None,
    trust_code: bool,
) -> None:
    """Write a run's generator as a folder that others can load.

    RUN is a run folder or a checkpoint; its averaged generator (EMA) is written, with config, card and grid.
    """
    from cgan_dist.checkpoints.store import find_checkpoint
    from cgan_dist.sharing.export import export as write
    from cgan_dist.sharing.graphs import FORMS

    chosen = [form.strip() for form in forms.split(",")]
    known = [WEIGHTS_ALONE, *FORMS, EVERYTHING]
    for form in chosen:
        if form not in known:
            raise UserError(f"--format: found '{form}'.{close_match(form, known)} Expected {', '.join(known)}.")
    graphs = [form for form in FORMS if form in chosen or EVERYTHING in chosen]
    checkpoint = find_checkpoint(run)
    write(checkpoint, out, graphs, license_id, overwrite, say, trust_code, autoencoder)
    say(f"{out}: model folder of {checkpoint.folder}")


@click.command(cls=UserCommand)
@click.argument("folder", type=LocalPath())
@click.option("--to", "repo_id", required=True, metavar="USER/NAME", help="Repository on the Hugging Face Hub.")
@click.option("--private", is_flag=True, help="Make it private, if it has to be made.")
@click.option("--dry-run", is_flag=True, help="Say what would be uploaded; touch no network.")
def push(folder: Path, repo_id: str, private: bool, dry_run: bool) -> None:
    """Put a model folder on the Hugging Face Hub.

    FOLDER is one that `cgan-dist export` wrote.
    """
    from cgan_dist.sharing.folder import check_model_folder
    from cgan_dist.sharing.hub import check_repo_id, upload

    check_repo_id(repo_id, f"--to {repo_id}")
    files = check_model_folder(folder)
    taken = {name.partition("/")[0] for name in files}
    left_out = sorted(path.name for path in folder.iterdir() if path.name not in taken)
    for name, size in files.items():
        say(f"{name:24} {size:>13,} bytes")
    if left_out:
        say(f"left out, for it is no part of a model folder: {', '.join(left_out)}")
    what = f"{len(files)} files, {sum(files.values()):,} bytes"
    if dry_run:
        say(f"{what}, would go to {repo_id}{' (private)' if private else ''}; nothing was uploaded.")
        return
    url = upload(folder, list(files), repo_id, private or None, f"Upload {folder.name or 'model'} with cgan_dist")
    say(f"{what}: {url}")
