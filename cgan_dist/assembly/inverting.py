"""From a checkpoint to what finds pictures in its generator: what they are compared in, and a reader of labels."""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from cgan_dist import __version__
from cgan_dist.assembly.inputs import build_label_space
from cgan_dist.assembly.networks import build_networks
from cgan_dist.assembly.saved import check_form, load_shards
from cgan_dist.assembly.trust import trusted_config
from cgan_dist.checkpoints.folder import FILES_MANIFEST
from cgan_dist.checkpoints.store import Checkpoint
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.data.pixels import PIXEL_RANGES
from cgan_dist.data.spec import DataSpec
from cgan_dist.errors import UserError
from cgan_dist.evaluation.arithmetic import float64_device
from cgan_dist.evaluation.metrics.classifier import Classifier, check_readable, load_or_train
from cgan_dist.evaluation.selection import Selection
from cgan_dist.inversion.distance import Distance
from cgan_dist.inversion.encoder import learn_encoder
from cgan_dist.inversion.found_file import FoundFacts, FoundFile
from cgan_dist.inversion.inverter import GoOn, Inverter
from cgan_dist.inversion.plan import Plan
from cgan_dist.inversion.targets import Targets
from cgan_dist.inversion.views import ClassifierView, DiscriminatorView, View
from cgan_dist.sampling.sampler import Sampler

FeatureName = Literal["discriminator", "classifier", "none"]
NETWORKS = ("conditioning.", "generator.", "discriminator.", "loss.")
"""Key paths of what is built where D's features are compared."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Search:
    """What finds pictures in the generator of a checkpoint, and what a file of them says of it.

    Attributes:
        checkpoint: of the generator.
        distance: to its images; it holds the sampler.
        inverter: that searches.
        settings: of the search, for a person.
    """

    checkpoint: Checkpoint
    distance: Distance
    inverter: Inverter
    settings: dict[str, str | int | float | bool | None]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the data's pictures, which those that are looked for are brought to."""
        return DataSpec.from_dict(self.checkpoint.state["data"]).picture

    def find(self, targets: Targets, labels: Tensor | None = None, go_on: GoOn | None = None) -> FoundFile:
        """Searches for every picture.

        Args:
            targets: pictures, as `read_targets` brings them to `shape`.
            labels: (P,) or (P, W) of the space; null searches for them too.
            go_on: see `inverter.GoOn`.

        Raises:
            Cancelled: if it says no.
        """
        sampler = self.distance.sampler
        found = self.inverter.find(targets.images, labels, go_on)
        facts = FoundFacts(
            **z_facts(self.checkpoint, sampler),
            names=targets.names,
            label_schema=sampler.label_space.schema.model_dump(mode="json"),
            settings=self.settings | {"labels_given": labels is not None},
            made_with={"cgan_dist": __version__, "torch": torch.__version__, "device": self.distance.device.type},
        )
        return FoundFile(facts, targets.images, found)


def request_search(
    checkpoint: Checkpoint,
    sampler: Sampler,
    plan: Plan | None = None,
    features: FeatureName | None = None,
    feature_weight: float = 0.5,
    data: Path | str | None = None,
    encoder_images: int = 0,
    reads_labels: bool = True,
    trust_code: bool = False,
    go_on: GoOn | None = None,
) -> Search:
    """Loads what a search needs.

    Args:
        checkpoint: of the generator.
        sampler: of it, as `load_sampler` gives it; its seed is that of the search.
        plan: of the search.
        features: that are compared; null is the discriminator's, or none of a run on latents.
        feature_weight: of them, 0 to 1; pixels have the rest.
        data: shards for the classifier, in place of those of training.
        encoder_images: samples that an encoder learns from; 0 for none.
        reads_labels: let the classifier of the real images help to find labels, where it can be had.
        trust_code: import and open what a stranger's checkpoint names.
        go_on: asked before each step of the encoder's training.

    Raises:
        UserError: if there are no such features, or the checkpoint is not what its config says.
    """
    plan, latents = plan or Plan(), DataSpec.from_dict(checkpoint.state["data"]).latents
    features = features or ("discriminator" if latents is None else "none")
    load = load_classifier if features == "classifier" else find_classifier
    classifier = load(checkpoint, sampler, data, trust_code) if features == "classifier" or reads_labels else None
    distance = load_distance(checkpoint, sampler, features, feature_weight, classifier, trust_code)
    encoder = learn_encoder(distance, encoder_images, go_on) if encoder_images else None
    settings: dict[str, str | int | float | bool | None] = asdict(plan)
    settings |= {"features": features, "feature_weight": feature_weight, "seed": sampler.seed}
    settings |= {"encoder_images": encoder_images}
    return Search(
        checkpoint=checkpoint,
        distance=distance,
        inverter=Inverter(distance, plan, classifier, encoder),
        settings=settings,
    )


