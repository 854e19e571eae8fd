"""A cluster for all tests of this folder, and runs to submit to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.test_kill import images_logged
from tests.slurm.cluster import INSTALL, Cluster, missing_programs

TOTAL = 4_800
CONFIG = """\
run: {{name: {name}, dir: {runs}}}
data: {{path: {data}, workers: 0, streams: 4, augment: [flip]}}
generator: {{latent_dim: 8, args: {{width: 4}}}}
discriminator: {{args: {{width: 4}}}}
train: {{batch_size: 8, total_images: {total}}}
sample: {{interval_images: 100000, per_class: 2}}
checkpoint: {{interval_images: 800}}
tracking: {{trackers: [wandb], interval_images: 160}}
"""
LAYOUT = ("--nodes=2", "--cpus-per-task=2", "--time=30")


@dataclass(frozen=True)
class Run:
    """A run that one test submits.

    Attributes:
        cluster: where.
        config: its file.
        folder: the run folder.
    """

    cluster: Cluster
    config: Path
    folder: Path

    def submit(self, *options: str, overrides: tuple[str, ...] = (), **environment: str) -> str:
        """`sbatch slurm/train.sbatch CONFIG`, with two processes on each of two nodes; returns the job's id."""
        return self.cluster.run(
            "sbatch",
            "--parsable",
            *LAYOUT,
            f"--output={self.log}",
            *options,
            "slurm/train.sbatch",
            str(self.config),
            *overrides,
            **{"PROCESSES_PER_NODE": "2"} | environment,
        ).strip()

    @property
    def log(self) -> Path:
        return self.config.with_suffix(".out")

    @property
    def images(self) -> int:
        """What metrics.jsonl has come to."""
        logged = images_logged(self.folder)
        return logged[-1] if logged else 0

    def wait_for_images(self, count: int) -> None:
        """Waits until training has come so far."""
        self.cluster.wait(f"{count} images", lambda: self.images >= count, log=self.log)

    @property
    def attempts(self) -> list[str]:
        """A line for each attempt that ended."""
        return (self.folder / "slurm" / "attempts.log").read_text().splitlines()


def _started(**settings: str) -> Iterator[Cluster]:
    if missing := missing_programs():
        pytest.fail(f"These tests need Slurm; not found: {', '.join(missing)}. On Debian: {INSTALL}", pytrace=False)
    cluster = Cluster(SC_KILLWAIT="15", **settings)
    try:
        yield cluster
    finally:
        cluster.close()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Two nodes; a preempted job gets its own warning signal first, as many sites have it."""
    yield from _started(SC_SLURMD_TIMEOUT="15")


@pytest.fixture(scope="session")
def plain_cluster() -> Iterator[Cluster]:
    """The same with Slurm's defaults: a preempted job gets SIGTERM."""
    yield from _started(SC_PREEMPT_USER_SIGNAL="0")


@pytest.fixture
def make_run(tmp_path: Path, shards_folder: Path) -> Callable[..., Run]:
    """Writes a config and says where its run will be: `make_run(cluster, name="other", total=800)`."""

    def make(on: Cluster, name: str = "run", total: int = TOTAL) -> Run:
        config = tmp_path / f"{name}.yaml"
        config.write_text(CONFIG.format(name=name, runs=tmp_path / "runs", data=shards_folder, total=total))
        return Run(on, config, tmp_path / "runs" / name)

    return make


@pytest.fixture(scope="session")
def undisturbed(cluster: Cluster, shards_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that nothing happened to, started by `cgan-dist submit`, its evaluation behind it."""
    root = tmp_path_factory.mktemp("undisturbed, 100%")
    config = root / "run.yaml"
    config.write_text(CONFIG.format(name="run", runs=f'"{root}/runs"', data=shards_folder, total=TOTAL))
    run = Run(cluster, config, root / "runs" / "run")
    options = ("--nodes", "2", "--processes-per-node", "2", "--cpus-per-node", "2", "--time", "30")
    said = cluster.run("cgan-dist", "submit", "--config", str(config), *options, "--evaluate", "label_accuracy")
    (root / "said.txt").write_text(said)
    return run
