"""A campaign: one fault after the other under a crowd of readers, each with its judgement."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from .estate import Estate
from .faults import Fault
from .health import PASS, Watch, contradictions, window_faults
from .rounds import Report, crowded
from .upkeep import Uses, kept_faults

NOTICED_SECONDS = 20.0
"""For how much longer than usual a service may not know what is broken."""
CALM_SECONDS = 3.5
"""How long everything has to stay well after a fault."""
KEPT_TRIES = 5
"""A poll may come between two reads of Redis."""


@dataclass(slots=True)
class Phase:
    """One fault and the calm after it; what it was like."""

    fault: Fault
    began: float = 0.0
    felt: float = 0.0
    """From when on every service has to tell."""
    over: float = 0.0
    """Until when."""
    report: Report = field(default_factory=Report)
    recovered: float = 0.0
    """Seconds until all was well."""
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        told, count = self.report, len(self.faults)
        return (
            f"{self.fault}: well after {self.recovered:.1f} s; {told.frames} frames, "
            f"{told.connections} connections ({told.resumed} resumed), {count} faults"
        )


async def campaign(
    estate: Estate, faults: Iterable[Fault], dice: random.Random, *, readers: int, uses: Uses
) -> AsyncIterator[Phase]:
    """Every fault in turn, and what the judge says."""
    watch = Watch({name: unit.url for name, unit in estate.units.items()})
    async with watch.looking():
        for fault in faults:
            uses.note(estate)
            yield await _phase(estate, fault, dice, watch, readers)
        uses.note(estate)


async def _phase(estate: Estate, fault: Fault, dice: random.Random, watch: Watch, readers: int) -> Phase:
    phase, estate.misleads = Phase(fault), fault.misleads
    phase.report = await crowded(estate, dice, lambda: _befall(estate, phase, watch), readers=readers)
    calm = time.monotonic()
    await asyncio.sleep(CALM_SECONDS)
    phase.faults += [
        *_health_faults(estate, phase, watch, calm),
        *phase.report.faults,
        *_figure_faults(estate, phase.report),
        *await _kept_faults(estate),
    ]
    return phase


async def _befall(estate: Estate, phase: Phase, watch: Watch) -> None:
    fault = phase.fault
    phase.began = time.monotonic()
    await fault.begin(estate)
    await asyncio.sleep(fault.felt)
    if not fault.ends_by_itself:
        await _noticed(estate, phase, watch)
    phase.felt = time.monotonic()
    phase.over = await fault.last(estate)
    if not fault.ends_by_itself:
        await fault.end(estate)
    await estate.settled()
    if estate.trouble:
        phase.faults.append(f"not well in the end: {estate.trouble}")
    phase.recovered = estate.well_at - (phase.began if fault.ends_by_itself else phase.over)
    if fault.ends_by_itself:
        await fault.end(estate)
    await fault.rest(estate)


async def _noticed(estate: Estate, phase: Phase, watch: Watch) -> None:
    """Wait until every service says what is due: a busy machine is given more time than is usual."""
    says = phase.fault.says(estate)
    with suppress(TimeoutError):
        async with asyncio.timeout(NOTICED_SECONDS):
            while any(says[name].wrong(looks[-1]) for name, looks in watch.looks.items()):
                await asyncio.sleep(0.05)


def _health_faults(estate: Estate, phase: Phase, watch: Watch, calm: float) -> list[str]:
    """What was wrong with the answers of each service: while it was broken, in the calm, and ever."""
    found = []
    for name, says in phase.fault.says(estate).items():
        looks = watch.looks[name]
        lately = [look for look in looks if look.began >= phase.began]
        wrong = window_faults(lately, says, start=phase.felt, end=phase.over)
        wrong += [
            f"in the calm, {each}" for each in window_faults(lately, PASS, start=calm, end=time.monotonic())
        ]
        wrong += [words for look in lately for words in contradictions(look)]
        found += [f"/health of {name}: {each}" for each in wrong]
    return found


def _figure_faults(estate: Estate, report: Report) -> list[str]:
    """Figures that readers were told and no bank has said."""
    return [
        f"a reader was told: {each}"
        for quote in report.shown.values()
        for each in estate.street.said.faults(quote)
    ]


async def _kept_faults(estate: Estate) -> list[str]:
    found: list[str] = []
    async with estate.store() as store:
        for _ in range(KEPT_TRIES):
            found = await kept_faults(store, estate.settings, estate.street.said, now=estate.now())
            if not found:
                break
            await asyncio.sleep(0.5)
    return found
