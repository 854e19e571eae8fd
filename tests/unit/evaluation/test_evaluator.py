from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from einops import rearrange
from torch import Tensor

from cgan_dist.conditioning.spaces import LABEL_SPACES
from cgan_dist.conditioning.spaces.attributes import Attributes
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.config.values import Named
from cgan_dist.config.watching import EvaluateConfig
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.source import InMemory, Source
from cgan_dist.data.storage import Storage
from cgan_dist.data.writer import Plan, write_shards
from cgan_dist.distributed.group import build_accelerator
from cgan_dist.errors import UserError
from cgan_dist.evaluation import arithmetic
from cgan_dist.evaluation.candidates import GeneratedImages, RealImages
from cgan_dist.evaluation.evaluator import Evaluator, check_extractors, check_metrics
from cgan_dist.evaluation.metrics.base import ImageSet, Metric, RealSet
from cgan_dist.evaluation.metrics.path_length import trimmed_mean
from cgan_dist.evaluation.selection import Selection
from cgan_dist.labels import AttributeLabels, NoLabels
from cgan_dist.sampling.sampler import Sampler
from tests.unit import brightness
from tests.unit.brightness import Brightness
from tests.unit.evaluation.metrics.coloured import ALL, coloured
from tests.unit.evaluation.test_candidates import UNBALANCED, sampler_of

COUNTS = f"{brightness.__name__}:Counts"
PIXELS = f"{brightness.__name__}:Pixels"


def build(schema: Any, name: str = "auto") -> LabelSpace:
    return LABEL_SPACES.build(name, "", {}, schema=schema)  # type: ignore[no-any-return]


def config(*metrics: str | Named, **others: Any) -> EvaluateConfig:
    parts = [Named(name=metric) if isinstance(metric, str) else metric for metric in metrics]
    return EvaluateConfig(metrics=parts, **{"count": 30} | others)


def evaluator_of(shards: ShardSet, *metrics: str | Named, **others: Any) -> Evaluator:
    return Evaluator(shards, build(shards.manifest.labels), config(*metrics, **others), build_accelerator("no"))


@pytest.fixture(autouse=True)
def _forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Brightness, "prepared", [])
    monkeypatch.setattr(Brightness, "seen", [])


@pytest.fixture
def shards(shards_folder: Path, tmp_path: Path) -> ShardSet:
    kept_by_other_tests = shutil.ignore_patterns("*.safetensors")
    shutil.copytree(shards_folder, tmp_path / "data", ignore=kept_by_other_tests)
    return ShardSet(Storage(tmp_path / "data"), cache="none")


def real_images(shards: ShardSet) -> Tensor:
    return rearrange(torch.from_numpy(shards.load_all().images), "n h w c -> n c h w")


def test_a_metric_is_shown_all_fakes_and_all_real_images(shards: ShardSet) -> None:
    sampler = sampler_of(shards.manifest.labels, UNBALANCED)
    scores = evaluator_of(shards, COUNTS).scores(sampler)
    drawn = sampler.fair(30)
    assert scores["eval/counts"] == 30
    assert scores["eval/counts/labels"] == drawn.labels.mean()
    assert scores["eval/counts/mean"] == pytest.approx(drawn.images.mean(), rel=1e-5)
    assert scores["eval/counts/real"] == pytest.approx(real_images(shards).double().mean().item(), rel=1e-5)


def test_each_metric_has_the_labels_that_it_asks_for(shards: ShardSet) -> None:
    sampler = sampler_of(shards.manifest.labels, UNBALANCED)
    evaluator = evaluator_of(shards, COUNTS, PIXELS, count=300)
    scores = evaluator.scores(sampler)
    assert scores["eval/counts/labels"] == 1  # three classes in turns
    assert scores["eval/pixels"] == pytest.approx(sampler.drawn(300).images.mean())
    assert scores["eval/pixels"] != pytest.approx(sampler.fair(300).images.mean())
    protocol = evaluator.protocol(_generated(evaluator, sampler))
    assert [part["labels"] for part in protocol["metrics"]] == ["fair", "as_data"]
    part = Named(name=COUNTS, args={"asks": "as_data"})
    scores = evaluator_of(shards, part, count=300).scores(sampler)
    assert scores["eval/counts/labels"] == pytest.approx(sampler.drawn(300).labels.mean())


def _generated(evaluator: Evaluator, sampler: Sampler) -> GeneratedImages:
    return GeneratedImages(sampler, evaluator.config.count, 1)


