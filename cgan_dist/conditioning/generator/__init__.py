"""Ways into a generator, by name.

A way is built as `way(layout, latent_dim)` besides the user's own arguments, and follows `base.GeneratorWay`.
"""

from cgan_dist.config.registry import Registry

GENERATOR_WAYS = Registry(
    "way into a generator",
    "cgan_dist:GeneratorWay",
    {
        "concat": "cgan_dist.conditioning.generator.concat:Concat",
        "embedding": "cgan_dist.conditioning.generator.embedding:Embedding",
        "film": "cgan_dist.conditioning.generator.film:Film",
    },
)
