"""
How fixings, the ledger's events and documents are written in Redis; no client sees these texts. Pure.

The ledger is read as a whole at every start, so its events are short and are read without pydantic. The
append-only file has no checksum: whatever is not exactly as we write it is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Callable, Collection, Iterator, KeysView, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache, singledispatch
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ticker import wire
from ticker.protocol import decode_time
from ticker.rates.events import (
    Asked,
    Baseline,
    Empty,
    Event,
    Order,
    Provisional,
    Said,
    Stood,
    Verdict,
    Waited,
)
from ticker.rates.model import Fixing, Pair, Rate
from ticker.rates.tables import Figure, Table
from ticker.wire import Positive, Symbol, plain

# Fixings, the rows of the history. The versions before the ledger wrote them as JSON.


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class LegRecord(_Record):
    """One rate of a fixing, without its source."""

    pair: Symbol
    value: Positive
    nominal: Annotated[int, Field(ge=1)]
    as_of: str

    def rate(self, source: str) -> Rate:
        """The rate. Raises ValueError if `as_of` is neither a day nor an instant."""
        return Rate(
            source=source,
            pair=Pair.parse(self.pair),
            value=Decimal(self.value),
            nominal=self.nominal,
            as_of=decode_time(self.as_of),
        )


class FixingRecord(_Record):
    """One row of the history."""

    symbol: Symbol
    source: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    legs: Annotated[list[LegRecord], Field(min_length=1, max_length=2)]
    corrected: bool = False

    def fixing(self) -> Fixing:
        """The fixing. Raises ValueError if its legs do not give a price."""
        fixing = Fixing(
            symbol=Pair.parse(self.symbol),
            legs=tuple(leg.rate(self.source) for leg in self.legs),
            corrected=self.corrected,
        )
        if not fixing.price:
            raise ValueError(f"{self!r:.80} is not a fixing")
        return fixing


def encode_fixing(fixing: Fixing) -> str:
    """
    A row of the history, short, as there are thousands: `2026-05-19|USD/KGS 87.4500`.

    The key has the symbol. `/10` after the value is a nominal above 1; `@` and a time follow if that is not
    the row's day; `|c` at the end marks a corrected figure.
    """
    legs = (_leg(leg, fixing.day) for leg in fixing.legs)
    return "|".join((fixing.day.isoformat(), *legs, *(("c",) if fixing.corrected else ())))


def _leg(leg: Rate, day: date) -> str:
    nominal = f"/{leg.nominal}" if leg.nominal != 1 else ""
    moment = f"@{wire.encode_time(leg.as_of)}" if leg.as_of != day or isinstance(leg.as_of, datetime) else ""
    return f"{leg.pair} {plain(leg.value)}{nominal}{moment}"


_LEG = re.compile(
    r"([A-Z]{3})/([A-Z]{3}) ((?=[0.]*[1-9])[0-9]{1,30}(?:\.[0-9]{1,30})?)(?:/([1-9][0-9]{0,9}))?(?:@(\S+))?"
)


def decode_fixing(text: str, *, symbol: Pair, source: str) -> Fixing:
    """Read a row of the history, also one of an earlier version. Raises ValueError if it is none."""
    if text.startswith("{"):
        return FixingRecord.model_validate_json(text).fixing()
    head, *parts = text.split("|")
    corrected = parts[-1:] == ["c"]
    day = date.fromisoformat(head)
    legs = tuple(_read_leg(part, source, day) for part in (parts[:-1] if corrected else parts))
    fixing = Fixing(symbol=symbol, legs=legs, corrected=corrected)
    if not 0 < len(legs) <= 2 or not fixing.price:
        raise ValueError(f"{text!r:.80} is not a fixing")
    return fixing


def _read_leg(text: str, source: str, day: date) -> Rate:
    if not (match := _LEG.fullmatch(text)):
        raise ValueError(f"{text!r:.80} is no rate")
    base, quote, value, nominal, moment = match.groups()
    return Rate(
        source=source,
        pair=Pair(base, quote),
        value=Decimal(value),
        nominal=int(nominal or 1),
        as_of=decode_time(moment) if moment else day,
    )


# Events.

_Keys = dict[str, Any]
_FIGURE = r"(?=[0.]*[1-9])[0-9]{1,30}(?:\.[0-9]{1,30})?(?:/[1-9][0-9]{0,9})?"
_FIGURES = re.compile(f"{_FIGURE}(?: {_FIGURE})*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DOCUMENTS_OF_A_TABLE = 40
"""Most documents of one table: an archive that is asked for one currency at a time has several."""


class _Row:
    """The keys of a JSON object, each read once. Every method raises ValueError on the unexpected."""

    def __init__(self, keys: object) -> None:
        if not isinstance(keys, dict):
            raise ValueError(f"{keys!r:.60} is not a record")  # noqa: TRY004 - one error for bad text
        self._keys: _Keys = keys

    def text(self, name: str, *, longest: int = 40) -> str:
        text = self._keys.pop(name, None)
        if not isinstance(text, str) or not 0 < len(text) <= longest:
            raise ValueError(f"{text!r:.60} is no text for {name!r}")
        return text

    def day(self, name: str) -> date:
        text = self.text(name)
        day = date.fromisoformat(text)
        if day.isoformat() != text:
            raise ValueError(f"{text!r} is not a day")
        return day

    def moment(self, name: str) -> datetime:
        return _read_moment(self.text(name))

    def pair(self, name: str) -> Pair:
        return _pair(self.text(name))

    def flag(self, name: str) -> bool:
        flag = self._keys.pop(name, 0)
        if flag not in (0, 1) or type(flag) is not int:
            raise ValueError(f"{flag!r:.60} is no flag for {name!r}")
        return flag == 1

    def number(self, name: str) -> int:
        number = self._keys.pop(name, None)
        if type(number) is not int or number < 1:
            raise ValueError(f"{number!r:.60} is no number for {name!r}")
        return number

    def take(self, name: str) -> Any:
        """The value of any type; None if the key is missing."""
        return self._keys.pop(name, None)

    def end(self) -> None:
        if self._keys:
            raise ValueError(f"unknown key {min(self._keys)!r:.60}")


def encode_event(event: Event) -> str:
    """The JSON object of an event, compact."""
    keys = {"e": type(event).__name__.lower(), "at": _moment(event.at), **_keys_of(event)}
    return json.dumps({name: value for name, value in keys.items() if value}, separators=(",", ":"))


def decode_event(text: str) -> Event:
    """Read the JSON object of an event. Raises ValueError if it is not one."""
    try:
        row = _Row(json.loads(text))
    except RecursionError:
        raise ValueError(f"{text[:60]!r} is not an event") from None
    kind = row.text("e")
    if kind not in _READERS:
        raise ValueError(f"{kind!r} is no event")
    event = _READERS[kind](row, row.moment("at"))
    row.end()
    return event


@singledispatch
def _keys_of(event: Event) -> _Keys:
    raise TypeError(f"{event!r} is no event")


@_keys_of.register
def _(event: Said) -> _Keys:
    return {**_table_keys(event.table), "a": int(event.archive), "x": event.document}


def _read_said(row: _Row, at: datetime) -> Said:
    return Said(at=at, table=_read_table(row), archive=row.flag("a"), document=_read_documents(row.take("x")))


@_keys_of.register
def _(event: Empty) -> _Keys:
    return {"s": event.source, "d": event.first.isoformat(), "to": event.last.isoformat()}


def _read_empty(row: _Row, at: datetime) -> Empty:
    empty = Empty(at=at, source=row.text("s"), first=row.day("d"), last=row.day("to"))
    if empty.first > empty.last:
        raise ValueError(f"{empty.first} is after {empty.last}")
    return empty


@_keys_of.register
def _(event: Stood) -> _Keys:
    return {"s": event.source, "d": event.day.isoformat()}


def _read_stood(row: _Row, at: datetime) -> Stood:
    return Stood(at=at, source=row.text("s"), day=row.day("d"))


@_keys_of.register
def _(event: Asked) -> _Keys:
    return {"s": event.source, "ok": int(event.answered)}


def _read_asked(row: _Row, at: datetime) -> Asked:
    return Asked(at=at, source=row.text("s"), answered=row.flag("ok"))


@_keys_of.register
def _(event: Waited) -> _Keys:
    return {"s": event.source}


def _read_waited(row: _Row, at: datetime) -> Waited:
    return Waited(at=at, source=row.text("s"))


@_keys_of.register
def _(event: Order) -> _Keys:
    table, quote = event.table, event.quote
    return {
        "verb": event.verb,
        "p": str(event.symbol),
        "table": _table_keys(table) if table else None,
        "quote": json.loads(wire.encode_quote(quote)) if quote else None,
    }


def _read_order(row: _Row, at: datetime) -> Order:
    verb: Literal["confirm", "hold", "release"]
    match row.text("verb"):
        case ("confirm" | "hold" | "release") as verb:
            pass
        case other:
            raise ValueError(f"{other!r} is no order")
    symbol, table, quote = row.pair("p"), row.take("table"), row.take("quote")
    return Order(
        at=at,
        verb=verb,
        symbol=symbol,
        table=None if table is None else _read_whole_table(table),
        quote=None if quote is None else wire.decode_quote(json.dumps(quote)),
    )


@_keys_of.register
def _(event: Baseline) -> _Keys:
    keys: _Keys = {
        "v": [_verdict_keys(verdict) for verdict in event.verdicts],
        "f": [_provisional_keys(each) for each in event.provisional],
    }
    return {name: value for name, value in keys.items() if value}


def _read_baseline(row: _Row, at: datetime) -> Baseline:
    return Baseline(
        at=at,
        verdicts=tuple(map(_read_verdict, _read_list(row, "v"))),
        provisional=tuple(map(_read_provisional, _read_list(row, "f"))),
    )


def _read_list(row: _Row, name: str) -> list[object]:
    items = row.take(name)
    if not isinstance(items, list | None):
        raise ValueError(f"{items!r:.60} is no list for {name!r}")  # noqa: TRY004 - as above
    return items or []


def _provisional_keys(each: Provisional) -> _Keys:
    return {"s": each.source, "p": str(each.symbol), "proof": each.proof, "waited": int(each.waited)}


def _read_provisional(keys: object) -> Provisional:
    row = _Row(keys)
    proof = row.text("proof")
    if proof not in ("none", "archive"):
        raise ValueError(f"{proof!r} is no proof")
    provisional = Provisional(
        source=row.text("s"),
        symbol=row.pair("p"),
        proof="none" if proof == "none" else "archive",
        waited=row.flag("waited"),
    )
    row.end()
    return provisional


def _verdict_keys(verdict: Verdict) -> _Keys:
    keys: _Keys = {
        "s": verdict.source,
        "p": str(verdict.symbol),
        "d": verdict.day.isoformat(),
        "n": verdict.number,
        "why": verdict.reason,
        "hand": int(verdict.by_hand),
        "absurd": int(verdict.absurd),
    }
    return {name: value for name, value in keys.items() if value}


def _read_verdict(keys: object) -> Verdict:
    row = _Row(keys)
    verdict = Verdict(
        source=row.text("s"),
        symbol=row.pair("p"),
        day=row.day("d"),
        number=row.number("n"),
        reason=row.text("why", longest=1000),
        by_hand=row.flag("hand"),
        absurd=row.flag("absurd"),
    )
    row.end()
    return verdict


_READERS: Mapping[str, Callable[[_Row, datetime], Event]] = {
    "said": _read_said,
    "empty": _read_empty,
    "stood": _read_stood,
    "asked": _read_asked,
    "waited": _read_waited,
    "order": _read_order,
    "baseline": _read_baseline,
}

# A table's pairs and figures are two texts: `/KGS USD KZT` and `87.4500 1.8590/10` are som for one dollar and
# som for ten tenge. `USD/ KGS` is som for one dollar, too. A JSON object would be half as long again.


def _table_keys(table: Table) -> _Keys:
    keys: _Keys = {
        "s": table.source,
        "d": table.day.isoformat(),
        "p": _names(table.figures),
        "f": " ".join(map(_units, table.figures.values())),
    }
    return keys | {"t": _times_keys(table)} if table.times else keys


def _names(pairs: Collection[Pair]) -> str:
    """The names of pairs in order: the currency that the next ones share, then the other one of each."""
    on_the_right = len({pair.quote for pair in pairs}) <= len({pair.base for pair in pairs})
    words, side = [], ""
    for pair in pairs:
        common, other = (f"/{pair.quote}", pair.base) if on_the_right else (f"{pair.base}/", pair.quote)
        words += [other] if common == side else [common, other]
        side = common
    return " ".join(words)


def _units(figure: Figure) -> str:
    return plain(figure.value) if figure.nominal == 1 else f"{plain(figure.value)}/{figure.nominal}"


def _times_keys(table: Table) -> str | dict[str, str]:
    """The instants of a table's figures: one text if all are the same, else the pairs by instant."""
    pairs: dict[str, list[str]] = {}
    for pair, at in table.times.items():
        pairs.setdefault(_moment(at), []).append(str(pair))
    if len(pairs) == 1 and len(table.times) == len(table.figures):
        return next(iter(pairs))
    return {at: " ".join(names) for at, names in pairs.items()}


