"""Sets of generated images, as large as one likes: how they are drawn, and in which form they are kept.

A form is built as `form(folder, facts, **args)` and follows `generated.base.SetForm`.
"""

from cgan_dist.registry import Registry

SET_FORMS = Registry(
    "form of a set",
    {
        "folder": "cgan_dist.generated.folder:PictureFolder",
        "npz": "cgan_dist.generated.npz:NpzFile",
        "shards": "cgan_dist.generated.shards:Shards",
    },
)
