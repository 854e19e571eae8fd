"""What MkDocs calls: pages of the site whose text lies outside of docs/, and links between files made links of pages.

A link leads from file to file of the repository, as GitHub follows it, and may be called by the file's name. Here each
leads to the page of the file, and is called by the page's title. One that leads to no page is left alone, and then the
strict build refuses it.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

PAGES = {"changelog.md": "CHANGELOG.md", "contributing.md": "CONTRIBUTING.md", "slurm-scripts.md": "slurm/README.md"}
"""Page of the site -> file of the repository."""


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Adds the pages."""
    root = Path(config.config_file_path).parent
    for page, source in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(root / source)))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: object) -> str:
    """Turns the links of one page."""
    here = posixpath.dirname(PAGES.get(page.file.src_uri, f"docs/{page.file.src_uri}"))
    pages = (page for section in config.nav for of_section in section.values() for page in of_section)
    titles = {name: title for page in pages for title, name in page.items()}
    page_of = {source: name for name, source in PAGES.items()}

    def turned(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(here, link["target"]))
        name = page_of.get(target, target.removeprefix("docs/"))
        text = titles.get(name, link["text"]) if link["text"].endswith(".md") else link["text"]
        return f"[{text}]({name}"

    return re.sub(r"\[(?P<text>[^\]]*)\]\((?![a-z]+:|#)(?P<target>[^)#\s]+)", turned, markdown)
