"""What is run on the device that is not there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import cycle

from cgan_dist.losses.penalties import PENALTIES
from tests.fake_gpu.shards import Data


@dataclass(frozen=True)
class Case:
    """One config and its data.

    Attributes:
        name: of the report.
        data: what it trains on.
        overrides: of the config's keys.
        config: file below `configs/`; null is `SMALL`.
        iterations: how many, each with a page of its own in the report.
        whole_run: do all that a run does.
        measured: do what `cgan-dist check` does, in place of iterations.
        mistake: of `mistakes.MISTAKES`, to be made.
    """

    name: str
    data: Data
    overrides: tuple[str, ...] = ()
    config: str | None = None
    iterations: int = 1
    whole_run: bool = False
    measured: bool = False
    mistake: str | None = None


SMALL = """\
run: {name: small}
generator: {latent_dim: 8, latent: normal}
train: {batch_size: 16, total_images: 160, plan: [D, G], share_z: false}
"""
"""A config that is small in all that costs time here, and in nothing else."""
NETWORKS = {
    "dcgan": "width: 4",
    "resnet": "width: 4, max_width: 8",
    "r3": "width: 4, max_width: 8, group_size: 4, blocks: 1",
    "transformer": "width: 8, depth: 2, heads: 2, levels: 2, patch: 4",
}
SPACES = {"classes": "three", "attributes": "faces", "continuous": "reals", "product": "several", "none": "none"}
"""Each label space, and labels for it."""
G_WAYS = ("concat", "embedding", "film")
D_WAYS = ("channels", "embedding_channels", "projection", "channels, auxiliary")
D_WAYS_OF_CLASSES = ("projection, d2d_ce", "multi_hinge")
PRECISIONS = ("no", "bf16", "fp16")
ALL_PENALTIES = f"loss.penalties={{{', '.join(f'{name}: 0.1' for name in PENALTIES)}}}"
TOP_K = "loss.top_k=0.5"
ALL_AUGMENTATIONS = ("data.augment=[color, translation, cutout, flip]", "data.augment_probability=0.5")
ADA = "data.augment={name: ada, args: {pipeline: bgcfnc}}"
BY_ROWS = ("optim.tables=rows", "conditioning.discriminator=[channels, projection]")
FOURIER = (
    "conditioning.labels=continuous",
    "conditioning.generator=['examples.fourier:FourierLatent']",
    "conditioning.discriminator=['examples.fourier:FourierChannels', projection]",
)
CONFIGS = {
    "celeba": Data(64, 3, "faces"),
    "celeba_128": Data(128, 3, "faces"),
    "cifar10": Data(32, 3, "ten"),
    "demo": Data(28, 1, "ten"),
    "drawn_celeba": Data(32, 3, "faces"),
    "emoji": Data(32, 3, "several"),
    "emoji64": Data(64, 3, "several"),
    "fashion_mnist": Data(28, 1, "ten"),
    "glyphs": Data(32, 1, "characters"),
    "imagefolder": Data(64, 3, "ten"),
    "imagenet256": Data(32, 3, "thousand"),
    "mnist": Data(28, 1, "ten"),
    "original/celeba": Data(108, 3, "faces"),
    "original/mnist": Data(28, 1, "ten"),
    "transformer/mnist": Data(28, 1, "ten"),
    "transformer/pictures": Data(32, 3, "ten"),
}
"""Every config, and the data that it is for."""
PICTURES = (
    "data.autoencoder=null",
    "train.batch_size=64",
    *(f"{net}.args.{name}" for net in ("generator", "discriminator") for name in ("depth=4", "checkpoint=false")),
)
"""In place of latents, for a config of these; a third of its blocks is enough to be counted. Nothing is computed again,
because casts in a backward pass are made by C++, which does not see this device."""


def small(name: str, *overrides: str, network: str = "dcgan", labels: str = "three", iterations: int = 1) -> Case:
    """A small case; by default a dcgan of classes, with the ways that are the config's default."""
    nets = [f"{part}={{name: {network}, args: {{{NETWORKS[network]}}}}}" for part in ("discriminator", "generator")]
    return Case(name, Data(16, 3, labels), (*nets, "generator.latent_dim=8", *overrides), iterations=iterations)