def sha256_of(checkpoint: Checkpoint) -> str:
    """Of its manifest, which has the hash of every file in it; hex."""
    return hashlib.sha256((checkpoint.folder / FILES_MANIFEST).read_bytes()).hexdigest()


def z_facts(checkpoint: Checkpoint, sampler: Sampler) -> dict[str, Any]:
    """What a file of something in z says of its generator: fields of `ZFacts`."""
    return {
        "checkpoint": os.path.abspath(checkpoint.folder),
        "checkpoint_sha256": sha256_of(checkpoint),
        "images_seen": checkpoint.images_seen,
        "latent": sampler.latent,
        "latent_dim": sampler.latent_dim,
    }


def load_distance(
    checkpoint: Checkpoint,
    sampler: Sampler,
    features: FeatureName = "discriminator",
    weight: float = 0.5,
    classifier: Classifier | None = None,
    trust_code: bool = False,
) -> Distance:
    """Builds the distance of pictures to what a checkpoint's EMA generator draws.

    Args:
        checkpoint: of the generator.
        sampler: of it, as `load_sampler` gives it.
        features: `discriminator`, those of the checkpoint's D; `classifier`, those of `classifier`; or `none`.
        weight: of the features, 0 to 1; pixels have the rest.
        classifier: of the real images, see `load_classifier`.
        trust_code: import the plug-ins that a stranger's checkpoint names.

    Raises:
        UserError: if there are no such features, or the checkpoint is not what its config says.
    """
    if not 0 <= weight <= 1:
        raise UserError(f"--feature-weight: found {weight:g}; expected 0 to 1, of which pixels have the rest.")
    view: View | None = None
    if features == "classifier":
        if classifier is None:
            raise UserError("--features classifier: there is none: it is learned from the run's data. Give --data.")
        view = ClassifierView(classifier)
    elif features == "discriminator":
        view = _discriminator(checkpoint, next(sampler.generator.parameters()).device, trust_code)
    return Distance(sampler, view, weight)


def load_classifier(
    checkpoint: Checkpoint,
    sampler: Sampler,
    data: Path | str | None = None,
    trust_code: bool = False,
    label_space: LabelSpace | None = None,
    where: str = "--features classifier",
) -> Classifier:
    """Loads the classifier of a run's real images from where evaluation keeps it, or trains it.

    Args:
        checkpoint: of the run.
        sampler: of its generator.
        data: shards in place of those that it was trained on.
        trust_code: open what a stranger's checkpoint names.
        label_space: of the data's labels, for a classifier of others than the generator has.
        where: the option that asks for it, for errors.

    Raises:
        UserError: if the shards are not there, or there are no labels to learn.
    """
    space = label_space or sampler.label_space
    check_readable(space, where)
    reals = Selection(load_shards(checkpoint, data, "--data", trust_code, sampler), space)
    reals.shards.verify_if_small()
    device = next(sampler.generator.parameters()).device
    found = load_or_train(
        reals.images(0, len(reals)),
        reals.labels,
        reals.label_space,
        reals.shards.cache_folder,
        reals.fingerprint,
        float64_device(device),
    )
    return found.float().to(device).eval()


def find_classifier(
    checkpoint: Checkpoint, sampler: Sampler, data: Path | str | None = None, trust_code: bool = False
) -> Classifier | None:
    """The same where it can be had, which a search can do without; why not is said in the log."""
    if data is None and not sampler.label_space.layout.width:
        return None
    try:
        return load_classifier(checkpoint, sampler, data, trust_code)
    except UserError as error:
        if data is not None:
            raise
        logger.warning("No classifier of the real images, by which labels would be read: %s", error)
        return None


def _discriminator(checkpoint: Checkpoint, device: torch.device, trust_code: bool) -> DiscriminatorView:
    config = trusted_config(checkpoint, NETWORKS, trust_code)
    spec = DataSpec.from_dict(checkpoint.state["data"])
    if spec.latents is not None:
        raise UserError(
            "--features discriminator: this run's discriminator judges latents and not pictures; take classifier or "
            "none."
        )
    networks = build_networks(config, spec, build_label_space(config, spec))
    check_form(checkpoint, config, "discriminator", networks.discriminator)
    networks.discriminator.load_state_dict(checkpoint.tensors("discriminator"))
    pixels = PIXEL_RANGES[config.data.pixels]
    return DiscriminatorView(networks.discriminator.to(device), pixels, networks.levels.count)
