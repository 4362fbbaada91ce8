"""Tables and targets, for a terminal and for ticker/docs/measurements.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Target:
    """What must be true at the end."""

    text: str
    found: float | None
    """None: it could not be measured here."""
    most: float
    unit: str = ""

    @property
    def line(self) -> str:
        if self.found is None:
            return f"{self.text}: not measured (at most {self.most:g}{self.unit})"
        verdict = "met" if self.found <= self.most else "MISSED"
        return f"{self.text}: {self.found:.2f}{self.unit} (at most {self.most:g}{self.unit}): {verdict}"


@dataclass(slots=True)
class Table:
    """The figures of one benchmark."""

    title: str
    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def plain(self) -> str:
        widths = [max(map(len, column)) for column in zip(self.columns, *self.rows, strict=True)]
        lines = [self.title, "-" * len(self.title)]
        for row in (self.columns, *self.rows):
            first, *others = (
                cell.ljust(width) if not number else cell.rjust(width)
                for number, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            lines.append("  ".join((first, *others)).rstrip())
        return "\n".join([*lines, "", *(f"  {line}" for line in self._below()), ""])

    def markdown(self) -> str:
        lines = [
            f"**{self.title}**",
            "",
            f"| {' | '.join(self.columns)} |",
            f"|{'|'.join(['---', *['---:'] * (len(self.columns) - 1)])}|",
            *(f"| {' | '.join(row)} |" for row in self.rows),
            "",
        ]
        return "\n".join([*lines, *(f"- {line}" for line in self._below()), ""])

    def _below(self) -> list[str]:
        return [*(target.line for target in self.targets), *self.notes]


def ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f}"


def times(ratio: float) -> str:
    return f"{ratio:.2f}"


def kb(size: float) -> str:
    return f"{size / 1024:.2f}"


def mb(size: float) -> str:
    return f"{size / 1024 / 1024:.1f}"
