"""Label spaces, by name.

A label space is built as `space(schema)` from the data's label schema, besides the user's own arguments, and follows
`base.LabelSpace`.
"""

from cgan_dist.config.registry import Registry

LABEL_SPACES = Registry(
    "label space",
    "cgan_dist:LabelSpace",
    {
        "attributes": "cgan_dist.conditioning.spaces.attributes:Attributes",
        "auto": "cgan_dist.conditioning.spaces.auto:auto",
        "classes": "cgan_dist.conditioning.spaces.classes:Classes",
        "continuous": "cgan_dist.conditioning.spaces.continuous:Continuous",
        "none": "cgan_dist.conditioning.spaces.none:Unlabelled",
        "product": "cgan_dist.conditioning.spaces.product:Product",
    },
)
