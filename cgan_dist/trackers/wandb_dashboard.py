"""The dashboard in W&B: a saved view of a project's workspace, with the sections of `panels`."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cgan_dist.errors import UserError
from cgan_dist.trackers.base import SAMPLES
from cgan_dist.trackers.panels import SECTIONS, Section

if TYPE_CHECKING:
    from wandb_workspaces.workspaces import Workspace

NAME = "Conditional GAN"
COLUMNS = 3


def write_dashboard(path: Path, project: str, entity: str | None) -> None:
    """Writes what W&B's API takes for a view (`upsertView`; it wants `spec` as text) as JSON; asks no server.

    Args:
        path: of the file.
        project: of W&B.
        entity: user or team; null is left to the account.

    Raises:
        UserError: if wandb-workspaces is not installed, or the file cannot be written.
    """
    view = _workspace(project, entity or "")._to_model()
    dashboard = {
        "entityName": entity,
        "projectName": project,
        "displayName": view.display_name,
        "type": "project-view",
        "spec": json.loads(view.spec.model_dump_json(by_alias=True, exclude_none=True)),
    }
    try:
        path.write_text(json.dumps(dashboard, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"--out: cannot write {path}: {error.strerror}.") from error


def save_dashboard(project: str, entity: str | None) -> str:
    """Makes a new view in a project of W&B and returns its address.

    Args:
        project: of W&B.
        entity: user or team; null is the default of the account.

    Raises:
        UserError: if wandb-workspaces is not installed, or W&B does not take the view.
    """
    os.environ.setdefault("WANDB_SILENT", "true")
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    workspace = _workspace(project, entity or "")
    import wandb

    try:
        workspace.entity = entity or wandb.Api().default_entity or ""
        workspace.save()
        return str(workspace.url)
    except Exception as error:  # of the network, of the server, of credentials: each has classes of its own
        raise UserError(
            f"--project: W&B did not take the dashboard for '{project}' ({str(error) or type(error).__name__}). "
            "Log in with `wandb login` or WANDB_API_KEY, and name a project that is there (the first run makes it); "
            "--out FILE writes the dashboard without a server."
        ) from error


def _workspace(project: str, entity: str) -> Workspace:
    if importlib.util.find_spec("wandb_workspaces") is None:
        raise UserError("dashboard: wandb-workspaces is not installed: pip install 'cgan_dist[dashboard]'.")
    from wandb_workspaces.workspaces import Workspace, WorkspaceSettings

    return Workspace(
        entity=entity,
        project=project,
        name=NAME,
        sections=[_section(section) for section in SECTIONS],
        settings=WorkspaceSettings(x_axis="images"),
    )


def _section(section: Section) -> Any:
    from wandb_workspaces.reports.v2.interface import LinePlot, MarkdownPanel, MediaBrowser
    from wandb_workspaces.workspaces import Section as Shown
    from wandb_workspaces.workspaces import SectionLayoutSettings

    panels: list[Any] = [MarkdownPanel(markdown=section.text)] if section.text else []
    panels += [
        LinePlot(title=panel.title, x="images", metric_regex=panel.names, log_y=panel.log_axis)
        for panel in section.panels
    ]
    panels += [MediaBrowser(title=name, media_keys=[f"{SAMPLES}/{name}"], num_columns=1) for name in section.pictures]
    rows = -(-len(panels) // COLUMNS)
    return Shown(
        name=section.title,
        panels=panels,
        is_open=True,
        layout_settings=SectionLayoutSettings(columns=COLUMNS, rows=rows),
    )