def configs() -> list[Case]:
    """As they stand, but in one pass: micro-batches repeat the same operations."""
    return [
        Case(
            name,
            data,
            ("train.micro_batch=null", *(PICTURES if name == "imagenet256" else ())),
            f"{name}.yaml",
            iterations=2,
        )
        for name, data in CONFIGS.items()
    ]


def conditioning() -> list[Case]:
    """Every network with every label space, and with every way that takes it; of the costly transformer, some."""
    cases = [
        small(f"{network}: none", "conditioning.labels=none", network=network, labels="none") for network in NETWORKS
    ]
    several = ("conditioning.generator=[embedding, film]", "conditioning.discriminator=[channels, projection]")
    cases.append(small("transformer: several ways", *several, network="transformer", labels="several"))
    for network in ("dcgan", "resnet", "r3"):
        for space in ("classes", "attributes", "continuous", "product"):
            ways = zip(cycle(G_WAYS), (*D_WAYS, *(D_WAYS_OF_CLASSES if space == "classes" else ())), strict=False)
            cases += [
                small(
                    f"{network}: {space}, {g} and {d}",
                    f"conditioning.labels={space}",
                    f"conditioning.generator=[{g}]",
                    f"conditioning.discriminator=[{d}]",
                    network=network,
                    labels=SPACES[space],
                )
                for g, d in ways
            ]
    return cases


def options() -> list[Case]:
    """What else a config may ask for."""
    everything = (ALL_PENALTIES, *ALL_AUGMENTATIONS, TOP_K)
    return [
        *(
            small(
                f"everything on {network} in {precision}", f"train.precision={precision}", *everything, network=network
            )
            for network in NETWORKS
            for precision in (PRECISIONS if network != "transformer" else ("bf16",))
        ),
        small(
            "levels apart under guidance",
            "discriminator.args.apart=true",
            "loss={guidance: true, consistency: 1}",
            network="transformer",
        ),
        *(small(f"penalty {name}", f"loss.penalties={{{name}: 1.0}}") for name in PENALTIES),
        *(
            small(f"augmentation {name}", f"data.augment=[{name}]")
            for name in ("color", "cutout", "flip", "translation", "ada")
        ),
        small(
            "all of ada on r3 in fp16", ADA, ALL_PENALTIES, "train.precision=fp16", "train.micro_batch=8", network="r3"
        ),
        small("all of ada under a loss of pairs", ADA, "loss.adversarial=relativistic", iterations=2),
        *(
            small(f"loss {name}", f"loss.adversarial={name}")
            for name in ("hinge", "least_squares", "non_saturating", "relativistic")
        ),
        small("loss wasserstein", "loss.adversarial=wasserstein", "loss.penalties={gp: 1.0}"),
        *(
            small(f"tables by rows in {precision}", *BY_ROWS, f"train.precision={precision}", labels="thousand")
            for precision in PRECISIONS
        ),
        small("tables by rows in micro-batches", *BY_ROWS, "train.micro_batch=8", labels="thousand"),
        small("the best of a batch", TOP_K, "loss.adversarial=relativistic"),
        small("lazy penalties", "loss.penalties={r1: 1.0}", "loss.lazy_updates=2", iterations=2),
        small("micro-batches", *everything, "train.micro_batch=8"),
        small("plan of the original, one z", "train.plan=[G, G, D]", "train.share_z=true"),
        small("plan of three D", "train.plan=[D, D, D, G]"),
        small("channels outermost", "train.channels_last=false", network="r3"),
        small("doubled pixels in bf16", "generator.args.upsampling=nearest", "train.precision=bf16"),
        small("attention", "generator.args.attention=8", "discriminator.args.attention=8", network="resnet"),
        small("no average of G", "ema.half_life_images=0"),
        small("a user's own ways", *FOURIER, labels="reals"),
    ]


