"""Command `dashboard`: the plots of a project in W&B, arranged."""

from __future__ import annotations

from pathlib import Path

import click

from cgan_dist.command import UserCommand


@click.command(cls=UserCommand)
@click.option("--project", required=True, help="Of W&B: tracking.project of the runs.")
@click.option("--entity", help="User or team of W&B; default: that of the account.")
@click.option("--out", type=click.Path(path_type=Path), help="Write it as JSON instead, without a server.")
def dashboard(project: str, entity: str | None, out: Path | None) -> None:
    """Make a view in a W&B project: losses, quality, logits and gradients, speed, samples, alerts."""
    from cgan_dist.trackers.wandb_dashboard import save_dashboard, write_dashboard

    if out is None:
        click.echo(f"Dashboard: {save_dashboard(project, entity)}")
        return
    write_dashboard(out, project, entity)
    click.echo(f"Dashboard written to {out}.")
