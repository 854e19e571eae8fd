"""What ways into a generator and into a discriminator share: joining something to the network's input."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from cgan_dist.conditioning.condition import Condition, Layout


class Way(nn.Module):
    """One way in which a network takes the condition. A way overrides the hooks it needs; the others do nothing.

    Args:
        layout: of the label space's conditions.

    Attributes:
        joins_condition: the condition itself is joined to the input: to z, or as constant planes to the image.
        joins_reals: how many learned values are joined besides, from `embed`.
        literal: build what is joined for real, at a cost that grows with N: the reference of tests and benchmarks.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        self.joins_condition = False
        self.joins_reals = 0
        self.literal = False

    def embed(self, condition: Condition) -> Tensor:
        """A condition -> (B, joins_reals)."""
        raise NotImplementedError


class Ways(nn.Module):
    """Several ways as one, as far as the input is concerned.

    Args:
        layout: of the label space's conditions.
        ways: in the config's order.
    """

    def __init__(self, layout: Layout, ways: Sequence[Way]) -> None:
        super().__init__()
        self.layout = layout
        self.ways = nn.ModuleList(ways)
        self.joins_condition = any(way.joins_condition for way in ways)
        self.embedding = [way for way in ways if way.joins_reals]
        self.literal = any(way.literal for way in ways)

    @property
    def joined_layout(self) -> Layout:
        """Of what `join` returns."""
        own = self.layout if self.joins_condition else Layout()
        return own.plus_reals(sum(way.joins_reals for way in self.embedding))

    def join(self, condition: Condition) -> Condition:
        """A condition -> everything that is joined to the input, as one condition."""
        nothing = Condition(condition.ones[:, :0], condition.values[:, :0])
        own = condition if self.joins_condition else nothing
        return own.plus_reals([way.embed(condition) for way in self.embedding])
