"""A run from its start to its end and, from its checkpoint, on; each room that it visits gets a page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

from cgan_dist.assembly.trainer import build_trainer
from cgan_dist.config.document import Config
from cgan_dist.evaluation.features.inception import InceptionFeatures
from cgan_dist.training.maintenance import Due
from cgan_dist.training.trainer import Trainer
from tests.fake_gpu.mode import FakeGpu

MORE_IMAGES = 16


def whole_run(gpu: FakeGpu, config: Config) -> None:
    """Trains to `train.total_images`, starts anew, goes on from the checkpoint and trains a little more."""
    train = config.train
    longer = train.model_copy(update={"total_images": train.total_images + MORE_IMAGES})
    with (
        mock.patch.object(Trainer, "restore", _noted(gpu, lambda *_: "restore", Trainer.restore)),
        mock.patch.object(InceptionFeatures, "check"),
        mock.patch.object(InceptionFeatures, "prepare", return_value="no weights: they would have no content either"),
    ):
        for part in (config, config.model_copy(update={"train": longer})):
            trainer = build_trainer(part)
            _note_rooms(gpu, trainer)
            try:
                trainer.fit()
            finally:
                trainer.maintenance.close()


def _note_rooms(gpu: FakeGpu, trainer: Trainer) -> None:
    """Names of pages end with the clock."""
    step, maintenance = trainer.step, trainer.maintenance

    def room(due: Due, images_seen: int, last: bool) -> str:
        return f"{' and '.join(name for name, is_due in due._asdict().items() if is_due)} {images_seen}"

    for owner, method, name in (
        (step, "iterate", lambda batches, images_seen: f"iteration {images_seen}"),
        (maintenance, "carry_out", room),
        (trainer, "_agree", lambda: f"agree {trainer.images_seen}"),
    ):
        setattr(owner, method, _noted(gpu, name, getattr(owner, method)))


def _noted(gpu: FakeGpu, name: Callable[..., str], method: Callable[..., Any]) -> Callable[..., Any]:
    def noted(*args: Any, **kwargs: Any) -> Any:
        with gpu.page(name(*args, **kwargs)):
            return method(*args, **kwargs)

    return noted
