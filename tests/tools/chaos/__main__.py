"""`python -m tests.tools.chaos [--rounds 200] [--seconds 5] [--readers 100] [--workers 3] [--seed N]`."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time

from .rounds import play, storms
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


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=1.0, help="how long each storm is")
    parser.add_argument("--readers", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    return 0 if asyncio.run(soak(given.seed, given)) else 1


if __name__ == "__main__":
    sys.exit(main())
