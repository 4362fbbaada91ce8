"""An address for operators alone: `/metrics` and the detailed `/health`, not for the public."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from ticker.edge import Edge, PortBusy

CLOSE_SECONDS = 0.5


@asynccontextmanager
async def administering(edge: Edge, address: str) -> AsyncIterator[str]:
    """Answer operators on `HOST:PORT` with what the edge knows; gives the address. Raises PortBusy."""
    host, _, port = address.rpartition(":")
    runner = web.AppRunner(
        edge.administration(), access_log=None, handle_signals=False, shutdown_timeout=CLOSE_SECONDS
    )
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host.strip("[]"), int(port)).start()
        except OSError as error:
            raise PortBusy(f"server.admin: {error.strerror or error}: choose another address") from None
        host, number = runner.addresses[0][:2]
        yield f"http://{f'[{host}]' if ':' in host else host}:{number}/"
    finally:
        await runner.cleanup()