ROOMS = (
    "train.total_images=112",
    "tracking.interval_images=32",
    "tracking.histograms_interval_images=112",
    "evaluate.interval_images=64",
    "checkpoint.interval_images=48",
    "guard.replicas_interval_images=80",
    "sample={interval_images: 112, per_class: 2, max_classes: 4}",
)
"""The log, a checkpoint and a comparison are each due alone at some iteration, and most at the seventh, the last."""
SCORED = (
    "evaluate.count=20",
    "evaluate.metrics=[label_accuracy, frechet_distance, kid@classifier, precision@classifier]",
)
"""Not diversity, which refuses features that are all the same, as those of images without content are."""
BY_INCEPTION = ("evaluate.metrics=[label_accuracy, frechet_distance, kid@classifier, precision@inception]",)


def runs() -> list[Case]:
    """Whole runs."""
    return [
        replace(case, overrides=(*case.overrides, *ROOMS), whole_run=True)
        for case in (
            small("a run on classes", *SCORED, *BY_INCEPTION, "data.augment=ada", "tracking.trackers=[tensorboard]"),
            small("a run by rows in fp16", *BY_ROWS, "train.precision=fp16", labels="thousand"),
            small("a run on attributes", *SCORED, "loss.penalties={lecam: 0.1}", network="resnet", labels="faces"),
            small("a run on several kinds of labels", *SCORED, network="r3", labels="several"),
        )
    ]


def measured() -> list[Case]:
    """Steps that are tried and measured, in one pass and in several."""
    return [
        replace(small(f"a step in {name}", *overrides, network="r3"), measured=True)
        for name, overrides in {
            "one pass": (ALL_PENALTIES, *ALL_AUGMENTATIONS),
            "micro-batches": ("train.micro_batch=8", "train.precision=fp16"),
        }.items()
    ]


def ranks() -> list[Case]:
    """Every config, what ranks tell each other of, and whole runs; five D in a row are as one."""
    plans = {"cifar10": ("train.plan=[D, G]",)}
    once = [replace(case, overrides=case.overrides + plans.get(case.name, ()), iterations=1) for case in configs()]
    best = [
        small("the best of all ranks", ALL_PENALTIES, TOP_K),
        small("the best of all micro-batches", TOP_K, "loss.adversarial=relativistic", "train.micro_batch=1"),
    ]
    return [*once, *best, *runs()[:2]]


def mistakes() -> list[Case]:
    """What has to be found."""
    here = "tests.fake_gpu.mistakes"
    demo = next(case for case in configs() if case.name == "demo")
    by_patch = ("every scalar as float", "average on the host", "moments on the host", "a synchronization")
    return [
        small("way on the host", f"conditioning.generator=['{here}:WayOnTheHost', concat]"),
        small("loss that asks", f"loss.adversarial={here}:AskingLoss"),
        small("loss by a mask", f"loss.adversarial={here}:MaskingLoss"),
        small("loss by an index", f"loss.adversarial={here}:IndexingLoss"),
        small("list copied to the device", f"data.augment=['{here}:ListingAugmentation']"),
        *(replace(small(name, iterations=2), mistake=name) for name in (*by_patch, "into pageable memory")),
        replace(demo, name="tensor by tensor", mistake="tensor by tensor"),
    ]


@dataclass(frozen=True)
class Family:
    """Cases that share a process.

    Attributes:
        cases: of it.
        world_size: ranks, of which rank 0 is run.
    """

    cases: list[Case]
    world_size: int = 1


FAMILIES = {
    "configs": Family(configs()),
    "small": Family([*conditioning(), *options()]),
    "runs": Family(runs()),
    "measured": Family(measured()),
    "ranks": Family(ranks(), world_size=8),
    "mistakes": Family(mistakes()),
}
"""By name."""
