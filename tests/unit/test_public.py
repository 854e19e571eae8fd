"""What people import: one list, light to import, and all that examples and documents need."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import cgan_dist
from tests.launching import ROOT

NAMES = [
    "Adversarial",
    "AttributeLabels",
    "Attributes",
    "Augmentation",
    "ChannelConv2d",
    "Checkpoint",
    "ClassLabels",
    "Classes",
    "Condition",
    "ConditionLinear",
    "Config",
    "Continuous",
    "ContinuousLabels",
    "DiscriminatorWay",
    "DiscriminatorWays",
    "Extractor",
    "Features",
    "Generator",
    "GeneratorWay",
    "GeneratorWays",
    "ImageSet",
    "InMemory",
    "Judgement",
    "LabelSpace",
    "LatentConcat",
    "Layout",
    "Metric",
    "NoLabels",
    "ProductLabels",
    "RealSet",
    "Sampler",
    "Scheduled",
    "SetFacts",
    "SetForm",
    "Source",
    "TrackedRun",
    "Tracker",
    "Trainer",
    "UserError",
    "build_trainer",
    "differentiable_gradient",
    "draw_slider",
    "find_checkpoint",
    "load_config",
    "load_sampler",
    "mixed",
    "read_targets",
    "request_search",
    "spectral_norm",
    "walk_cells",
    "walk_film",
]
"""A name that leaves this list breaks somebody's program; one that joins it is a promise."""
WRITTEN = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md")), *sorted((ROOT / "examples").glob("*.py"))]


def code_of(path: Path) -> Iterator[str]:
    text = path.read_text()
    if path.suffix == ".py":
        yield text
        return
    yield from re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def imports_of(code: str) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


def test_the_list() -> None:
    assert sorted(cgan_dist.__all__) == sorted(NAMES)
    assert sorted(set(dir(cgan_dist)) & set(NAMES)) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_there_and_explained(name: str) -> None:
    found = getattr(cgan_dist, name)
    assert name == "Scheduled" or inspect.getdoc(found)  # a type alias has no docstring of its own


def test_a_name_that_is_not_there_says_so() -> None:
    with pytest.raises(AttributeError, match="Generatr"):
        _ = cgan_dist.Generatr  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_and_documents_use_the_list_alone(path: Path) -> None:
    for code in code_of(path):
        for module, name in imports_of(code):
            if module.split(".")[0] == "cgan_dist":
                assert module == "cgan_dist", f"{path.name} imports from {module}"
                assert name in NAMES, f"{path.name} imports {name}"


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, cgan_dist; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(done.stdout.split())
    assert "cgan_dist" in loaded
    assert not loaded & {"torch", "numpy", "pydantic", "accelerate", "yaml", "PIL", "click", "wandb"}


def test_reading_a_config_does_not_import_pytorch() -> None:
    code = "import sys, cgan_dist.config.document; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "False\n"
