"""Ways into a discriminator, by name.

A way is built as `way(layout)` besides the user's own arguments, and follows `base.DiscriminatorWay`.
"""

from cgan_dist.config.registry import Registry

DISCRIMINATOR_WAYS = Registry(
    "way into a discriminator",
    "cgan_dist:DiscriminatorWay",
    {
        "auxiliary": "cgan_dist.conditioning.discriminator.auxiliary:Auxiliary",
        "channels": "cgan_dist.conditioning.discriminator.channels:Channels",
        "d2d_ce": "cgan_dist.conditioning.discriminator.d2d_ce:D2DCrossEntropy",
        "embedding_channels": "cgan_dist.conditioning.discriminator.embedding_channels:EmbeddingChannels",
        "multi_hinge": "cgan_dist.conditioning.discriminator.multi_hinge:MultiHinge",
        "projection": "cgan_dist.conditioning.discriminator.projection:Projection",
    },
)
