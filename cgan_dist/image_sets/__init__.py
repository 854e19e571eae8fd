"""Sets of generated images, as large as one likes: how they are drawn, and in which form they are kept.

A form is built as `form(folder, facts, **args)` and follows `base.SetForm`.
"""

from cgan_dist.config.registry import Registry

SET_FORMS = Registry(
    "form of a set",
    "cgan_dist:SetForm",
    {
        "folder": "cgan_dist.image_sets.folder:PictureFolder",
        "npz": "cgan_dist.image_sets.npz:NpzFile",
        "shards": "cgan_dist.image_sets.shards:Shards",
    },
)
