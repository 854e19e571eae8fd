"""Python as in an environment where the package was installed without extras: nothing else can be imported."""

from __future__ import annotations

import os
import subprocess
import sys
from configparser import ConfigParser
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

from tests.launching import ROOT


def core_distributions() -> list[Distribution]:
    """What `pip install .` installs, extras left out."""
    waiting, found = list(_core_requirements()), {}
    while waiting:
        requirement = waiting.pop()
        name = requirement.name.lower().replace("_", "-")
        wanted = requirement.marker is None or any(
            requirement.marker.evaluate({"extra": extra}) for extra in requirement.extras | {""}
        )
        if not wanted or name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:  # of another platform
            continue
        waiting += [Requirement(text) for text in found[name].requires or ()]
    return list(found.values())


def make_site(folder: Path) -> None:
    """Links to the files of those distributions, and to nothing else."""
    folder.mkdir()
    for dist in core_distributions():
        for top in {file.parts[0] for file in dist.files or ()} - {"..", "__pycache__"}:
            link = folder / top
            if not link.exists():
                link.symlink_to(Path(str(dist.locate_file(top))))


def run_core_only(site: Path, code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs a line of Python that sees the package, its dependencies and the standard library."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    environment |= {"PYTHONPATH": f"{site}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=cwd, env=environment, capture_output=True, text=True, timeout=900
    )


def _core_requirements() -> list[Requirement]:
    """Those of setup.cfg as it is now; what the installed package says may be older."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    return [Requirement(line) for line in config["options"]["install_requires"].split("\n") if line]
