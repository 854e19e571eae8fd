"""What both transformers are built of: attention and a gated MLP, each a branch beside the tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from cgan_dist.conditioning.condition import Condition
from cgan_dist.conditioning.generator.base import GeneratorWays
from cgan_dist.models.positions import turned

EPSILON = 1e-6
LAYER_SCALE = 0.1
MODULATION_GAIN = 0.1


class Sequences(NamedTuple):
    """How the tokens of an image are laid out.

    Attributes:
        lengths: of the parts that attend to nothing but themselves, one after another.
        turns: of `positions.turns`, (2, T, head_width / 2), of all parts.
    """

    lengths: tuple[int, ...]
    turns: Tensor


class RMSNorm(nn.Module):
    """x / rms(x), times a learned factor for each value if wanted (Zhang and Sennrich 2019, arXiv:1910.07467).

    Args:
        width: values that a norm is of, the last dimension.
        learned: whether there are factors; they begin as 1.
    """

    def __init__(self, width: int, learned: bool = True) -> None:
        super().__init__()
        self.width = width
        self.weight = nn.Parameter(torch.ones(width)) if learned else None

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) -> (..., width)."""
        # factors of another precision would be multiplied in one more operation, and on GPUs with a warning
        weight = None if self.weight is None else self.weight.to(x.dtype)
        return F.rms_norm(x, (self.width,), weight, EPSILON)


class Attention(nn.Module):
    """Self-attention with normalized queries and keys (Dehghani et al. 2023, arXiv:2302.05442) and rotary positions.

    Args:
        width: of a token.
        heads: a divisor of it.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.query_norm, self.key_norm = RMSNorm(width // heads), RMSNorm(width // heads)
        self.output = nn.Linear(width, width)

    def forward(self, tokens: Tensor, sequences: Sequences) -> Tensor:
        """(B, T, width) -> (B, T, width)."""
        split = self.queries_keys_values(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        queries, keys, values = split.unbind()  # (B, heads, T, head_width) each
        queries = turned(self.query_norm(queries), sequences.turns)
        keys = turned(self.key_norm(keys), sequences.turns)
        parts = zip(*(part.split(sequences.lengths, dim=2) for part in (queries, keys, values)), strict=True)
        seen = [F.scaled_dot_product_attention(*part) for part in parts]
        joined = seen[0] if len(seen) == 1 else torch.cat(seen, dim=2)
        return self.output(joined.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class SwiGLU(nn.Module):
    """Two linear layers, the first one's output gated by SiLU (Shazeer 2020, arXiv:2002.05202), eq. 6 with biases.

    Args:
        width: of a token; the inner one is 8 / 3 of it, so that there are as many weights as in a plain MLP of 4.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = 8 * width // 3
        self.gate_and_values = nn.Linear(width, 2 * inner)
        self.output = nn.Linear(inner, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T, width) -> (B, T, width)."""
        gate, values = self.gate_and_values(tokens).chunk(2, dim=-1)
        return self.output(F.silu(gate) * values)  # type: ignore[no-any-return]


class ModulatedBlock(nn.Module):
    """A block of G: a style scales what enters each branch and gates what leaves it.

    Args:
        width: of a token.
        heads: of attention.
        ways: those that modulate add to scales and gates.
    """

    def __init__(self, width: int, heads: int, ways: GeneratorWays) -> None:
        super().__init__()
        self.norm = RMSNorm(width, learned=False)
        self.attention, self.mlp = Attention(width, heads), SwiGLU(width)
        self.modulation = StyleScales(width, 4, ways)

    def forward(self, tokens: Tensor, style: Tensor, styles: Sequence[Condition], sequences: Sequences) -> Tensor:
        """(B, T, width), a style (B, width) and those of the ways -> (B, T, width)."""
        scale_a, gate_a, scale_m, gate_m = self.modulation(style, styles)
        tokens = tokens + gate_a * self.attention(self.norm(tokens) * (1 + scale_a), sequences)
        return tokens + gate_m * self.mlp(self.norm(tokens) * (1 + scale_m))  # type: ignore[no-any-return]


class StyleScales(nn.Module):
    """Factors for the values of all tokens, linear in SiLU of the style and in what ways modulate by.

    Args:
        width: of a token.
        count: how many factors a value has.
        ways: into the network.
    """

    def __init__(self, width: int, count: int, ways: GeneratorWays) -> None:
        super().__init__()
        self.count = count
        self.linear = nn.Linear(width, count * width)
        self.ways = ways.style_maps(count * width)

    def initialize_(self) -> None:
        """Begins near 0, in place; after all linear layers have been initialized."""
        nn.init.xavier_uniform_(self.linear.weight, gain=MODULATION_GAIN)

    def forward(self, style: Tensor, styles: Sequence[Condition]) -> list[Tensor]:
        """(B, width) and the styles of ways -> so many (B, 1, width)."""
        found = self.linear(F.silu(style))
        if styles:
            found = found + self.ways(styles).to(found.dtype)
        return list(found[:, None].chunk(self.count, dim=2))


class ScaledBlock(nn.Module):
    """A block of D: each value of a branch has a factor that is learned (LayerScale, arXiv:2103.17239).

    Args:
        width: of a token.
        heads: of attention.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention_norm, self.mlp_norm = RMSNorm(width), RMSNorm(width)
        self.attention, self.mlp = Attention(width, heads), SwiGLU(width)
        self.attention_scale = nn.Parameter(torch.full((width,), LAYER_SCALE))
        self.mlp_scale = nn.Parameter(torch.full((width,), LAYER_SCALE))

    def forward(self, tokens: Tensor, sequences: Sequences) -> Tensor:
        """(B, T, width) -> (B, T, width)."""
        tokens = tokens + self.attention_scale * self.attention(self.attention_norm(tokens), sequences)
        return tokens + self.mlp_scale * self.mlp(self.mlp_norm(tokens))  # type: ignore[no-any-return]


def applied(block: Callable[..., Tensor], again: bool, *inputs: object) -> Tensor:
    """`block(*inputs)`; with `again` its inner values are not kept but computed anew in the backward pass.

    A pass without a graph keeps nothing anyway, and one that is differentiated twice, which shows by fused attention
    being off, keeps all: it would be computed anew more than once, when attention is fused again.
    """
    twice = not (torch.compiler.is_compiling() or torch.backends.cuda.flash_sdp_enabled())
    if not again or twice or not torch.is_grad_enabled():
        return block(*inputs)
    return checkpoint(block, *inputs, use_reentrant=False, preserve_rng_state=False)