def test_what_is_learned_of_the_real_images_is_kept(shards: ShardSet) -> None:
    sampler = sampler_of(shards.manifest.labels, UNBALANCED)
    evaluator = evaluator_of(shards, COUNTS)
    first = evaluator.scores(sampler)
    assert sum(Brightness.seen) == 203 + 30
    assert evaluator.scores(sampler) == first
    assert sum(Brightness.seen) == 203 + 30 + 30  # in memory
    assert evaluator_of(shards, COUNTS).scores(sampler) == first
    assert sum(Brightness.seen) == 203 + 30 + 30 + 30  # on disk
    assert len(Brightness.prepared) == 2
    evaluator_of(shards, COUNTS, real_count=100).scores(sampler)
    assert sum(Brightness.seen) == 203 + 3 * 30 + 100 + 30  # not for other images
    evaluator_of(shards, Named(name=COUNTS, args={"needs_real": False})).scores(sampler)
    assert sum(Brightness.seen) == 203 + 3 * 30 + 100 + 30 + 30


def test_real_features_on_disk_that_were_changed_are_not_believed(shards: ShardSet) -> None:
    sampler = sampler_of(shards.manifest.labels, UNBALANCED)
    first = evaluator_of(shards, COUNTS).scores(sampler)
    (path,) = shards.cache_folder.glob("features-*.safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert evaluator_of(shards, COUNTS).scores(sampler) == first
    assert sum(Brightness.seen) == 2 * (203 + 30)


def test_an_extractor_learns_from_the_labels_of_the_space(tmp_path: Path) -> None:
    """The labels of the data are four; those of the space are one of them."""
    images, stored = coloured(40, seed=0)
    pixels = InMemory(rearrange(images, "n c h w -> n h w c").numpy())
    write_shards(
        Source(labels=stored.numpy(), schema=ALL, read=pixels, description="coloured"), tmp_path, Plan(shards=2)
    )
    shards, space = ShardSet(Storage(tmp_path)), Attributes(ALL, names=["green"])
    evaluator = Evaluator(shards, space, config(COUNTS), build_accelerator("no"))
    evaluator.score(RealImages(Selection(shards, space)))
    (real,) = Brightness.prepared
    assert real.labels.tolist() == space.select(torch.from_numpy(shards.load_all().labels)).tolist()
    assert torch.equal(real.images, real_images(shards))
    assert (real.label_space, real.cache) == (space, shards.cache_folder)
    assert real.fingerprint == shards.manifest.fingerprint


def test_real_images_can_be_scored_in_place_of_samples(shards: ShardSet) -> None:
    evaluator = evaluator_of(shards, COUNTS, "label_accuracy", split="train")
    held_out = Selection(shards, evaluator.label_space, "held_out")
    candidates = RealImages(held_out)
    scores = evaluator.score(candidates)
    assert scores["counts"] == len(held_out)
    assert scores["counts/mean"] == pytest.approx(held_out.images(0, 20).double().mean().item(), rel=1e-5)
    assert scores["label_accuracy"] > 0.9
    protocol = evaluator.protocol(candidates)
    assert protocol["scored"] == candidates.facts()
    assert protocol["reference"] == {"data": shards.manifest.fingerprint, "split": "train", "count": 183}


def test_shuffled_labels_are_read_badly(shards: ShardSet) -> None:
    """Real images in the generator's place would score near 1."""

    class Copier:
        """Answers with real images of the labels asked for."""

        def __init__(self) -> None:
            sampler = sampler_of(shards.manifest.labels, UNBALANCED)
            self.label_space, self.distribution, self.seed = sampler.label_space, sampler.distribution, 0
            self.latents, self.truncation = sampler.latents, None
            whole = shards.load_all()
            self.pictures, self.of = real_images(shards), torch.from_numpy(whole.labels)

        def images(self, z: Tensor, labels: Tensor) -> Tensor:
            return torch.stack([self.pictures[(self.of == label).nonzero()[0, 0]] for label in labels])

    evaluator, sampler = evaluator_of(shards, "label_accuracy"), Copier()
    honest, shuffled = (
        evaluator.score(GeneratedImages(sampler, 300, 1, control))["label_accuracy"]  # type: ignore[arg-type]
        for control in (False, True)
    )
    assert honest > 0.95
    assert 0.2 < shuffled < 0.47


def test_pixels_are_there_for_a_metric_that_wants_them_and_for_no_other(shards: ShardSet) -> None:
    sampler = sampler_of(shards.manifest.labels, UNBALANCED)
    scores = evaluator_of(shards, PIXELS).scores(sampler)
    assert scores["eval/pixels"] == pytest.approx(sampler.drawn(30).images.mean())
    assert scores["eval/pixels/real"] == pytest.approx(real_images(shards).double().mean().item())

    evaluator = evaluator_of(shards, PIXELS)
    evaluator.metrics[0].metric.needs_images = False
    with pytest.raises(AssertionError, match="only for a metric with needs_images"):
        evaluator.scores(sampler)


def test_ways_of_a_linear_generator_have_the_length_of_the_closed_form(shards: ShardSet) -> None:
    """It paints 127.5 (z + 1) in one of two columns, whose means the features are, beside the mean of the row."""
    sampler = sampler_of(shards.manifest.labels, UNBALANCED)
    scores = evaluator_of(shards, f"path_length@{brightness.NAME}", COUNTS, count=300).scores(sampler)
    one, other = (sampler.latents(300, "ends of ways", number)[:, 0].double() for number in (0, 1))
    exact = trimmed_mean((1 + 1 / 4) * (127.5 * (other - one)).square())
    assert scores[f"eval/path_length@{brightness.NAME}"] == pytest.approx(exact, rel=1e-3)
    assert scores["eval/counts"] == 300  # beside them samples, for a metric of those
    exact = trimmed_mean((1 + 1 / 4) * (127.5 * (other - one))[1::3].square())
    assert scores[f"eval/path_length@{brightness.NAME}/class_1"] == pytest.approx(exact, rel=1e-3)


def test_real_images_have_no_ways_and_that_is_said_before_they_are_read(shards: ShardSet) -> None:
    evaluator = evaluator_of(shards, f"path_length@{brightness.NAME}")
    with pytest.raises(UserError, match="^evaluate.metrics: path_length@.* measures ways through z, and real images"):
        evaluator.score(RealImages(Selection(shards, evaluator.label_space)))
    assert Brightness.prepared == []


def test_the_protocol_says_what_figures_depend_on(shards: ShardSet) -> None:
    sampler = sampler_of(shards.manifest.labels, UNBALANCED)
    evaluator = evaluator_of(shards, COUNTS)
    evaluator.scores(sampler)
    protocol = evaluator.protocol(_generated(evaluator, sampler))
    assert protocol["metrics"] == [{"name": COUNTS, "args": {}, "labels": "fair"}]
    assert (protocol["scored"]["count"], protocol["scored"]["seed"]) == (30, 3)
    assert protocol["extractors"] == {brightness.NAME: "ab" * 32}
    assert protocol["versions"]["torch"] == torch.__version__.split("+")[0]


def test_nothing_asked_nothing_done(shards: ShardSet) -> None:
    assert evaluator_of(shards).scores(sampler_of(shards.manifest.labels, UNBALANCED)) == {}
    assert Brightness.prepared == []


@pytest.mark.parametrize("metric", ["label_accuracy", "frechet_distance", "fid@classifier"])
def test_without_labels_the_classifier_is_refused_before_anything_is_read(metric: str) -> None:
    for space in (build(NoLabels()), build(AttributeLabels(names=["hat"]), "none")):
        with pytest.raises(UserError, match=f"^evaluate.metrics: {metric} needs a classifier of the real images'"):
            check_extractors(config(metric), space)


def test_what_is_unknown_is_refused(shards: ShardSet) -> None:
    with pytest.raises(UserError, match="Did you mean 'label_accuracy'?"):
        check_metrics(["label_acuracy"], build(NoLabels()))
    with pytest.raises(UserError, match="unknown feature extractor 'inceptoin'. Did you mean 'inception'?"):
        check_extractors(config("fid@inceptoin"), build(NoLabels()))
    with pytest.raises(UserError, match="expected a subclass of cgan_dist.Extractor"):
        evaluator_of(shards, f"fid@{__name__}:NoExtractor")


class Surroundings(Metric):
    """Says what it computes with."""

    needs_real = False

    def __init__(self, exact: bool) -> None:
        self.exact = exact

    def score(self, real: RealSet, fakes: ImageSet) -> dict[str, float]:
        on_cpu, full = real.device.type == "cpu", torch.get_float32_matmul_precision() == "highest"
        return {"threads": torch.get_num_threads(), "on_cpu": on_cpu, "without_tf32": full}


@pytest.mark.parametrize(("exact", "threads"), [(True, 3), (False, 1)])
def test_only_arithmetic_that_does_not_show_it_has_more_threads(
    shards: ShardSet, monkeypatch: pytest.MonkeyPatch, exact: bool, threads: int
) -> None:
    monkeypatch.setattr(arithmetic, "usable_cores", lambda: 8)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    evaluator = evaluator_of(shards, Named(name=f"{__name__}:Surroundings", args={"exact": exact}))
    scores = evaluator.scores(sampler_of(shards.manifest.labels, UNBALANCED))
    assert scores == {"eval/threads": threads, "eval/on_cpu": True, "eval/without_tf32": True}


class NoExtractor:
    """Something else by the same road."""

    def __init__(self, label_space: LabelSpace) -> None:
        pass
