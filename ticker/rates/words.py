"""One version of what a source said of a symbol for a day, and the versions that make up a day. Values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from ticker.rates.guard import Doubt
from ticker.rates.model import Fixing, Pair, fraction
from ticker.rates.tables import Route, Table


@dataclass(slots=True, kw_only=True, eq=False)
class Word:
    """One version of what a source said of a symbol for a day."""

    number: int
    """The number of the event that stated it."""
    at: datetime
    route: Route
    """How its table leads to the symbol."""
    table: Table
    archive: bool = False
    doubt: Doubt | None = None
    """Why the guard does not accept it; None if it does."""
    confirmed: bool = False
    """Whether an operator accepted exactly this."""
    stood: bool = False
    """Whether it was heard again, `repeat_minutes` after it arrived."""
    figures: tuple[tuple[Pair, Decimal, int], ...] = field(init=False)
    """Its figures without the day: the values and nominals of its pairs."""
    day: date = field(init=False)
    price: Decimal = field(init=False)
    """The price of one `symbol.base` in `symbol.quote`."""
    inverse: Decimal = field(init=False)
    """The price of one `symbol.quote` in `symbol.base`."""

    def __post_init__(self) -> None:
        figures = self.table.figures
        self.figures = tuple([(pair, *figures[pair]) for pair in self.route.pairs])
        self.day = self.table.day
        worked_out = fraction(self.route.symbol, self.figures)
        self.price, self.inverse = worked_out.price, worked_out.inverse

    @property
    def symbol(self) -> Pair:
        return self.route.symbol

    @property
    def fixing(self) -> Fixing:
        """The word as it is published, with its rates."""
        return self.route.fixing(self.table)

    @property
    def is_direct(self) -> bool:
        """Whether its source quotes the symbol itself, not its inverse or a cross."""
        return self.route.pairs == (self.symbol,)

    def same_figures(self, other: Word) -> bool:
        """Whether both say the same of the symbol."""
        return self.figures == other.figures

    def is_alike(self, other: Word) -> bool:
        """Whether both are the same table: three common currencies, all figures equal."""
        return self.figures == other.figures and self.table.repeats(other.table)

    def same_table(self, other: Word) -> bool:
        """Whether the tables of both agree, in this symbol and in all other common figures."""
        return self.figures == other.figures and self.table.says_as(other.table)


@dataclass(slots=True, kw_only=True, eq=False)
class Row:
    """A day: every answer about it in order, and what follows from them."""

    day: date
    answers: list[Word] = field(default_factory=list)
    """The versions of its table, in the order in which they were heard."""
    told: Word | None = None
    """The archive's version."""
    chosen: Word | None = None
    """The word that counts; None if none is accepted."""
    repeat: bool = False
    """Whether the word that counts repeats the table before."""
    refused: bool = False
    """Whether the last answer is an earlier day's table under this date."""
    alternates: bool = False
    """Whether the source alternates between two versions."""
    corrected: bool = False
    """Whether a version that was in force as a publication was replaced."""

    @property
    def standing(self) -> Word | None:
        """The source's last answer."""
        return self.answers[-1] if self.answers else None

    @property
    def stated(self) -> Word | None:
        """What the source said last of the day, accepted or not; else the archive's version."""
        return self.answers[-1] if self.answers else self.told

    @property
    def is_open(self) -> bool:
        """Whether the last answer is doubted or refused."""
        return bool(self.answers) and (self.refused or self.answers[-1].doubt is not None)

    @property
    def is_polled(self) -> bool:
        """Whether the word that counts is an answer, not the archive's."""
        return self.chosen is not None and not self.chosen.archive
