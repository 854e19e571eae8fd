from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import wandb

from cgan_dist.errors import UserError
from cgan_dist.trackers.panels import SECTIONS
from cgan_dist.trackers.wandb_dashboard import save_dashboard, write_dashboard
from tests.wandb_server import WandbServer, wandb_server

pytestmark = pytest.mark.filterwarnings("ignore:Pydantic V1 style `@validator`")  # of wandb-workspaces, at its import


def sections(spec: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    return {section["name"]: section["panels"] for section in spec["section"]["panelBankConfig"]["sections"]}


def test_the_file_has_every_section_and_panel(tmp_path: Path) -> None:
    write_dashboard(tmp_path / "dashboard.json", "digits", None)
    dashboard = json.loads((tmp_path / "dashboard.json").read_text())
    assert (dashboard["projectName"], dashboard["entityName"]) == ("digits", None)
    shown = sections(dashboard["spec"])
    assert list(shown) == [section.title for section in SECTIONS]
    for section in SECTIONS:
        plots = [p["config"] for p in shown[section.title] if p["viewType"] == "Run History Line Plot"]
        assert [plot["metricRegex"] for plot in plots] == [panel.names for panel in section.panels]
        assert {plot["xAxis"] for plot in plots} <= {"images"}
    media = [panel["config"]["mediaKeys"] for panel in shown["Samples"]]
    assert media == [["samples/random_z"], ["samples/fixed_z"], ["samples/real"]]
    assert "alerts.jsonl" in shown["Alerts"][0]["config"]["value"]


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--out: cannot write .*No such file or directory"):
        write_dashboard(tmp_path / "absent" / "dashboard.json", "digits", None)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WandbServer]:
    with wandb_server() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.address)
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        monkeypatch.setenv("WANDB_MODE", "online")
        wandb.teardown()
        yield server
        wandb.teardown()


@pytest.mark.parametrize("entity", [None, "team"])
def test_the_view_is_made_in_the_project(server: WandbServer, entity: str | None) -> None:
    address = save_dashboard("digits", entity)
    [view] = server.views
    assert (view["projectName"], view["entityName"], view["type"]) == ("digits", entity or "me", "project-view")
    assert list(sections(json.loads(view["spec"]))) == [section.title for section in SECTIONS]
    assert address.startswith(f"{server.address}/{entity or 'me'}/digits?nw=")


def test_what_the_server_refuses_is_told(server: WandbServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "answer", lambda name, given: {})
    with pytest.raises(UserError, match="W&B did not take the dashboard for 'digits'"):
        save_dashboard("digits", "team")