def _read_whole_table(keys: object) -> Table:
    row = _Row(keys)
    table = _read_table(row)
    row.end()
    return table


def _read_table(row: _Row) -> Table:
    source, day = row.text("s"), row.day("d")
    figures = _read_figures(row.text("p", longest=5000), row.text("f", longest=50_000))
    if (times := row.take("t")) is None:
        return Table(source=source, day=day, figures=figures)
    return Table(source=source, day=day, figures=figures, times=_read_times(times, day, figures))


class _Figures(Mapping[Pair, Figure]):
    """
    The figures of a table as text; each is parsed when it is asked for.

    Five years have a million of them, of which few are read; as objects they would take 200 MB.
    """

    __slots__ = ("_pairs", "_places", "_text")

    def __init__(self, layout: _Layout, text: str) -> None:
        self._places, self._pairs = layout
        self._text = text

    def __getitem__(self, pair: Pair) -> Figure:
        return _figure(_split(self._text)[self._places[pair]])

    def __contains__(self, pair: object) -> bool:
        return pair in self._places

    def __iter__(self) -> Iterator[Pair]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def keys(self) -> KeysView[Pair]:
        """The pairs: the same view for all tables of a layout."""
        return self._pairs

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Figures) or self._places is not other._places:
            return Mapping.__eq__(self, other)
        if self._text == other._text:
            return True
        # The first figures mostly differ already.
        both = zip(_split(self._text), _split(other._text), strict=True)
        return all(one == two or _figure(one) == _figure(two) for one, two in both)

    def __repr__(self) -> str:
        return repr(dict(self))


