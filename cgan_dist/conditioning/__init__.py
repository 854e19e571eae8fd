"""What is conditioned on (label spaces) and how a network takes it (ways in); the tables are the index of the room.

A label space is built as `space(schema)` from the data's label schema and follows `base.LabelSpace`. A generator's way
in is a module built as `way(latent_dim, condition_width, out_features)` and called as `way(z, condition)`; a
discriminator's is built as `way(channels, condition_width, out_channels, image_size)` and called as
`way(image, condition)`.
"""

from cgan_dist.registry import Registry

LABEL_SPACES = Registry("label space", {"classes": "cgan_dist.conditioning.classes:Classes"})
GENERATOR_WAYS = Registry("way into a generator", {"concat": "cgan_dist.conditioning.concat:LatentConcat"})
DISCRIMINATOR_WAYS = Registry("way into a discriminator", {"channels": "cgan_dist.conditioning.channels:ChannelConv2d"})
