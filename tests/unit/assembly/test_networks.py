from __future__ import annotations

from typing import Any

import pytest

from cgan_dist.assembly.networks import Networks, build_networks
from cgan_dist.conditioning.spaces.classes import Classes
from cgan_dist.config.document import parse_config
from cgan_dist.data.spec import DataSpec
from cgan_dist.errors import UserError
from cgan_dist.labels import ClassLabels
from cgan_dist.models.dcgan import Discriminator

SCHEMA = ClassLabels(names=["a", "b"])
SPEC = DataSpec(channels=1, height=16, width=16, count=8, labels=SCHEMA, fingerprint="")


def built(loss: dict[str, Any], discriminator: dict[str, Any]) -> Networks:
    small = {"args": {"width": 4}}
    values = {"data": {"path": "x"}, "generator": small, "discriminator": small | discriminator, "loss": loss}
    return build_networks(parse_config(values, "test"), SPEC, Classes(SCHEMA))


class Own(Discriminator):
    """A user's network, about which nothing is known."""


PLAIN_RESNET = {"name": "resnet", "args": {"width": 4, "spectral": False}}


@pytest.mark.parametrize("loss", ["wasserstein", "cgan_dist.losses.adversarial:Wasserstein"])
@pytest.mark.parametrize("penalties", [{}, {"gp": 0}, {"lecam": 1}, {"bcr_real": 1, "zcr_d": 1}])
@pytest.mark.parametrize("discriminator", [{}, PLAIN_RESNET])
def test_wasserstein_without_anything_that_holds_the_slope_of_d_is_refused(
    loss: str, penalties: dict[str, float], discriminator: dict[str, Any]
) -> None:
    with pytest.raises(UserError, match=r"^loss.adversarial: found wasserstein, .* Add loss.penalties.gp=10"):
        built({"adversarial": loss, "penalties": penalties}, discriminator)


@pytest.mark.parametrize(
    ("penalties", "discriminator"),
    [
        ({"gp": 10}, {}),
        ({"r1": {"start": 0, "end": 1, "end_images": 64}}, PLAIN_RESNET),
        ({}, {"name": "resnet"}),
        ({}, {"name": "tests.unit.assembly.test_networks:Own"}),
    ],
)
def test_wasserstein_with_something_that_may_hold_it_is_accepted(
    penalties: dict[str, Any], discriminator: dict[str, Any]
) -> None:
    built({"adversarial": "wasserstein", "penalties": penalties}, discriminator)


def test_other_losses_need_nothing() -> None:
    built({"adversarial": "hinge"}, {})
