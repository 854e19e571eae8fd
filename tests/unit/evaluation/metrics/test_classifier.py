from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from cgan_dist.conditioning.condition import Layout
from cgan_dist.conditioning.spaces import LABEL_SPACES
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.evaluation.metrics import classifier
from cgan_dist.evaluation.metrics.classifier import Classifier, load_or_train, train_classifier
from tests.unit.evaluation.metrics.coloured import ALL, coloured


def space(name: str, **args: object) -> LabelSpace:
    return LABEL_SPACES.build(name, "", args, schema=ALL)  # type: ignore[no-any-return]


@pytest.fixture(autouse=True)
def _no_notes(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collects what classifiers are trained for."""
    found: list[str] = []
    real = train_classifier

    def note(net: Classifier, images: torch.Tensor, labels: torch.Tensor, labels_of: LabelSpace) -> None:
        found.append(labels_of.schema.kind)
        real(net, images, labels, labels_of)

    monkeypatch.setattr(classifier, "train_classifier", note)
    monkeypatch.setattr(classifier, "EPOCHS", 1)
    return found


def test_it_is_kept_for_the_same_data_and_the_same_labels_only(tmp_path: Path, trained: list[str]) -> None:
    images, stored = coloured(60, seed=0)

    def load(labels_of: LabelSpace, fingerprint: str = "a") -> Classifier:
        return load_or_train(images, labels_of.select(stored), labels_of, tmp_path, fingerprint)

    first, again = load(space("attributes")), load(space("attributes"))
    assert trained == ["attributes"]
    assert torch.equal(first.head.weight, again.head.weight)
    assert torch.equal(first.held_out, again.held_out)
    load(space("attributes", names=["red"]))
    load(space("attributes", names=["green"]))
    load(space("classes"))
    load(space("product"))
    assert trained == ["attributes", "attributes", "attributes", "classes", "product"]
    for labels_of in (space("attributes"), space("attributes", names=["red"]), space("classes"), space("product")):
        load(labels_of)
    assert len(trained) == 5
    for fingerprint in "baba":  # of a split and of another: both are kept
        load(space("classes"), fingerprint)
    assert trained[5:] == ["classes"]


def test_a_damaged_file_is_replaced(tmp_path: Path, trained: list[str]) -> None:
    images, stored = coloured(60, seed=0)
    labels_of = space("classes")
    first = load_or_train(images, labels_of.select(stored), labels_of, tmp_path, "a")
    (path,) = tmp_path.iterdir()
    path.write_bytes(b"junk")
    again = load_or_train(images, labels_of.select(stored), labels_of, tmp_path, "a")
    assert len(trained) == 2
    assert torch.equal(first.head.weight, again.head.weight)  # training is reproducible
    load_or_train(images, labels_of.select(stored), labels_of, tmp_path, "a")
    assert len(trained) == 2


def test_one_that_came_with_the_data_is_not_believed(
    tmp_path: Path, trained: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A stranger's, with the right name, hash and recipe, that claims to read everything right, and reads nothing."""
    images, stored = coloured(60, seed=0)
    labels_of = space("classes")

    def forged(net: Classifier, *_: object) -> None:
        net.held_out.fill_(1.0)
        for parameter in net.parameters():
            parameter.data.zero_()

    with monkeypatch.context() as stranger:
        stranger.setenv("XDG_STATE_HOME", str(tmp_path / "stranger"))
        stranger.setattr(classifier, "train_classifier", forged)
        load_or_train(images, labels_of.select(stored), labels_of, tmp_path / "data", "a")
        assert load_or_train(images, labels_of.select(stored), labels_of, tmp_path / "data", "a").held_out.min() == 1
    assert trained == []
    found = load_or_train(images, labels_of.select(stored), labels_of, tmp_path / "data", "a")
    assert trained == ["classes"]
    assert "Making the classifier of the real images anew" in caplog.text
    assert found.head.weight.abs().sum() > 0
    load_or_train(images, labels_of.select(stored), labels_of, tmp_path / "data", "a")
    assert trained == ["classes"]


def test_training_leaves_the_global_generator_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier, "EPOCHS", 1)
    (images, stored), labels_of = coloured(60, seed=0), space("classes")
    untrained = Classifier(3, (8, 8), labels_of.layout)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train_classifier(untrained, images, labels_of.select(stored), labels_of)
    assert torch.equal(torch.rand(3), expected)


def test_a_large_set_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier, "EPOCHS", 1)
    monkeypatch.setattr(classifier, "MAX_IMAGES", 40)
    images, stored = coloured(100, seed=0)
    labels_of, shown = space("classes"), []
    net = Classifier(3, (8, 8), labels_of.layout)
    net.register_forward_pre_hook(lambda module, args: shown.append((module.training, len(args[0]))))
    train_classifier(net, images, labels_of.select(stored), labels_of)
    assert sum(count for training, count in shown if training) == 36
    assert sum(count for training, count in shown if not training) == 4


@pytest.mark.parametrize(("most", "epochs"), [(90, 1), (91, 2), (10_000, 3)])
def test_a_large_set_is_shown_fewer_times(most: int, epochs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier, "EPOCHS", 3)
    monkeypatch.setattr(classifier, "MAX_SHOWN", most)
    (images, stored), labels_of, shown = coloured(100, seed=0), space("classes"), []
    net = Classifier(3, (8, 8), labels_of.layout)
    net.register_forward_pre_hook(lambda module, args: shown.append(len(args[0]) * module.training))
    train_classifier(net, images, labels_of.select(stored), labels_of)
    assert sum(shown) == 90 * epochs


@pytest.mark.parametrize(
    ("size", "reduced"),
    [((8, 8), 8), ((28, 28), 28), ((40, 40), 40), ((64, 64), 32), ((96, 128), 32), ((128, 128), 32)],
)
def test_large_images_are_brought_down_by_the_first_convolution(size: tuple[int, int], reduced: int) -> None:
    net = Classifier(3, size, Layout(bits=5))
    sizes: list[int] = []
    for layer in net.features:
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda _, __, output: sizes.append(output.shape[-1]))
    images = torch.zeros(2, 3, *size, dtype=torch.uint8)
    assert net(images).shape == (2, 5)
    assert sizes == [reduced, reduced // 2, reduced // 4]
    assert net.embedded(images).shape == (2, 576)


def test_on_small_images_the_network_is_that_of_the_digits() -> None:
    (first, *_) = Classifier(1, (28, 28), Layout(classes=(10,))).features
    assert isinstance(first, nn.Conv2d)
    assert (first.kernel_size, first.stride, first.padding) == ((5, 5), (1, 1), (2, 2))


@pytest.mark.parametrize("size", [(4, 4), (2, 7), (5, 300), (8, 8), (28, 28), (109, 89)])
def test_images_of_any_size_can_be_read(size: tuple[int, int]) -> None:
    net = Classifier(3, size, Layout(classes=(5,), bits=2))
    assert net(torch.zeros(2, 3, *size, dtype=torch.uint8)).shape == (2, 7)
    assert sum(isinstance(layer, nn.MaxPool2d) for layer in net.features) == 3 or min(size) < 8
