from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from cgan_dist.augment import AUGMENTATIONS
from cgan_dist.conditioning.discriminator import DISCRIMINATOR_WAYS
from cgan_dist.conditioning.generator import GENERATOR_WAYS
from cgan_dist.conditioning.spaces import LABEL_SPACES
from cgan_dist.config.contract import Contract
from cgan_dist.config.registry import Registry
from cgan_dist.data import SOURCES
from cgan_dist.errors import UserError
from cgan_dist.evaluation.features import FEATURES
from cgan_dist.evaluation.metrics import METRICS
from cgan_dist.image_sets import SET_FORMS
from cgan_dist.losses import ADVERSARIAL
from cgan_dist.models import DISCRIMINATORS, GENERATORS
from cgan_dist.trackers import TRACKERS

if TYPE_CHECKING:
    from nowhere import Base as Unseen

REGISTRIES = [
    ADVERSARIAL,
    AUGMENTATIONS,
    DISCRIMINATORS,
    DISCRIMINATOR_WAYS,
    FEATURES,
    GENERATORS,
    GENERATOR_WAYS,
    LABEL_SPACES,
    METRICS,
    SET_FORMS,
    SOURCES,
    TRACKERS,
]
STRANGERS = [
    "subprocess:Popen",
    "subprocess:run",
    "os:system",
    "builtins:eval",
    "builtins:open",
    "pathlib:Path",
    "shutil:rmtree",
    "pickle:loads",
    "functools:partial",
    "unittest.mock:MagicMock",
    "torch:load",
    "torch.hub:load",
    "runpy:run_path",
    "cgan_dist.config.registry:Registry",
]


class Base:
    pass


class Sub(Base):
    pass


class Speaks(Protocol):
    def say(self) -> str: ...


class Parrot:
    def say(self) -> str:
        return ""


def annotated() -> Sub:
    return Sub()


def annotated_for_the_checker_alone() -> Unseen:
    raise AssertionError


def takes_what_the_checker_alone_knows(part: Unseen) -> Base:
    return part


def of_another_kind() -> Parrot:
    return Parrot()


def unannotated():  # type: ignore[no-untyped-def]
    return Base()


def lying() -> Base:
    return 3  # type: ignore[return-value]


BASE, SPEAKS = Contract(f"{__name__}:Base"), Contract(f"{__name__}:Speaks")


def test_a_class_or_a_function_that_says_so_meets_it() -> None:
    assert BASE.is_met_by(Base)
    assert BASE.is_met_by(Sub)
    assert BASE.is_met_by(annotated)
    assert BASE.is_met_by(takes_what_the_checker_alone_knows)
    assert SPEAKS.is_met_by(Parrot)
    assert SPEAKS.is_met_by(of_another_kind)
    assert Contract("collections.abc:Sized").is_met_by(list)


def test_whatever_else_python_has_does_not() -> None:
    for found in (Parrot, of_another_kind, unannotated, Sub(), annotated_for_the_checker_alone, None, 3, print):
        assert not BASE.is_met_by(found), found
    for found in (Base, Speaks, annotated, unannotated, Parrot()):
        assert not SPEAKS.is_met_by(found), found


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.kind)
def test_a_short_name_is_of_its_kind_and_nothing_that_is_not_is_called(registry: Registry, tmp_path: Path) -> None:
    for name in registry.table:
        registry.resolve(name, "here")
    marker = tmp_path / "called"
    for name in STRANGERS:
        for args in ({}, {"args": f"touch {marker}", "shell": True}, {"command": f"touch {marker}"}):
            with pytest.raises(UserError, match=f"here: '{name}', an? .*, is no {registry.kind}; expected a "):
                registry.build(name, "here", args)
    assert not marker.exists()


def test_a_function_that_does_not_return_what_it_declares_is_told() -> None:
    parts = Registry("part", f"{__name__}:Base", {})
    assert isinstance(parts.build(f"{__name__}:annotated", "here", {}), Sub)
    with pytest.raises(UserError, match=r"here: what '.*:lying' returned, a int, is no part; expected a subclass"):
        parts.build(f"{__name__}:lying", "here", {})
