"""Commands `export` and `push`: a generator in a folder of its own, for others to load."""

from __future__ import annotations

from pathlib import Path

import click

from cgan_dist.command import UserCommand
from cgan_dist.errors import UserError, close_match

WEIGHTS_ALONE, EVERYTHING = "safetensors", "all"


@click.command(cls=UserCommand)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to make.")
@click.option(
    "--format",
    "forms",
    default=WEIGHTS_ALONE,
    show_default=True,
    help="safetensors, onnx, torch_export, several with commas between them, or all. The weights are always there.",
)
@click.option("--license", "license_id", help="Of the weights, as the Hub names it, e.g. apache-2.0 or cc-by-4.0.")
@click.option("--overwrite", is_flag=True, help="Replace a model folder that is there.")
def export(run: Path, out: Path, forms: str, license_id: str | None, overwrite: bool) -> None:
    """Write the EMA generator of a run folder or a checkpoint as a model folder: weights, config, card, grid."""
    from cgan_dist.checkpoint import find_checkpoint
    from cgan_dist.export import export as write
    from cgan_dist.graphs import FORMS

    chosen = [form.strip() for form in forms.split(",")]
    known = [WEIGHTS_ALONE, *FORMS, EVERYTHING]
    for form in chosen:
        if form not in known:
            raise UserError(f"--format: found '{form}'.{close_match(form, known)} Expected {', '.join(known)}.")
    graphs = [form for form in FORMS if form in chosen or EVERYTHING in chosen]
    checkpoint = find_checkpoint(run)
    write(checkpoint, out, graphs, license_id, overwrite, tell=click.echo)
    click.echo(f"{out}: model folder of {checkpoint.folder}")


@click.command(cls=UserCommand)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--to", "repo_id", required=True, metavar="USER/NAME", help="Repository on the Hugging Face Hub.")
@click.option("--private", is_flag=True, help="If it has to be made.")
@click.option("--dry-run", is_flag=True, help="Say what would be uploaded; touch no network.")
def push(folder: Path, repo_id: str, private: bool, dry_run: bool) -> None:
    """Put a model folder, as `export` writes it, on the Hugging Face Hub."""
    from cgan_dist.hub import check_repo_id, upload
    from cgan_dist.model_folder import check_model_folder

    check_repo_id(repo_id, f"--to {repo_id}")
    files = check_model_folder(folder)
    left_out = sorted(path.name for path in folder.iterdir() if path.name not in files)
    for name, size in files.items():
        click.echo(f"{name:24} {size:>13,} bytes")
    if left_out:
        click.echo(f"left out, for it is no part of a model folder: {', '.join(left_out)}")
    what = f"{len(files)} files, {sum(files.values()):,} bytes"
    if dry_run:
        click.echo(f"{what}, would go to {repo_id}{' (private)' if private else ''}; nothing was uploaded.")
        return
    url = upload(folder, list(files), repo_id, private or None, f"Upload {folder.name or 'model'} with cgan_dist")
    click.echo(f"{what}: {url}")
