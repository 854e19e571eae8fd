"""A real server of a small application, on an address of its own, and a client that speaks bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import uvicorn

from cgan_dist.playground.connections import PatientProtocol
from cgan_dist.playground.exchange import App

Open = Callable[[bytes], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
"""Connects and sends."""


def serving(app: App, use: Callable[[Open], Awaitable[None]]) -> None:
    """Uses a server of an application that listens on an address of its own."""

    async def run() -> None:
        config = uvicorn.Config(app, port=0, http=PatientProtocol, ws="none", log_level="error", lifespan="off")
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0)
        host, port = server.servers[0].sockets[0].getsockname()
        writers: list[asyncio.StreamWriter] = []

        async def opened(sent: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            reader, writer = await asyncio.open_connection(host, port)
            writers.append(writer)
            writer.write(sent)
            return reader, writer

        try:
            await use(opened)
        finally:
            for writer in writers:
                writer.close()
            await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)
            server.should_exit = server.force_exit = True
            await task

    asyncio.run(run())


async def ended(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the server ends a connection."""
    try:
        return await asyncio.wait_for(reader.read(), 30)
    except ConnectionError:
        return b""
