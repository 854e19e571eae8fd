"""Networks by name.

A generator is built with `image_shape`, `latent_dim` and `ways` (`conditioning.generator.base.GeneratorWays`) besides
the user's own arguments, and called as `G(z, condition) -> (B, C, H, W)` in (-1, 1). A discriminator is built with
`image_shape` and `ways` (`conditioning.discriminator.base.DiscriminatorWays`), and called as
`D(image, condition) -> Judgement`; one whose judgement of an image depends on no other image of the batch may say so by
`judges_alone = True`, and is then shown reals and fakes at once. Both take every label space; a network that has no
place for a way says so when built.

A generator with `levels = L` above 1 can show L pictures of a sample, `G(z, condition, levels=True)` -> (B, L * C, H,
W), the image the last; a discriminator with the same `levels` is given them, and any other sees the image alone. A
generator that has a style may offer `truncated(z, condition, share, others) -> (B, C, H, W)`. A network's `width` is
what `optim.width_aware` goes by.
"""

from cgan_dist.config.registry import Registry

GENERATORS = Registry(
    "generator",
    "torch.nn:Module",
    {
        "dcgan": "cgan_dist.models.dcgan:Generator",
        "r3": "cgan_dist.models.r3:Generator",
        "resnet": "cgan_dist.models.resnet:Generator",
        "transformer": "cgan_dist.models.transformer:Generator",
    },
)
DISCRIMINATORS = Registry(
    "discriminator",
    "torch.nn:Module",
    {
        "dcgan": "cgan_dist.models.dcgan:Discriminator",
        "r3": "cgan_dist.models.r3:Discriminator",
        "resnet": "cgan_dist.models.resnet:Discriminator",
        "transformer": "cgan_dist.models.transformer:Discriminator",
    },
)
