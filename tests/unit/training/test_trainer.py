"""What is left when training ends, however it ends."""

from __future__ import annotations

import multiprocessing
import threading

import pytest

from cgan_dist.assembly.trainer import build_trainer
from tests.unit.training.test_step import ConfigMaker


def helpers() -> list[str]:
    """Names of loader processes, and of the threads that join what they read."""
    threads = [thread.name for thread in threading.enumerate() if thread.name == "ahead"]
    return [process.name for process in multiprocessing.active_children()] + threads


def test_the_log_says_once_how_long_it_will_take(make_config: ConfigMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    monkeypatch.setattr("cgan_dist.training.pace.KNOWN_AFTER_SECONDS", 0.0)
    trainer = build_trainer(make_config())
    try:
        trainer.fit()
    finally:
        trainer.maintenance.close()
    lines = (trainer.folder / "log.txt").read_text().splitlines()
    assert len([line for line in lines if "images/s, the run takes another" in line]) == 1


@pytest.mark.parametrize("ending", ["an error", "the end"])
def test_loader_workers_end_with_training(
    make_config: ConfigMaker, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    """Held by an error's traceback, they would be there until Python ends, and be ended by force then."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    trainer = build_trainer(make_config("data.workers=2"))
    real, seen = trainer.step.iterate, list[list[str]]()

    def iterate(batches: object, images_seen: int) -> None:
        real(batches, images_seen)  # type: ignore[arg-type]
        seen.append(helpers())
        if ending == "an error" and images_seen == 24:
            raise ZeroDivisionError("in the middle")

    monkeypatch.setattr(trainer.step, "iterate", iterate)
    error = None
    try:
        trainer.fit()
    except ZeroDivisionError as found:
        error = found
    finally:
        trainer.maintenance.close()
    assert len(seen) == (4 if ending == "an error" else 8)
    assert all(len(names) >= 2 for names in seen)
    assert (error is not None) == (ending == "an error")
    assert helpers() == []
