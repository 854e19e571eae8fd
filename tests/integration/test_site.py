"""The site of the documents: made without a warning, complete, and nothing in it comes from elsewhere."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import pytest
from markdown.extensions.toc import slugify

import cgan_dist
from cgan_dist.config.document import Config
from cgan_dist.config.registry import Registry
from cgan_dist.models import DISCRIMINATORS, GENERATORS
from docs import reference
from tests.launching import ROOT, run

DOCS = ROOT / "docs"
BESIDE = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "slurm" / "README.md"]
"""Documents that GitHub shows and MkDocs does not check."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "site"
    done = run([sys.executable, "-m", "mkdocs", "build", "--site-dir", str(folder)])
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith(("WARNING", "ERROR"))] == []
    return folder


def test_every_document_is_a_page(site: Path) -> None:
    written = {path.stem for path in DOCS.glob("*.md")} | {"changelog", "contributing", "slurm-scripts", "404"}
    assert {path.stem for path in site.glob("*.html")} == written


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    for page in site.glob("**/*.html"):
        loaded = re.findall(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=\"(\w+://[^\"]+)", page.read_text())
        assert loaded == [], page.name


def test_the_page_of_python_is_the_public_list(site: Path) -> None:
    named = re.findall(r"^::: cgan_dist\.(\w+)$", (DOCS / "api.md").read_text(), re.MULTILINE)
    assert sorted(named) == sorted(cgan_dist.__all__)
    page = (site / "api.html").read_text()
    for name in named:
        assert f'id="cgan_dist.{name}"' in page


def test_links_from_other_documents_lead_to_headings(site: Path) -> None:
    for document in BESIDE:
        headings = {slugify(text, "-") for text in re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)}
        for target, anchor in re.findall(r"\]\((?!\w+://)([^)#]*)#([^)]+)\)", document.read_text()):
            page = site / f"{Path(target).stem}.html"
            found = f'id="{anchor}"' in page.read_text() if target else anchor in headings
            assert found, f"{document.name} links to {target}#{anchor}"


def test_the_configuration_page_is_what_the_sections_say() -> None:
    page = (DOCS / "configuration.md").read_text()
    assert reference.page(page) == page, "docs/configuration.md is stale: python docs/reference.py"


def test_the_configuration_page_names_every_key() -> None:
    page = (DOCS / "configuration.md").read_text()
    for section, field in Config.model_fields.items():
        model = field.annotation
        assert model is not None
        for key in model.model_fields:  # type: ignore[attr-defined]
            assert re.search(rf"^\| `{section}\.{key}` \|", page, re.MULTILINE), f"{section}.{key} is missing"


@pytest.mark.parametrize("name", GENERATORS.table)
@pytest.mark.parametrize(("section", "networks"), [("generator", GENERATORS), ("discriminator", DISCRIMINATORS)])
def test_the_configuration_page_names_every_argument_of_a_network(section: str, networks: Registry, name: str) -> None:
    (row,) = re.findall(rf"^\| `{section}\.args` \|.*$", (DOCS / "configuration.md").read_text(), re.MULTILINE)
    said = row.partition(f"`{name}`: ")[2].partition("`: ")[0]
    parameters = inspect.signature(networks.resolve(name, "")).parameters
    arguments = list(parameters)[list(parameters).index("ways") + 1 :]
    for argument in arguments:
        default = parameters[argument].default
        number = f" {default}" if type(default) is int else ""
        assert f"`{argument}`{number}" in said, f"{argument} of {name} is not in `{section}.args`"
