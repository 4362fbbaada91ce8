"""Autobahn's report as a table for ticker/docs/measurements.md."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

SECTIONS = {
    "1": "framing",
    "2": "pings and pongs",
    "3": "reserved bits",
    "4": "opcodes",
    "5": "fragmentation",
    "6": "UTF-8",
    "7": "close handshake",
    "9": "limits and performance",
    "10": "automatic fragmentation",
}
VERDICTS = "OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED", "FAILED"
EXPECTED = {"7.1.5"}
"""`websockets` refuses a goodbye in the middle of a message by 1002; the suite wants it answered."""


def rows(cases: dict[str, dict[str, str]]) -> list[str]:
    """A line of markdown for each section of the suite, and one for all."""
    counted = Counter((case.partition(".")[0], verdict(found)) for case, found in cases.items())
    table = [f"| section | {' | '.join(VERDICTS)} |", f"|---|{'---|' * len(VERDICTS)}"]
    for number, name in SECTIONS.items():
        table.append(row(f"{number} {name}", [counted[number, each] for each in VERDICTS]))
    total = Counter(map(verdict, cases.values()))
    return [*table, row(f"all {len(cases)}", [total[each] for each in VERDICTS])]


def verdict(found: dict[str, str]) -> str:
    """What is said of a case, its end included."""
    return "FAILED" if "FAILED" in (found["behavior"], found["behaviorClose"]) else found["behavior"]


def row(name: str, numbers: list[int]) -> str:
    return f"| {name} | {' | '.join(str(number or '') for number in numbers)} |"


def summary(report: Path) -> tuple[str, set[str]]:
    """A report's table, and the cases that failed and need not."""
    (found,) = json.loads(report.read_text()).values()
    failed = {case for case, each in found.items() if verdict(each) == "FAILED"}
    return "\n".join(rows(found)), failed - EXPECTED
