"""Where numbers and pictures go: `metrics.jsonl` always, W&B, TensorBoard or your own tracker as mirrors of it.

The x-axis is images seen. A tracker of your own inherits from `cgan_dist.trackers.base.Tracker`. No other folder
imports wandb.
"""

from cgan_dist.config.registry import Registry

TRACKERS = Registry(
    "tracker",
    "cgan_dist:Tracker",
    {
        "tensorboard": "cgan_dist.trackers.tensorboard:TensorBoardTracker",
        "wandb": "cgan_dist.trackers.wandb:WandbTracker",
    },
)
"""Mirrors of `metrics.jsonl`, each built with the keyword `run`, a `TrackedRun`."""
