"""What lies between stored images and networks: a range of pixels or, of latents, an autoencoder that is believed."""

from __future__ import annotations

from pathlib import Path

from cgan_dist.assembly.trust import check_opened
from cgan_dist.config.document import Config
from cgan_dist.config.sections import DataConfig
from cgan_dist.data.pixels import PIXEL_RANGES, ImageRange
from cgan_dist.data.spec import DataSpec
from cgan_dist.errors import UserError
from cgan_dist.latents.autoencoder import load_autoencoder
from cgan_dist.latents.autoencoder_folder import open_autoencoder
from cgan_dist.latents.facts import LatentFacts
from cgan_dist.latents.latent_range import LatentRange

KEY, OPTION = "data.autoencoder", "--autoencoder"


def pixels_of(config: DataConfig, spec: DataSpec, autoencoder: str | Path | None, where: str) -> ImageRange:
    """Returns the range of a config's pixels or, of latents, what decodes them.

    Args:
        config: of the run.
        spec: of its data.
        autoencoder: folder of it.
        where: key path or option that names the folder.

    Raises:
        UserError: if latents come without an autoencoder or pictures with one, or it is not theirs.
    """
    if spec.latents is not None:
        return latent_range(spec.latents, autoencoder, where)
    if autoencoder is not None:
        raise UserError(f"{where}: found {autoencoder}, but these are pictures, not latents. Leave it out.")
    return PIXEL_RANGES[config.pixels]


def pixels_of_saved(
    config: Config, spec: DataSpec, source: str, autoencoder: Path | None, trust_code: bool
) -> ImageRange:
    """The same for a saved config, whose autoencoder is opened only if it is trusted or its user's own.

    Args:
        config: as it was saved.
        spec: likewise.
        source: of both, for errors.
        autoencoder: folder that a person has typed; null takes the config's.
        trust_code: the person allows whatever the config names.

    Raises:
        UserError: as `pixels_of`, or for a folder that a stranger's config names.
    """
    if autoencoder is not None or spec.latents is None:
        return pixels_of(config.data, spec, autoencoder, OPTION)
    check_opened(config, source, KEY, OPTION, trust_code)
    return pixels_of(config.data, spec, config.data.autoencoder, f"{source}: {KEY}")


def latent_range(latents: LatentFacts, folder: str | Path | None, where: str) -> LatentRange:
    """Loads what decodes latents, on the CPU.

    Raises:
        UserError: if there is no folder, or it is not the autoencoder that made them.
    """
    if folder is None:
        made_by = latents.autoencoder
        raise UserError(
            f"{where}: none is given, and the data is latents of the autoencoder '{made_by.name}'; expected its "
            f"folder, with weights of sha256 {made_by.weights_sha256[:16]}..., for samples and scores are pictures."
        )
    found = open_autoencoder(Path(folder), where)
    found.check(latents)
    return LatentRange(latents, load_autoencoder(found))
