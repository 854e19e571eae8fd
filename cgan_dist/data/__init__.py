"""From labelled images to shards (`cgan-dist prepare`), and from shards to batches on every rank.

A source is a function `source(folder, split, **options) -> Source`; the table is the index of what can be prepared.
"""

from cgan_dist.config.registry import Registry

SOURCES = Registry(
    "data source",
    "cgan_dist:Source",
    {
        "mnist5k": "cgan_dist.data.sources.mnist5k:load",
        "mnist": "cgan_dist.data.sources.mnist:load",
        "fashion_mnist": "cgan_dist.data.sources.fashion_mnist:load",
        "cifar10": "cgan_dist.data.sources.cifar10:load",
        "cifar100": "cgan_dist.data.sources.cifar100:load",
        "emnist": "cgan_dist.data.sources.emnist:load",
        "kmnist": "cgan_dist.data.sources.kmnist:load",
        "medmnist": "cgan_dist.data.sources.medmnist:load",
        "celeba": "cgan_dist.data.sources.celeba:load",
        "celeba_hq": "cgan_dist.data.sources.celeba_hq:load",
        "folder": "cgan_dist.data.sources.folder:load",
        "csv": "cgan_dist.data.sources.csv_table:load",
        "jsonl": "cgan_dist.data.sources.jsonl_table:load",
        "json": "cgan_dist.data.sources.json_table:load",
        "stylegan": "cgan_dist.data.sources.stylegan:load",
        "huggingface": "cgan_dist.data.sources.huggingface:load",
        "idx": "cgan_dist.data.sources.idx:load",
        "npz": "cgan_dist.data.sources.npz:load",
        "webdataset": "cgan_dist.data.sources.webdataset:load",
    },
)
