"""`launch/train.py` on a machine so busy that the first rank takes seconds to be gone after its last word."""

from __future__ import annotations

import atexit
import os
import time

from cgan_dist.commands.train import train

if __name__ == "__main__":
    if os.environ["RANK"] == "0":
        atexit.register(time.sleep, 5)
    train()
