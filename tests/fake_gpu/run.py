"""From a case to a report: its training step, built as a run builds it, on the device that is not there."""

from __future__ import annotations

import tempfile
import traceback
from pathlib import Path
from typing import Any

from accelerate.state import AcceleratorState, GradientState

from cgan_dist.assembly.dry_run import build_trial
from cgan_dist.assembly.inputs import check_inputs
from cgan_dist.assembly.networks import build_networks
from cgan_dist.assembly.step import build_step
from cgan_dist.config.document import Config, load_config
from cgan_dist.data.loader import Loader, one_step_ahead
from cgan_dist.distributed.group import build_accelerator
from tests.fake_gpu.cases import SMALL, Case
from tests.fake_gpu.ledger import ROOT
from tests.fake_gpu.mistakes import made
from tests.fake_gpu.mode import FakeGpu
from tests.fake_gpu.whole_run import whole_run

Report = dict[str, Any]
"""Of one case: its name, the traceback of its `error`, or null, and `pages`, what was done in each part of it."""


class Runner:
    """Runs cases one after the other.

    Args:
        gpu: the device.
        world_size: ranks; this is rank 0.
        folder: for data and runs.
    """

    def __init__(self, gpu: FakeGpu, world_size: int, folder: Path) -> None:
        self.gpu = gpu
        self.world_size = world_size
        self.folder = folder
        (folder / "small.yaml").write_text(SMALL)

    def report(self, case: Case) -> Report:
        """Runs one; what goes wrong is part of the report."""
        AcceleratorState._reset_state(reset_partial_state=True)
        GradientState._reset_state()
        self.gpu.pages.clear()
        error = None
        try:
            with self.gpu, made(case.mistake):
                if case.whole_run:
                    whole_run(self.gpu, self.config(case))
                elif case.measured:
                    self.measure(case)
                else:
                    self.iterate(case)
        except Exception:
            error = traceback.format_exc()
        pages = {name: ledger.report() for name, ledger in self.gpu.pages.items()}
        return {"case": case.name, "error": error, "pages": pages}

    def config(self, case: Case) -> Config:
        """That of a case, with its data, and without what only takes time."""
        path = ROOT / "configs" / case.config if case.config else self.folder / "small.yaml"
        own = [
            f"run.dir={tempfile.mkdtemp(dir=self.folder)}",
            f"data.path={case.data.prepared(self.folder)}",
            "data.workers=0",
            "tracking.trackers=[]",
            "evaluate.metrics=[]",  # of the configs; a case that names others has the last word
        ]
        return load_config(path, [*own, *case.overrides])

    def measure(self, case: Case) -> None:
        """Tries a step as `cgan-dist check` does."""
        config = self.config(case)
        inputs = check_inputs(config, self.world_size, rank=0)
        trial = build_trial(config, inputs, build_networks(config, inputs.spec, inputs.label_space))
        with self.gpu.page("try"):
            trial.scalars()
        with self.gpu.page("measure"):
            found = trial.measure(self.world_size)
        assert (found.device, found.name, found.limit_bytes) == ("cuda", "a GPU that is not there", 24 * 2**30)

    def iterate(self, case: Case) -> None:
        """Builds the step and calls it, with batches as they come from a loader."""
        config = self.config(case)
        inputs = check_inputs(config, self.world_size, rank=0)
        with self.gpu.page("start"):
            networks = build_networks(config, inputs.spec, inputs.label_space)
            step = build_step(config, inputs, networks, build_accelerator(inputs.precision, config.train.tf32))
        loader = Loader(
            inputs.shards,
            batch_size=config.train.batch_size,
            streams=config.data.streams,
            seed=config.run.seed,
            world_size=self.world_size,
            pin_memory=True,
        )
        batches = one_step_ahead(loader.batches(0), step.accelerator.device)
        for number in range(case.iterations):
            images_seen = number * step.images_per_iteration
            with self.gpu.page(f"iteration {images_seen}"):
                step.iterate(batches, images_seen)
