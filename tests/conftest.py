"""Shared fixtures: small real-looking shards and a config over them."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("OMP_NUM_THREADS", "1")
torch.set_num_threads(1)

from cgan_dist.config import plugin_path  # noqa: E402
from cgan_dist.config.document import Config, load_config  # noqa: E402
from cgan_dist.data.source import InMemory, Source  # noqa: E402
from cgan_dist.data.writer import Plan, write_shards  # noqa: E402
from cgan_dist.labels import ClassLabels  # noqa: E402

NUM_CLASSES = 3
SIZE = 8


def pytest_configure() -> None:
    """Lets what tests start get signals, though these tests were started by nohup or behind an & in a script.

    That a signal is ignored is inherited; that it is handled is not.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def striped_images(count: int, seed: int = 0, size: int = SIZE, channels: int = 1) -> Source:
    """Makes small images whose class is visible: 0 has bright rows, 1 bright columns, 2 is bright all over."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, NUM_CLASSES, count)
    images = generator.integers(0, 60, (count, size, size, channels), dtype=np.uint8)
    images[labels == 0, ::2] += np.uint8(190)
    images[labels == 1, :, ::2] += np.uint8(190)
    images[labels == 2] += np.uint8(190)
    schema = ClassLabels(names=["rows", "columns", "flat"])
    return Source(labels=labels.astype(np.int64), schema=schema, read=InMemory(images), description="stripes")


def pixels_of(source: Source) -> np.ndarray:
    """All images of a source in memory, (N, H, W, C)."""
    return np.stack([source.read(index) for index in range(len(source))])


@pytest.fixture
def stripes() -> Source:
    return striped_images(203)


@pytest.fixture(scope="session")
def shards_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """203 images in 5 uneven shards; tests that damage shards copy the folder first."""
    folder = tmp_path_factory.mktemp("data") / "stripes"
    write_shards(striped_images(203), folder, Plan(shards=5))
    return folder


CONFIG = """\
run: {{name: test, dir: {runs}}}
data: {{path: {data}, workers: 0, streams: 4}}
generator: {{latent_dim: 8, args: {{width: 4}}}}
discriminator: {{args: {{width: 4}}}}
train: {{batch_size: 8, total_images: 64}}
sample: {{interval_images: 32, per_class: 2}}
checkpoint: {{interval_images: 32}}
tracking: {{trackers: [], interval_images: 16}}
"""


@pytest.fixture
def config_file(tmp_path: Path, shards_folder: Path) -> Path:
    """A config of a run that takes a second."""
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(runs=tmp_path / "runs", data=shards_folder))
    return path


@pytest.fixture
def make_config(config_file: Path) -> Callable[..., Config]:
    """Loads that config with overrides: `make_config("train.batch_size=16")`."""
    return lambda *overrides: load_config(config_file, overrides)


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 5,000 real digits."""
    from cgan_dist.data.sources import mnist5k

    folder = tmp_path_factory.mktemp("data") / "mnist5k"
    write_shards(mnist5k.load(None, "train"), folder, Plan(shards=8))
    return folder


@pytest.fixture(scope="session")
def autoencoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small one of random weights, as diffusers writes it: 16x16 colour to 8x8x4."""
    from tests.autoencoders import save_autoencoder

    return save_autoencoder(tmp_path_factory.mktemp("autoencoder") / "small")


@pytest.fixture(scope="session")
def coloured_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """61 images of 16x16 in colour, in 3 uneven shards."""
    folder = tmp_path_factory.mktemp("data") / "coloured"
    write_shards(striped_images(61, size=16, channels=3), folder, Plan(shards=3))
    return folder


@pytest.fixture(scope="session")
def latents_folder(coloured_folder: Path, autoencoder_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their moments; tests that damage them copy the folder first."""
    from tests.autoencoders import encoded

    return encoded(coloured_folder, autoencoder_folder, tmp_path_factory.mktemp("data") / "latents")


@pytest.fixture(scope="session", autouse=True)
def _own_user_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is left in the user's state and cache folders is left in those of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("XDG_STATE_HOME", "XDG_CACHE_HOME"):
            patch.setenv(variable, str(tmp_path_factory.mktemp("user")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _import_path() -> list[str]:
    return sys.path[:]


@pytest.fixture(autouse=True)
def _fresh_import_path(_import_path: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A command takes the working folder off the import path, and lets in folders; each test starts without that."""
    monkeypatch.setattr(sys, "path", _import_path[:])
    monkeypatch.setattr(plugin_path, "_let_in", [])


@pytest.fixture(autouse=True)
def _fresh_accelerate_state() -> Iterator[None]:
    """Accelerate keeps process-wide state; each test starts without it, and fixtures of many tests do too."""
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(autouse=True)
def _fresh_logging() -> Iterator[None]:
    """A run takes over the package's logger; each test gets it back as it was."""
    yield
    package = logging.getLogger("cgan_dist")
    for handler in package.handlers:
        handler.close()
    package.handlers.clear()
    package.propagate = True
    package.setLevel(logging.NOTSET)
