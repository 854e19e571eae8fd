"""One process, one GPU that is not there: every config, way and option, and what an iteration costs."""

from __future__ import annotations

import pytest

from cgan_dist.augment import AUGMENTATIONS
from cgan_dist.conditioning.discriminator import DISCRIMINATOR_WAYS
from cgan_dist.conditioning.generator import GENERATOR_WAYS
from cgan_dist.conditioning.spaces import LABEL_SPACES
from cgan_dist.losses import ADVERSARIAL
from cgan_dist.losses.penalties import PENALTIES
from cgan_dist.models import DISCRIMINATORS, GENERATORS
from tests.fake_gpu.bounds import ITERATION, ONCE, SLACK, Bound
from tests.fake_gpu.cases import CONFIGS, FAMILIES
from tests.fake_gpu.reports import Page, reports
from tests.launching import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
CASES = [(family, case.name) for family in ("configs", "small") for case in FAMILIES[family].cases]


@pytest.mark.parametrize(("family", "case"), CASES)
def test_all_is_on_the_device_and_nobody_waits(family: str, case: str) -> None:
    report = reports(family)[case]
    assert report.error is None
    assert all(not page.mixed for page in report.pages.values()), report.pages
    first, *later = report.visits("iteration")
    waits = first.waits_by_file
    for what, most in ONCE.items():
        assert waits.pop(what, 0) <= most
    assert waits == {}, first.waits
    assert not any(page.waits for page in later), later


def excess(page: Page, bound: Bound) -> list[str]:
    """Says what of an iteration is too much."""
    found = {"operations": page.operations, "copies": sum(page.copies.values())}
    allowed = {"operations": bound.operations * SLACK, "copies": bound.copies}
    return [f"{count} {what}, {allowed[what]:.0f} allowed" for what, count in found.items() if count > allowed[what]]


@pytest.mark.parametrize("config", CONFIGS)
def test_an_iteration_has_no_more_operations_and_copies_than_it_had(config: str) -> None:
    page = reports("configs")[config].visits("iteration")[1]
    assert excess(page, ITERATION[config]) == [], page.copies


def test_what_grows_is_found() -> None:
    page = reports("mistakes")["tensor by tensor"].visits("iteration")[1]
    assert excess(page, ITERATION["demo"]) == ["329 operations, 322 allowed"]
    page = reports("mistakes")["list copied to the device"].visits("iteration")[0]
    assert excess(page, Bound(page.operations, copies=6)) == ["9 copies, 6 allowed"]


def test_every_config_is_tried() -> None:
    folder = ROOT / "configs"
    assert set(CONFIGS) == {str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.yaml")}


def test_every_plug_in_is_tried() -> None:
    tried = " ".join(
        override for _, family in sorted(FAMILIES.items()) for case in family.cases for override in case.overrides
    )
    registries = (
        GENERATORS,
        DISCRIMINATORS,
        LABEL_SPACES,
        GENERATOR_WAYS,
        DISCRIMINATOR_WAYS,
        ADVERSARIAL,
        AUGMENTATIONS,
    )
    names = {name for registry in registries for name in registry.table} | set(PENALTIES)
    assert [name for name in sorted(names - {"auto"}) if name not in tried] == []
