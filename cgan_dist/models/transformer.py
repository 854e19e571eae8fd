"""The transformers of GAT (Hyun et al. 2025, arXiv:2509.24935) and CAT (2026, arXiv:2605.26449), for any image.

A token stands for a patch. G begins with where the patches are and adds to the image at several depths, so it can show
each picture at several levels; D judges all levels of a picture together (GAT) or each by itself (CAT). The sizes that
were published, all with patches of 2: S 12 blocks of width 384, B 12 of 768, L 24 of 1024, XL 28 of 1152 (16 heads).
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_dist.conditioning.condition import Condition
from cgan_dist.conditioning.discriminator.base import DiscriminatorWays, Judgement
from cgan_dist.conditioning.generator.base import GeneratorWays
from cgan_dist.config.values import Count, Positive
from cgan_dist.models.image_layer import keep_float32_
from cgan_dist.models.initialization import initialize_, scaled_entry_
from cgan_dist.models.patches import PatchHead, check_transformer, image_of, patch_grid
from cgan_dist.models.positions import sine_cosine, turns
from cgan_dist.models.scales import Size, halve
from cgan_dist.models.style_mapping import StyleMapping
from cgan_dist.models.transformer_block import (
    ModulatedBlock,
    RMSNorm,
    ScaledBlock,
    Sequences,
    StyleScales,
    applied,
)

CLASS_TOKEN_STD = 0.02


class Generator(nn.Module):
    """Positions -> blocks modulated by a style; after each of L equal parts of them a head adds to the image -> tanh.

    The style is an MLP of z and what ways join to it; ways that modulate add to the scales and gates of the blocks.

    Args:
        image_shape: (C, H, W); the patch must divide both sides.
        latent_dim: Z.
        ways: how it takes the condition.
        width: of a token, a multiple of 4.
        depth: blocks.
        heads: of attention; null is one for each 64 values of width.
        patch: pixels of a patch, in both directions.
        levels: L, how many pictures it can show of one sample; divides `depth`.
        checkpoint: keep the inputs of blocks only, and compute what is within anew in the backward pass.
        output_gain: of the heads at the start; 1 is that of the paper, whose images are not bounded by tanh.

    Attributes:
        width: as given.
        levels: L.
        recomputes: as `checkpoint`.

    Raises:
        UserError: for an argument that does not fit.
    """

    positions: Tensor
    turns: Tensor

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_dim: int,
        ways: GeneratorWays,
        width: Count = 384,
        depth: Count = 12,
        heads: Count | None = None,
        patch: Count = 2,
        levels: Count = 1,
        checkpoint: bool = False,
        output_gain: Positive = 1.0,
    ) -> None:
        super().__init__()
        channels, *size = image_shape
        heads = check_transformer("generator.args", width, depth, heads, levels, levels_of_depth=True)
        grid = patch_grid((size[0], size[1]), patch, "generator.args")
        self.ways, self.width, self.levels, self.recomputes = ways, width, levels, checkpoint
        self.grid, self.patch, self.blocks_of_level = grid, patch, depth // levels
        self.mapping = StyleMapping(latent_dim, ways, width)
        self.blocks = nn.ModuleList([ModulatedBlock(width, heads, ways) for _ in range(depth)])
        self.heads = nn.ModuleList([PatchHead(width, channels, patch, ways) for _ in range(levels)])
        self.register_buffer("positions", sine_cosine(grid, width), persistent=False)
        self.register_buffer("turns", turns(grid, width // heads), persistent=False)
        initialize_(self, nn.init.xavier_uniform_)
        self.mapping.initialize_()
        for module in self.modules():
            if isinstance(module, StyleScales):
                module.initialize_()
            if isinstance(module, PatchHead):
                nn.init.xavier_uniform_(module.linear.weight, gain=output_gain)

    def forward(self, z: Tensor, condition: Condition, levels: bool = False) -> Tensor:
        """(B, Z) and a condition -> (B, C, H, W) in (-1, 1); with `levels` (B, L * C, H, W), the image the last."""
        taken = self.ways(z, condition)
        return self._drawn(self.mapping(z, taken.joined), taken.styles, levels)

    def truncated(self, z: Tensor, condition: Condition, share: float, others: Tensor) -> Tensor:
        """(B, Z) and a condition -> (B, C, H, W): images of styles nearer to the middle of those of their condition.

        The mean is of the styles of the same condition with other z (Karras et al. 2019, arXiv:1812.04948, appendix B,
        for each condition by itself).

        Args:
            z: (B, Z).
            condition: of B labels or mixtures.
            share: of the way from the mean to the style that is left.
            others: (K, Z), draws of z.
        """
        taken = self.ways(z, condition)
        style = self.mapping(z, taken.joined)
        return self._drawn(self.mapping.mean_of(others, taken.joined).lerp(style, share), taken.styles, levels=False)

    def _drawn(self, style: Tensor, styles: list[Condition], levels: bool) -> Tensor:
        """(B, width) and the styles of ways -> images."""
        tokens, active = self.positions.expand(len(style), -1, -1), F.silu(style)
        sequences = Sequences((tokens.shape[1],), self.turns)
        sums: list[Tensor] = []
        for number, block in enumerate(self.blocks, start=1):
            tokens = applied(block, self.recomputes and self.training, tokens, active, styles, sequences)
            if number % self.blocks_of_level == 0:
                added = self.heads[len(sums)](tokens, active, styles)
                sums.append(sums[-1] + added if sums else added)
        last = cast(PatchHead, self.heads[-1]).linear
        shown = sums if levels else sums[-1:]
        return torch.cat([image_of(patches, self.grid, self.patch, last) for patches in shown], dim=1)


class Discriminator(nn.Module):
    """Patches of the image's levels and the condition planes, and a class token -> blocks -> head on that token.

    Args:
        image_shape: (C, H, W) of one level; the patch must divide both sides.
        ways: how it takes the condition.
        width: of a token, a multiple of 4.
        depth: blocks.
        heads: of attention; null is one for each 64 values of width.
        patch: pixels of a patch, in both directions.
        levels: L, how many levels of a picture it looks at: 1, or those that the generator has.
        apart: judge each level by itself, with a token and a logit of its own, the last one as it is and each before
            it at half the size of the next; otherwise all levels of a patch are one token, and there is one logit.
        checkpoint: keep the inputs of blocks only, and compute what is within anew in the backward pass.

    Attributes:
        width: as given.
        levels: L.
        recomputes: as `checkpoint`.

    Raises:
        UserError: for an argument that does not fit.
    """

    judges_alone = True
    positions: Tensor
    turns: Tensor

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        ways: DiscriminatorWays,
        width: Count = 384,
        depth: Count = 12,
        heads: Count | None = None,
        patch: Count = 2,
        levels: Count = 1,
        apart: bool = False,
        checkpoint: bool = False,
    ) -> None:
        super().__init__()
        channels, *size = image_shape
        heads = check_transformer("discriminator.args", width, depth, heads, levels)
        patch_grid((size[0], size[1]), patch, "discriminator.args")
        self.ways, self.width, self.levels, self.recomputes = ways, width, levels, checkpoint
        self.parts = levels if apart else 1
        seen = channels * levels // self.parts
        sizes = [_halved((size[0], size[1]), self.parts - 1 - part) for part in range(self.parts)]
        grids: list[Size] = [(-(-height // patch), -(-width_ // patch)) for height, width_ in sizes]
        entries = [ways.convolution(seen, width, own, patch, patch) for own in sizes]
        self.entries = nn.ModuleList(entries)
        self.class_tokens = nn.Parameter(torch.randn(self.parts, width) * CLASS_TOKEN_STD)
        self.blocks = nn.ModuleList([ScaledBlock(width, heads) for _ in range(depth)])
        self.norm = RMSNorm(width)
        self.head = keep_float32_(ways.head(width))
        self.lengths = tuple(1 + grid[0] * grid[1] for grid in grids)
        self.register_buffer("positions", torch.cat([sine_cosine(grid, width) for grid in grids]), persistent=False)
        turned = [turns(grid, width // heads, before=1) for grid in grids]
        self.register_buffer("turns", torch.cat(turned, dim=1), persistent=False)
        initialize_(self, nn.init.xavier_uniform_)
        for entry in entries:
            scaled_entry_(entry, seen * patch**2, ways.joined_layout, outputs=width)

    def forward(self, image: Tensor, condition: Condition) -> Judgement:
        """(B, L * C, H, W), the image the last, and a condition -> judgement.

        Of levels that are judged apart there are (B, L) logits; readings are of the last level.
        """
        tokens = self._tokens(image, condition)
        sequences = Sequences(self.lengths, self.turns)
        for block in self.blocks:
            tokens = applied(block, self.recomputes and self.training, tokens, sequences)
        firsts = torch.stack([part[:, 0] for part in tokens.split(self.lengths, dim=1)], dim=1)
        features = self.norm(firsts.to(torch.promote_types(firsts.dtype, torch.float32))).flatten(0, 1)
        given = Condition(*(part.repeat_interleave(self.parts, dim=0) for part in condition))
        with torch.autocast(image.device.type, enabled=False):
            judgement: Judgement = self.head(features, given)
        if self.parts == 1:
            return judgement
        apart = {name: reading.unflatten(0, (-1, self.parts))[:, -1] for name, reading in judgement.readings.items()}
        return Judgement(judgement.logits.unflatten(0, (-1, self.parts)), apart)

    def _tokens(self, image: Tensor, condition: Condition) -> Tensor:
        """(B, L * C, H, W) -> (B, T, width), the class token of each part before its patches."""
        joined = self.ways.join(condition)
        positions = self.positions.split([length - 1 for length in self.lengths])
        found = []
        for part, shown in enumerate(image.chunk(self.parts, dim=1)):
            for _ in range(self.parts - 1 - part):
                shown = halve(shown)
            patches = self.entries[part](shown, joined).flatten(2).transpose(1, 2) + positions[part]
            found += [self.class_tokens[part].to(patches.dtype).expand(len(image), 1, -1), patches]
        return torch.cat(found, dim=1)


def _halved(size: Size, times: int) -> Size:
    """(H, W) after so many times `halve`."""
    for _ in range(times):
        size = -(-size[0] // 2), -(-size[1] // 2)
    return size
