"""
Run one of the two storms.

`python -m tests.tools.chaos [--rounds 200] [--seconds 5] [--readers 100] [--workers 3] [--seed N]`: rounds
under fifty publications a second.

`python -m tests.tools.chaos --minutes 10 [--readers 40] [--seed N]`: everything that operators run, as real
processes, in which one thing after the other breaks.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path

from .campaign import Phase, campaign
from .estate import estate
from .faults import shuffled
from .rounds import play, storms
from .upkeep import Uses
from .world import world


async def soak(seed: int, given: argparse.Namespace) -> bool:
    """Whether every round was without fault; each is printed."""
    dice, is_well = random.Random(seed), True
    async with world(random.Random(seed), workers=given.workers) as place:
        for number, storm in enumerate(storms(dice, given.rounds, given.seconds)):
            began = time.monotonic()
            report = await play(place, dice, storm, readers=given.readers)
            print(f"{number} {storm}: {report} ({time.monotonic() - began:.1f} s)", flush=True)
            print("".join(f"    {each}\n" for each in report.faults[:20]), end="", flush=True)
            is_well &= not report.faults
        print(place)
    return is_well


async def breakdowns(seed: int, given: argparse.Namespace) -> bool:
    """Whether the judge found nothing wrong in so many minutes; each fault is printed."""
    dice, uses, is_well = random.Random(seed), Uses(), True
    end = time.monotonic() + given.minutes * 60
    with tempfile.TemporaryDirectory(prefix="ticker-", dir="/tmp") as folder:
        async with estate(Path(folder)) as place:
            faults = shuffled(dice, lambda: time.monotonic() < end)
            async for phase in campaign(place, faults, dice, readers=given.readers, uses=uses):
                _print(phase)
                is_well &= not phase.faults
    grown = [words for use in uses for words in use.faults()]
    print("\n".join([*map(str, uses), *grown]))
    return is_well and not grown


def _print(phase: Phase) -> None:
    print(phase, flush=True)
    print("".join(f"    {each}\n" for each in phase.faults[:20]), end="", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.tools.chaos",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=0.0, help="how long the processes are tried")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=1.0, help="how long each storm is")
    parser.add_argument("--readers", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    return 0 if asyncio.run((breakdowns if given.minutes else soak)(given.seed, given)) else 1


if __name__ == "__main__":
    sys.exit(main())
