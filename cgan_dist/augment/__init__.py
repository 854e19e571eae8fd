"""Augmentations of what the discriminator sees: of real and fake images alike, in the steps of D and of G.

An augmentation is built from the user's own arguments alone and follows `base.Augmentation`: `draw(count, generator)`
gives the parameters of a global batch, (count, P) float32 on the CPU whatever the image size, and
`apply(images, parameters)` changes this rank's (B, C, H, W) images, in [-1, 1] and each by its own row, so that
gradients reach G through it. `base.Pipeline` applies several in the user's order; the order of DiffAugment
(Zhao et al. 2020, arXiv:2006.10738) is color, translation, cutout. Values may leave the range; nothing saturates them.
"""

from cgan_dist.config.registry import Registry

AUGMENTATIONS = Registry(
    "augmentation",
    "cgan_dist:Augmentation",
    {
        "ada": "cgan_dist.augment.ada:Ada",
        "color": "cgan_dist.augment.color:Color",
        "cutout": "cgan_dist.augment.cutout:Cutout",
        "flip": "cgan_dist.augment.flip:Flip",
        "translation": "cgan_dist.augment.translation:Translation",
    },
)