def _read_figures(names: str, text: str) -> _Figures:
    layout = _layout(names)
    if text.count(" ") + 1 != len(layout.places) or not _FIGURES.fullmatch(text):
        raise ValueError(f"{text!r:.60} are not {len(layout.places)} figures")
    return _Figures(layout, text)


class _Layout(NamedTuple):
    """The place of each pair in a table. The tables of one source share it."""

    places: dict[Pair, int]
    pairs: KeysView[Pair]


@lru_cache(maxsize=1024)
def _layout(names: str) -> _Layout:
    places: dict[Pair, int] = {}
    count, side = 0, ""
    for word in names.split(" "):
        if "/" in word:
            side = word
        else:
            places[_pair(word + side if side.startswith("/") else side + word)] = count
            count += 1
    if len(places) != count:
        raise ValueError(f"{names!r:.60} name a pair twice")
    return _Layout(places, places.keys())


@lru_cache(maxsize=512)
def _split(text: str) -> list[str]:
    return text.split(" ")


def _read_times(times: object, day: date, figures: Mapping[Pair, Figure]) -> dict[Pair, datetime]:
    found: dict[Pair, datetime] = {}
    if isinstance(times, str):
        found = dict.fromkeys(figures, _read_moment(times))
    elif isinstance(times, dict):
        found = {
            _pair(name): _read_moment(at) for at, names in times.items() for name in str(names).split(" ")
        }
    if not found.keys() <= figures.keys() or {at.date() for at in found.values()} != {day}:
        raise ValueError(f"{times!r:.60} are not times of figures of {day}")
    return found


