"""cgan_dist: distributed training of conditional GANs."""

__version__ = "0.1.0"
