from __future__ import annotations

import pytest
import torch

from cgan_dist.conditioning.spaces.none import Unlabelled
from cgan_dist.distributed.group import build_accelerator
from cgan_dist.errors import UserError
from cgan_dist.evaluation.extraction import extract, shares
from cgan_dist.labels import NoLabels
from tests.unit.brightness import Brightness, Broken

SPACE = Unlabelled(NoLabels())
IMAGES = torch.randint(0, 256, (30, 1, 4, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.mark.parametrize("count", [1, 5, 8, 9, 16, 31, 32, 33])
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_shares_are_the_whole_list_in_its_order(count: int, processes: int) -> None:
    rounds = list(zip(*(shares(count, rank, processes, size=8) for rank in range(processes)), strict=True))
    found: list[int] = []
    for one in rounds:
        assert len({share.rows for share in one}) == 1
        rows: list[int] = []
        for share in one:
            assert 0 < share.stop - share.start <= 8
            rows += [*range(share.start, share.stop), *[-1] * (8 - share.stop + share.start)]
        found += rows[: one[0].rows]
    assert found == list(range(count))


def test_every_image_is_looked_at_once_by_every_extractor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cgan_dist.evaluation.extraction.ROUND", 16)
    monkeypatch.setattr(Brightness, "seen", [])
    made: list[tuple[int, int]] = []

    def images_of(start: int, stop: int) -> torch.Tensor:
        made.append((start, stop))
        return IMAGES[start:stop]

    extractors = {"a": Brightness(SPACE), "b": Brightness(SPACE)}
    for extractor in extractors.values():
        extractor.network.weight.data.fill_(1.0)
    found = extract(build_accelerator("no"), extractors, 30, images_of, "samples", keep_images=True)
    assert sum(Brightness.seen) == 2 * 30
    assert max(Brightness.seen) == Brightness.batch
    assert [stop - start for start, stop in made] in ([16, 14], [30])
    expected = extractors["a"].extract(IMAGES)
    for features in found.features.values():
        torch.testing.assert_close(features.embedding, expected.embedding)
        torch.testing.assert_close(features.logits, expected.logits)
    assert found.images is not None
    assert torch.equal(found.images, IMAGES)
    assert extract(build_accelerator("no"), extractors, 30, images_of, "samples").images is None


def test_features_that_are_not_finite_are_an_error() -> None:
    with pytest.raises(UserError, match="^samples: the embedding of extractor broken is not finite"):
        extract(
            build_accelerator("no"), {"broken": Broken(SPACE)}, 5, lambda start, stop: IMAGES[start:stop], "samples"
        )
