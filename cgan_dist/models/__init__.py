"""Networks by name.

A generator is built with `image_shape`, `latent_dim`, `condition_width` (N) and `entry` (its way in) besides the
user's own arguments, and called as `G(z, condition) -> (B, C, H, W)`. A discriminator is built with `image_shape`,
`condition_width` and `entry`, and called as `D(image, condition) -> (B,)` logits.
"""

from cgan_dist.registry import Registry

GENERATORS = Registry("generator", {"dcgan": "cgan_dist.models.dcgan:Generator"})
DISCRIMINATORS = Registry("discriminator", {"dcgan": "cgan_dist.models.dcgan:Discriminator"})
