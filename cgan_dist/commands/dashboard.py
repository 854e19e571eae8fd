"""Command `dashboard`: the plots of a project in W&B, arranged."""

from __future__ import annotations

from pathlib import Path

import click

from cgan_dist.commands.base import UserCommand
from cgan_dist.commands.out import OutFile
from cgan_dist.commands.say import say


@click.command(cls=UserCommand)
@click.option("--project", required=True, help="Project in W&B: tracking.project of the runs.")
@click.option("--entity", help="User or team in W&B. Default: that of the account.")
@click.option("--out", type=OutFile("the dashboard", [".json"]), help="File .json to write instead, without a server.")
def dashboard(project: str, entity: str | None, out: Path | None) -> None:
    """Arrange the plots of a project in W&B on one page.

    It is a view of the project, with losses, quality, logits and gradients, speed, samples and alerts.
    """
    from cgan_dist.trackers.wandb_dashboard import save_dashboard, write_dashboard

    if out is None:
        say(f"Dashboard: {save_dashboard(project, entity)}")
        return
    write_dashboard(out, project, entity)
    say(f"Dashboard written to {out}.")
