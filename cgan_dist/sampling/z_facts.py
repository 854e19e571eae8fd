"""What a file of z, or of directions in z, says of the generator that they are of."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from cgan_dist.errors import UserError, has_control
from cgan_dist.randomness import Latent
from cgan_dist.sampling.sampler import Sampler


def _plain(text: str) -> str:
    if has_control(text):
        raise ValueError("found a control character in a name; expected plain text")
    return text


Text = Annotated[str, Field(max_length=1_000), AfterValidator(_plain)]


class ZFacts(BaseModel):
    """Of which generator something in its z is; strict, because anybody may have written it.

    Attributes:
        names: of what is there, in order.
        checkpoint: folder of the generator, absolute; empty if it has none.
        checkpoint_sha256: of its manifest, which has the hash of every file in it; empty if it has none.
        images_seen: by the generator, in training.
        latent: the distribution of z.
        latent_dim: Z.
        made_with: versions, and what else it was made with.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    names: list[Text]
    checkpoint: Text
    checkpoint_sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
    images_seen: Annotated[int, Field(ge=0)]
    latent: Latent
    latent_dim: Annotated[int, Field(gt=0)]
    made_with: dict[Text, Text]

    def check_z(self, sampler: Sampler, where: str) -> None:
        """Holds z against a generator that is to take them.

        Raises:
            UserError: beginning with `where`, if it takes others.
        """
        there, here = (self.latent_dim, self.latent), (sampler.latent_dim, sampler.latent)
        if there != here:
            raise UserError(
                f"{where}: its z have {there[0]} entries, {there[1]}; this generator takes {here[0]}, {here[1]}. They "
                f"are of {self.checkpoint or 'another one'}."
            )
