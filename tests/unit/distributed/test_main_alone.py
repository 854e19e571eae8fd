from __future__ import annotations

import pytest
import torch

from cgan_dist.distributed import main_alone
from cgan_dist.errors import UserError


def test_of_a_main_process_that_never_ends_the_others_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    store = torch.distributed.HashStore()
    monkeypatch.setattr(main_alone, "_get_default_store", lambda: store)
    monkeypatch.setattr(main_alone, "ALONE_HOURS", 0)
    with pytest.raises(UserError, match="^Rank 0 has worked alone for 0 hours. Suspect a metric that never ends"):
        main_alone._wait_for_main("key")
    store.set("key", "")
    main_alone._wait_for_main("key")