@lru_cache(maxsize=4096)
def _pair(text: str) -> Pair:
    base, _, quote = text.partition("/")
    return Pair(base, quote)


@lru_cache(maxsize=4096)
def _figure(text: str) -> Figure:
    if "/" not in text:
        return Figure(Decimal(text), 1)
    value, _, nominal = text.partition("/")
    return Figure(Decimal(value), int(nominal))


def _moment(at: datetime) -> str:
    """An instant to the microsecond, so that a restart derives the same from it."""
    return at.isoformat().replace("+00:00", "Z")


def _read_moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None or _moment(at) != text:
        raise ValueError(f"{text!r} is not an instant")
    return at


def _read_documents(text: object) -> str:
    """The SHA-256 of the documents that a table comes from, separated by a space; empty if there is none."""
    if isinstance(text, str) and text.count(" ") < _DOCUMENTS_OF_A_TABLE:
        return " ".join(map(_read_sha256, text.split(" ")))
    return _read_sha256(text)


def _read_sha256(text: object) -> str:
    """A SHA-256 in hex; empty if there is none."""
    if text is None:
        return ""
    if not isinstance(text, str) or not _SHA256.fullmatch(text):
        raise ValueError(f"{text!r:.60} is no SHA-256")
    return text


# Documents.


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One answer of a source, byte for byte, and where and when it was heard."""

    sha256: str
    """Of the bytes as they came, in hex."""
    body: bytes
    """The bytes, compressed with zlib."""
    source: str
    address: str
    """The URL that was asked, without the source's key."""
    asked: date
    """The day that was asked for."""
    first_heard: datetime
    last_heard: datetime

    @classmethod
    def of(cls, raw: bytes, *, source: str, address: str, asked: date, heard: datetime) -> Self:
        """The document of an answer's bytes."""
        return cls(
            sha256=hashlib.sha256(raw).hexdigest(),
            body=zlib.compress(raw, 9),
            source=source,
            address=address,
            asked=asked,
            first_heard=heard,
            last_heard=heard,
        )

    @property
    def raw(self) -> bytes:
        """The bytes as they came. Raises ValueError if they are damaged."""
        try:
            raw = zlib.decompress(self.body)
        except zlib.error as error:
            raise ValueError(f"document {self.sha256}: {error}") from None
        if hashlib.sha256(raw).hexdigest() != self.sha256:
            raise ValueError(f"document {self.sha256} was damaged")
        return raw


def encode_about(document: Document) -> str:
    """The JSON object with everything about a document except its bytes."""
    keys = {
        "s": document.source,
        "u": document.address,
        "d": document.asked.isoformat(),
        "first": _moment(document.first_heard),
        "last": _moment(document.last_heard),
    }
    return json.dumps(keys, separators=(",", ":"))


def decode_document(sha256: str, body: bytes, about: str) -> Document:
    """Read a document. Raises ValueError if `about` is not one's; the bytes are not checked."""
    row = _Row(json.loads(about))
    document = Document(
        sha256=_read_sha256(sha256),
        body=body,
        source=row.text("s"),
        address=row.text("u", longest=2000),
        asked=row.day("d"),
        first_heard=row.moment("first"),
        last_heard=row.moment("last"),
    )
    row.end()
    return document
