"""The strict readers that the parsers of all sources share. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from ticker.rates.model import Pair, Rate
from ticker.rates.source import MalformedFeed

OURS = ("KGS", "KZT", "TJS", "UZS", "TMT")
"""The currencies of this service: an aggregator's table without one of them is incomplete."""

_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,20})?")
_NOMINAL = re.compile(r"10{0,6}|[1-9][0-9]{0,3}")
_CODE = re.compile(r"[A-Z]{3}")
_STYLES = {
    "dd.mm.yyyy": (re.compile(r"[0-9]{2}\.[0-9]{2}\.[0-9]{4}"), "%d.%m.%Y"),
    "yyyy-mm-dd": (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"), "%Y-%m-%d"),
}


@dataclass(frozen=True, slots=True)
class Reader:
    """
    Reads what one source publishes. On anything else it raises MalformedFeed, which names the source.

    It holds only the key, so that a parser that uses it stays pure.
    """

    key: str

    def malformed(self, words: str) -> MalformedFeed:
        """The error with these words about the source's answer."""
        return MalformedFeed(f"{self.key}: {words}")

    # Texts.

    def decimal(self, text: str | None, *, comma: bool = False) -> Decimal:
        """
        Read a published figure, digit for digit: ASCII digits and one point (or one comma if `comma`).

        Zero and negative numbers are refused, because they can't be rates.
        """
        plain = (text or "").strip()
        if comma:
            plain = plain.replace(",", ".") if "." not in plain else ""
        if not _NUMBER.fullmatch(plain) or not (value := Decimal(plain)):
            raise self.malformed(f"{text!r:.60} is not a rate")
        return value

    def nominal(self, text: str | None) -> int:
        """Read the units that a rate is for: a plausible whole number."""
        plain = (text or "").strip()
        if not _NOMINAL.fullmatch(plain):
            raise self.malformed(f"{text!r:.60} is not a nominal")
        return int(plain)

    def code(self, text: str | None) -> str:
        """Read a currency code of three capital letters."""
        plain = (text or "").strip()
        if not _CODE.fullmatch(plain):
            raise self.malformed(f"{text!r:.60} is not a currency code")
        return plain

    def day(self, text: str | None, *, style: Literal["dd.mm.yyyy", "yyyy-mm-dd"]) -> date:
        """Read a date written in exactly this style."""
        plain = (text or "").strip()
        shape, layout = _STYLES[style]
        try:
            if shape.fullmatch(plain):
                return _day(plain, layout)
        except ValueError:
            pass
        raise self.malformed(f"{text!r:.60} is not a date ({style})")

    def moment(self, seconds: str) -> datetime:
        """Read a time in whole seconds since 1970 (UTC)."""
        if not re.fullmatch(r"[0-9]{10}", seconds):
            raise self.malformed(f"{seconds!r:.60} is not a time in seconds")
        return datetime.fromtimestamp(int(seconds), UTC)

    # Documents.

    def xml(self, body: bytes, *, root: str) -> Element:
        """
        Parse an XML answer in the encoding that it declares. A document type declaration is refused.

        Its root element must be `root`: a bank's error page and a firewall's HTML come with status 200
        (ddos-guard before www.cbr.ru, since 2022-02).
        """
        try:
            element = _tree(body)
        except (expat.ExpatError, LookupError, ValueError) as error:
            why = str(error) or type(error).__name__
            raise self.malformed(f"not XML ({why:.80}): {_begin(body)}") from None
        if element.tag != root:
            raise self.malformed(f"the root is <{element.tag:.60}>, not <{root}>")
        return element

    def text(self, row: Element, name: str) -> str:
        """
        The text of the one child `name` of `row`.

        A child that holds elements is refused: the text before them would be the beginning of a figure.
        """
        found = row.findall(name)
        if len(found) != 1 or len(found[0]):
            raise self.malformed(f"a <{row.tag:.60}> without exactly one plain <{name}>")
        return found[0].text or ""

    def json(self, body: bytes) -> Any:
        """Parse a JSON answer in UTF-8, numbers as Decimal; no NaN, no key twice."""
        try:
            return json.loads(
                body.decode("utf-8-sig"),
                parse_float=Decimal,
                parse_int=Decimal,
                parse_constant=_constant,
                object_pairs_hook=_members,
            )
        except (ValueError, RecursionError, ArithmeticError) as error:
            raise self.malformed(f"not JSON ({error!s:.80}): {_begin(body)}") from None

    # Tables.

    def table(
        self, rates: Iterable[Rate], *, expected: Iterable[str] = (), quoted: Iterable[str] = ()
    ) -> tuple[Rate, ...]:
        """
        Close a table: no currency twice, every base of `expected` and every quote of `quoted` in it.

        An incomplete table is refused.
        """
        rows: dict[tuple[Pair, date], Rate] = {}
        for rate in rates:
            if rows.setdefault((rate.pair, rate.as_of), rate) is not rate:
                raise self.malformed(f"{rate.pair} of {rate.as_of} appears twice")
        bases, quotes = ({pair.base for pair, _ in rows}, {pair.quote for pair, _ in rows})
        if missing := (set(expected) - bases) | (set(quoted) - quotes):
            raise self.malformed(f"no {', '.join(sorted(missing))} in a table of {len(rows)}")
        return tuple(rows.values())

    def per_dollar(self, figures: Mapping[str, object], *, as_of: date) -> tuple[Rate, ...]:
        """
        Close an aggregator's table of units for one dollar, by currency; each figure is a JSON number.

        A table without one of our currencies is refused.
        """
        rates = (
            Rate(
                source=self.key,
                pair=Pair("USD", name),
                value=self.decimal(str(figure)),
                nominal=1,
                as_of=as_of,
            )
            for name, figure in figures.items()
        )
        return self.table(rates, quoted=OURS)


def _tree(body: bytes) -> Element:
    """
    The root of an XML document.

    Every entity bomb and every reference to another file needs a document type declaration. The parser stops
    at its start. ElementTree's own parser would read on to the end of the document.
    """
    tree = TreeBuilder()
    # With a separator a name in a namespace differs from the plain name.
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _doctype
    parser.StartElementHandler = tree.start
    parser.EndElementHandler = tree.end
    parser.CharacterDataHandler = tree.data
    parser.Parse(body, True)
    return tree.close()


def _doctype(*_: object) -> None:
    raise ValueError("it has a document type declaration")


def _begin(body: bytes) -> str:
    """The start of an answer, for an error message."""
    return f"it begins with {body[:40]!r}" if body else "it is empty"


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object. A repeated key is refused, because json would silently keep the last one."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key appears twice")
    return members


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


@lru_cache(maxsize=1024)
def _day(text: str, layout: str) -> date:
    """Cached, because an archive gives the same days for every currency."""
    return datetime.strptime(text, layout).date()  # noqa: DTZ007 - a calendar day has no zone
