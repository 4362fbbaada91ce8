"""`python -m tests.tools.bench [fanout|handshake|idle|slow|widget|ledger|rest|all] [--quick]`."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import platform
import sys
import time
from collections.abc import Awaitable

from tests.tools.bench import ledger, rest, widget
from tests.tools.bench.lab import laboratory
from tests.tools.bench.machine import BenchError
from tests.tools.bench.report import Table

OF_THE_EDGE = ("fanout", "handshake", "idle", "slow")
BENCHMARKS = (*OF_THE_EDGE, "widget", "ledger", "rest")


async def benchmark(names: tuple[str, ...], *, quick: bool) -> list[Table]:
    """The tables of the benchmarks, each printed as soon as it is there."""
    found: list[Table] = []
    if of_the_edge := [name for name in names if name in OF_THE_EDGE]:
        async with laboratory(quick=quick) as lab:
            for name, why in lab.peers.absent.items():
                print(f"left out: {name}: {why}")
            for name in of_the_edge:
                bench = importlib.import_module(f"tests.tools.bench.{name}")
                found += await printed(name, bench.tables(lab))
    if "widget" in names:
        found += await printed("widget", widget.tables(quick=quick))
    if "ledger" in names:
        found += await printed("ledger", ledger.tables(quick=quick))
    if "rest" in names:
        found += await printed("rest", rest.tables(quick=quick))
    return found


async def printed(name: str, measuring: Awaitable[list[Table]]) -> list[Table]:
    began = time.monotonic()
    tables = await measuring
    for table in tables:
        print(f"\n{table.plain()}", flush=True)
    print(f"({name}: {time.monotonic() - began:.0f} s)", flush=True)
    return tables


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.bench", description=__doc__)
    parser.add_argument("name", nargs="?", default="all", choices=(*BENCHMARKS, "all"))
    parser.add_argument("--quick", action="store_true", help="one round with few subscribers: does it run?")
    given = parser.parse_args()
    if not sys.platform.startswith("linux"):
        print("the benchmark reads /proc and uses epoll: Linux only", file=sys.stderr)
        return 1
    names = BENCHMARKS if given.name == "all" else (given.name,)
    tables: list[Table] = []
    try:
        tables = asyncio.run(benchmark(names, quick=given.quick))
    except* BenchError as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        print(f"bench: {error}", file=sys.stderr)
    if not tables:
        return 1
    of = f"{platform.python_implementation()} {platform.python_version()}"
    print(f"\nFor ticker/docs/measurements.md ({of}):\n")
    print("\n".join(table.markdown() for table in tables))
    return 0


if __name__ == "__main__":
    sys.exit(main())
