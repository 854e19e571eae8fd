"""From labelled images to shards (`cgan-dist prepare`), and from shards to batches on every rank.

A source is a function `source(folder, split) -> LabelledImages`; the table is the index of what can be prepared.
"""

from cgan_dist.registry import Registry

SOURCES = Registry(
    "data source",
    {
        "mnist5k": "cgan_dist.data.sources.mnist5k:load",
        "mnist": "cgan_dist.data.sources.mnist:load",
        "fashion_mnist": "cgan_dist.data.sources.fashion_mnist:load",
    },
)
