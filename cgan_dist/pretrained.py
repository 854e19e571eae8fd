"""Where the cards of model folders exported before the rooms were built import `Generator` from."""

from cgan_dist.sharing.pretrained import Generator

__all__ = ["Generator"]
