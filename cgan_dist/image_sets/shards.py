"""Form `shards`: WebDataset shards with a manifest, as `cgan-dist prepare` makes them; to train on, or to verify."""

from __future__ import annotations

from pathlib import Path

from cgan_dist.config.values import Count
from cgan_dist.data.codecs import Encoding
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.source import Source
from cgan_dist.data.storage import Storage
from cgan_dist.data.writer import MAX_RAW_SIDE, Plan, write_shards
from cgan_dist.errors import UserError
from cgan_dist.image_sets.base import SetFacts
from cgan_dist.image_sets.raw_form import RawForm


class Shards(RawForm):
    """The package's own writer packs what was drawn, shuffled once.

    Args:
        folder: where to work.
        facts: of the set.
        shards: how many; at most one per image.
        encoding: `raw`, `png`, `jpeg` or `webp`; null is `raw` up to 64 pixels and `png` above: nothing is lost.
    """

    suffix = ""

    def __init__(self, folder: Path, facts: SetFacts, shards: Count = 8, encoding: Encoding | None = None) -> None:
        super().__init__(folder, facts)
        if shards > len(facts):
            raise UserError(f"--option shards={shards}: expected 1 to {len(facts):,}, one image per shard at least.")
        small = max(facts.image_shape[:2]) <= MAX_RAW_SIDE
        self.plan = Plan(shards=shards, encoding=encoding or ("raw" if small else "png"))

    def finish(self) -> Path:
        """Packs the shards; raw ones in this process, encoded ones in one per core."""
        made = self.folder / "set"
        if not made.exists():
            facts = self.facts
            source = Source(labels=facts.labels, schema=facts.schema, read=self.raw, description=facts.description)
            write_shards(source, made, self.plan, processes=1 if self.plan.encoding == "raw" else None)
        return made

    def missing(self, out: Path) -> list[str]:
        """The first shard that is not there in its full size; `cgan-dist verify` reads every image."""
        try:
            ShardSet(Storage(out), cache="none").check_files()
        except UserError as error:
            return [str(error)]
        return []
