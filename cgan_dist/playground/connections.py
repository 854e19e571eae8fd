"""Who may stay connected: whoever has asked, but not for long one who is about to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

AT_ONCE, PER_CLIENT = 128, 32
"""Connections; each open page holds two."""
REQUEST_SECONDS = 10
"""From the first byte of a request, or from the connection, until it is whole, its body included."""


class PatientProtocol(H11Protocol):
    """One connection. It is closed if a request is not whole in time, or if others need the room of one that waits."""

    deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Lets the client in, and the one out that has waited longest if there are too many."""
        super().connection_made(transport)
        self._wait()
        everyone = cast("set[PatientProtocol]", self.connections)
        self._make_room([other for other in everyone if other.address == self.address], PER_CLIENT)
        self._make_room(everyone, AT_ONCE)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the client."""
        self._done_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Takes some bytes of a request."""
        super().data_received(data)
        if self.conn.their_state in (h11.IDLE, h11.SEND_BODY):
            self._wait()
        else:
            self._done_waiting()

    @property
    def address(self) -> Any:
        """Of the client, without its port; null if it has gone."""
        return self.client[0] if self.client else None

    def _make_room(self, group: Iterable[PatientProtocol], at_most: int) -> None:
        group = list(group)
        if len(group) <= at_most:
            return
        waiting = [(other.deadline.when(), id(other), other) for other in group if other.deadline is not None]
        gone = min(waiting)[2] if waiting else self
        self.connections.discard(gone)  # it is counted until its loss is reported otherwise
        gone.transport.abort()

    def _wait(self) -> None:
        if self.deadline is None:
            self.deadline = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

    def _done_waiting(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None
