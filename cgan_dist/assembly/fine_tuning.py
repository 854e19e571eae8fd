"""Fine-tuning: a run that begins with the networks of another, on other data and other labels, at image 0."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from torch import nn

from cgan_dist.assembly.inputs import Inputs, build_label_space
from cgan_dist.assembly.networks import build_generator, build_networks
from cgan_dist.assembly.row_transfer import Labels, take_over
from cgan_dist.assembly.saved import check_form
from cgan_dist.assembly.trust import CONDITIONING, trusted_config
from cgan_dist.checkpoints.store import Checkpoint
from cgan_dist.conditioning.spaces.stored import listed
from cgan_dist.config.document import Config
from cgan_dist.data.spec import DataSpec
from cgan_dist.errors import UserError
from cgan_dist.models.spectral_norm import settle_spectral_norm

logger = logging.getLogger(__name__)


class FineTuning:
    """The networks of a checkpoint, to be taken over into those of another run.

    Rows of label tables go to the entry of the same kind and name. What the checkpoint does not know begins afresh, as
    this run's networks were initialized, and so do optimizers, averages of the loss and the clock.

    Args:
        checkpoint: of the run to begin with.
        config: of the run that begins.
        inputs: of the run that begins.
        trust_code: import the plug-ins that the checkpoint names for its labels, whoever trained it.

    Raises:
        UserError: if pictures have another size or other pixel values there, or the networks another form, or it names
            a stranger's plug-ins that are not the config's too.
    """

    def __init__(self, checkpoint: Checkpoint, config: Config, inputs: Inputs, trust_code: bool = False) -> None:
        self.checkpoint = checkpoint
        before = trusted_config(checkpoint, CONDITIONING, trust_code, typed=config)
        spec = DataSpec.from_dict(checkpoint.state["data"])
        _check_pictures(checkpoint, (before, spec), (config, inputs.spec))
        theirs = config.model_copy(update={"conditioning": before.conditioning})
        space = build_label_space(theirs, spec)
        self.labels = Labels(space, inputs.label_space)
        built = build_networks(theirs, spec, space)
        self.networks: dict[str, nn.Module] = {
            "generator": built.generator,
            "discriminator": built.discriminator,
            "ema": build_generator(theirs, spec, space),
        }
        for name, network in self.networks.items():
            check_form(checkpoint, config, name, network)
            network.load_state_dict(checkpoint.tensors(name))

    def apply(self, networks: Mapping[str, nn.Module]) -> None:
        """Takes over what fits, in place, and says in the log what does not; every rank calls it.

        Args:
            networks: raw, by name, on any device.
        """
        afresh: list[str] = []
        for name, network in networks.items():
            new = take_over(self.networks[name], network, self.labels)
            settle_spectral_norm(network)
            afresh += [f"{name}.{parameter}" for parameter in new if name != "ema"]
        logger.info(
            "Beginning at 0 images with the networks of %s, after its %s; optimizers begin anew. %s",
            self.checkpoint.folder,
            f"{self.checkpoint.images_seen:,}",
            self.labels.told(),
        )
        if afresh:
            logger.info("What that run has not, or in another form, begins afresh: %s.", listed(afresh))


def _check_pictures(checkpoint: Checkpoint, there: tuple[Config, DataSpec], here: tuple[Config, DataSpec]) -> None:
    found, expected = (_form_of_pictures(*side) for side in (here, there))
    if found != expected:
        raise UserError(
            f"--from {checkpoint.folder}: its networks make pictures of {expected}, and this config and its data are "
            f"for {found}. Prepare the pictures in that form (--size, --channels), or begin without --from."
        )


def _form_of_pictures(config: Config, spec: DataSpec) -> str:
    channels = config.data.channels or spec.channels
    if spec.latents is not None:
        made_by = spec.latents.autoencoder
        return (
            f"{spec.width}x{spec.height} latents with {channels} channel(s) of the autoencoder '{made_by.name}' "
            f"(sha256 {made_by.weights_sha256[:12]}, config {made_by.config_sha256[:12]}), scaled by "
            f"{made_by.scaling_factor:g} from {made_by.shift_factor:g}"
        )
    return f"{spec.width}x{spec.height} pixels with {channels} channel(s), data.pixels {config.data.pixels}"
