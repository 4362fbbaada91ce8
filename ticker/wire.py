"""Stream protocol 1, the server's side: the frames and quotes as JSON text, encode and decode. Pure."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from ticker.protocol import read_quote
from ticker.rates.inverted import inverted
from ticker.rates.model import Announcement, Cursor, Pair, Quote, Selection, Status, both_ways

STATUSES: Mapping[Status, str] = {
    "live": "The authority's rate that holds today. On Sunday this is the rate that the bank set on Friday.",
    "pegged": "A rate that the country has fixed.",
    "unconfirmed": "A newer rate is doubted or refused, no witness has confirmed this one, or an operator "
    "put the quote on hold.",
    "fallback": "The rate of another source, because the authority has none or a late one.",
    "stale": "The rate is late, and no other source has a newer one. Or the authority has repeated it for "
    "five working days.",
}
"""What each status means."""


def _statuses() -> str:
    meanings = (f"`{status}`: {words}" for status, words in STATUSES.items())
    return f"How far the quote can be trusted. {' '.join(meanings)}"


class BadFrame(ValueError):
    """The client's message is not a frame of this protocol. The text is for the client."""


Number = Annotated[str, StringConstraints(pattern=r"^-?[0-9]+(\.[0-9]+)?$", max_length=60)]
Positive = Annotated[
    str,
    StringConstraints(pattern=r"^([0-9]*[1-9][0-9]*(\.[0-9]+)?|0+\.0*[1-9][0-9]*)$", max_length=60),
]
Symbol = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}/[A-Z]{3}$")]
Awaited = Annotated[
    dict[Symbol, str],
    Field(examples=[{"KGS/USD": "NBKR has not been asked yet"}], exclude_if=lambda awaited: not awaited),
]
Time = Annotated[
    str,
    Field(
        description="The time of the server in UTC, to the millisecond. Compare `due_at` with it.",
        json_schema_extra={"format": "date-time"},
        examples=["2026-09-29T10:02:11.250Z"],
    ),
]


class _Message(BaseModel):
    # A docstring below a field is its description in the published schema.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class AnnouncementMessage(_Message):
    """A price that becomes valid at midnight of a later day, in the country of its source."""

    price: Positive
    """Units of the symbol's second currency for one unit of its first."""
    inverse: Positive
    """Units of the symbol's first currency for one unit of its second."""
    as_of: str
    """The day from which the price is valid, `2026-09-29`."""


class QuoteMessage(_Message):
    """A quote. Numbers are decimal strings. Null means unknown, and is never replaced by 0."""

    symbol: Symbol
    """The pair. `KGS/USD` is the price of one som in dollars."""
    price: Positive
    """Units of the symbol's second currency for one unit of its first: dollars for one som."""
    inverse: Positive
    """Units of the symbol's first currency for one unit of its second: som for one dollar."""
    previous: Positive | None
    """
    The price in the publication before, of the same source, in the units of `price`. Null if unknown. For a
    peg, the peg itself.
    """
    change: Number | None
    """`price` minus `previous`, in units of the symbol's second currency."""
    change_percent: Number | None
    """`change` in percent of `previous`; positive when the first currency rose."""
    as_of: str
    """
    The day, in the time zone of the source, from which the price is valid: `2026-09-29`. For a source
    that publishes several times a day, the time in UTC: `2026-09-29T12:00:00Z`.
    """
    source: Annotated[str, StringConstraints(min_length=1, max_length=60)]
    """The key of the source of the price. A `label` of the service stands before it: `demo:nbkr`."""
    source_name: Annotated[str, StringConstraints(max_length=60)] = ""
    """The short name of the source, for readers: `NBKR`."""
    status: Annotated[Status, Field(description=_statuses())]
    published_at: str
    """When this service last published the quote, in UTC. Becoming stale does not change it."""
    value: Positive | None = None
    """
    The published figure, digit for digit. Null, as are `nominal` and `direction`, if the rate is calculated
    from two figures.
    """
    nominal: Annotated[int, Field(ge=1)] | None = None
    """The number of units of the first currency of `direction` that cost `value`."""
    direction: Symbol | None = None
    """The pair that the source publishes. `USD/KGS`: `value` som for `nominal` dollars."""
    next: AnnouncementMessage | None = None
    """The price that the same source has announced for a later day. Null if there is none."""
    corrected: bool = False
    """Whether the source replaced its figure of this day after the figure had become valid."""
    due_at: str | None = None
    """
    When the quote becomes late if no newer one arrives, in UTC (RFC 3339).

    Treat the quote as `stale` from then on, by the time of the server. Null if no newer quote is due:
    `status` is `pegged` or `unconfirmed`.
    """
    source_site: Annotated[
        str, StringConstraints(max_length=100), Field(exclude_if=lambda site: not site)
    ] = ""
    """The site that must be named beside the price by the terms of the source. Absent if none is required."""


class SnapshotMessage(_Message):
    """All quotes of the selection. They replace everything that the client had before."""

    type: Literal["snapshot"]
    cursor: str
    """The position in the stream after this message. It is opaque. Send it at the next connection."""
    time: Time
    quotes: list[QuoteMessage]
    awaited: Awaited = {}
    """The selected symbols that have no quote yet, each with the reason. Absent if all have a quote."""


class UpdateMessage(_Message):
    """
    The quotes that are new since the last message, or that have become late.

    A quote that becomes late is sent with an unchanged cursor, and may be sent again at the next connection.
    The same applies to a quote that is no longer late because the server's clock was set.
    """

    type: Literal["update"]
    cursor: str
    """The position in the stream after this message. It is opaque. Send it at the next connection."""
    time: Time
    quotes: list[QuoteMessage]
    awaited: Awaited = {}
    """The symbols without a quote whose reason is new, each with the reason. A quote ends the wait."""


class HeartbeatMessage(_Message):
    """Nothing has changed. The cursor shows that nothing was missed."""

    type: Literal["heartbeat"]
    cursor: str
    """The position in the stream up to which everything was sent."""
    time: Time


class ErrorMessage(_Message):
    """The last frame or the address of the client was wrong."""

    type: Literal["error"]
    code: str
    """The kind of error, for programs: `bad_request`."""
    message: str
    """What was wrong, in words."""


class SubscribeMessage(_Message):
    """Replaces the selection of symbols. The server answers with a snapshot."""

    type: Literal["subscribe"]
    symbols: Annotated[
        list[Annotated[str, StringConstraints(max_length=20)]], Field(min_length=1, max_length=200)
    ]


def plain(number: Decimal) -> str:
    """The digits of a decimal, never with an exponent."""
    return format(number, "f")


def encode_time(at: date) -> str:
    """A day, or an instant in UTC to the second."""
    if isinstance(at, datetime):
        return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return at.isoformat()


def encode_moment(at: datetime) -> str:
    """An instant in UTC to the millisecond, `2026-09-29T10:02:11.250Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encode_quote(quote: Quote) -> str:
    """The JSON object of a quote, compact."""
    return QuoteMessage(
        symbol=str(quote.symbol),
        price=plain(quote.price),
        inverse=plain(quote.inverse),
        previous=_plain(quote.previous),
        change=_plain(quote.change),
        change_percent=_plain(quote.change_percent),
        as_of=encode_time(quote.as_of),
        source=quote.source,
        source_name=quote.source_name,
        status=quote.status,
        published_at=encode_time(quote.published_at),
        value=_plain(quote.value),
        nominal=quote.nominal,
        direction=str(quote.direction) if quote.direction else None,
        next=_encode_announcement(quote.next) if quote.next else None,
        corrected=quote.corrected,
        due_at=encode_time(quote.due_at) if quote.due_at else None,
        source_site=quote.source_site,
    ).model_dump_json()


def decode_quote(text: str) -> Quote:
    """Read the JSON object of a quote. Raises ValueError if it is not one."""
    QuoteMessage.model_validate_json(text)
    return read_quote(json.loads(text))


def encode_inverted(text: str) -> str:
    """The JSON object of the reversed quote, from that of the quote."""
    return encode_quote(inverted(decode_quote(text)))


def _encode_announcement(coming: Announcement) -> AnnouncementMessage:
    return AnnouncementMessage(
        price=plain(coming.price), inverse=plain(coming.inverse), as_of=encode_time(coming.as_of)
    )


def encode_quotes(
    kind: Literal["snapshot", "update"],
    cursor: str,
    time: str,
    quotes: Iterable[str],
    awaited: Iterable[tuple[Pair, str]] = (),
) -> str:
    """A snapshot or update frame from the JSON objects of its quotes, with the `awaited` reasons."""
    told = encode_awaited(awaited)
    return f'{{"type":"{kind}","cursor":"{cursor}","time":"{time}","quotes":[{",".join(quotes)}]{told}}}'


def encode_awaited(awaited: Iterable[tuple[Pair, str]]) -> str:
    """The JSON member with the awaited symbols, to follow others; empty if there are none."""
    told = {str(symbol): reason for symbol, reason in awaited}
    return f',"awaited":{json.dumps(told, separators=(",", ":"))}' if told else ""


def encode_heartbeat(cursor: str, time: str) -> str:
    """A heartbeat frame."""
    return f'{{"type":"heartbeat","cursor":"{cursor}","time":"{time}"}}'


def encode_error(code: str, message: str) -> str:
    """An error frame."""
    return ErrorMessage(type="error", code=code, message=message).model_dump_json()


_EXPECTED = 'expected {"type":"subscribe","symbols":["KGS/USD"]}'


def decode_subscribe(text: str) -> tuple[str, ...]:
    """The symbols that a client asks for. Raises BadFrame with words for the client."""
    try:
        return tuple(SubscribeMessage.model_validate_json(text).symbols)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in fault["loc"]) or "the frame"
        raise BadFrame(f"{_EXPECTED}, but {where}: {fault['msg']}") from None


def select(texts: Sequence[str], symbols: tuple[Pair, ...], *, most: int = 200) -> Selection:
    """
    The selection that a client names, out of the served `symbols`; none named: all of them.

    The reverse of a served symbol can be named, too. Raises BadFrame that names the symbol and lists the
    served ones, or says that there are more than `most`.
    """
    if len(texts) > most:
        raise BadFrame(f"{len(texts)} symbols are too many, name {most} at most")
    try:
        wanted = {Pair.parse(text) for text in texts}
    except ValueError as error:
        raise BadFrame(str(error)) from None
    pairs = both_ways(symbols)
    if unknown := wanted - pairs.keys():
        names = ", ".join(sorted(map(str, unknown)))
        raise BadFrame(f"{names} is not served here; the symbols are {', '.join(map(str, symbols))}")
    chosen = tuple(pair for pair in pairs if pair in wanted) if wanted else symbols
    return Selection(
        symbols=chosen,
        tag=0 if chosen == symbols else _tag(chosen),
        is_all=not wanted,
        has_reversed=any(pairs[pair] != pair for pair in chosen),
    )


def remaining(selection: Selection, symbols: tuple[Pair, ...]) -> Selection | None:
    """What is left of a selection after a change of the served `symbols`; None: nothing. All stays all."""
    if selection.is_all:
        return select((), symbols)
    pairs = both_ways(symbols)
    left = [str(pair) for pair in selection.symbols if pair in pairs]
    return select(left, symbols) if left else None


# A cursor also says for which selection it is valid: a client that returns with more symbols must get the new
# ones in full. The mark is in the high digits of the sequence, so that a cursor stays two rising numbers, and
# equals the stream's id if everything is selected.
_TAG_SHIFT = 40


def _tag(symbols: tuple[Pair, ...]) -> int:
    return zlib.crc32(",".join(map(str, symbols)).encode()) % 0xFFFFF + 1


def stamp(cursor: Cursor, selection: Selection) -> str:
    """The cursor as a client of this selection gets it."""
    return str(Cursor(cursor.epoch, cursor.sequence | selection.tag << _TAG_SHIFT))


def read_cursor(text: str, selection: Selection) -> Cursor | None:
    """
    The position that a client has reached; None if its cursor is unusable for this selection.

    A cursor of everything is valid for every selection of configured symbols; any other only for its own.
    """
    place = read_place(text)
    good = (selection.tag,) if selection.has_reversed else (0, selection.tag)
    if place is None or Cursor.parse(text).sequence >> _TAG_SHIFT not in good:
        return None
    return place


def read_place(text: str) -> Cursor | None:
    """The position in the stream that a client has reached with any selection; None: not a cursor."""
    try:
        cursor = Cursor.parse(text)
    except ValueError:
        return None
    return Cursor(cursor.epoch, cursor.sequence & ((1 << _TAG_SHIFT) - 1))


def decode_quotes(text: str) -> tuple[Quote, ...]:
    """Read a JSON array of quotes. Raises ValueError if it is not one."""
    items = json.loads(text)
    if not isinstance(items, list):
        raise ValueError(f"{text[:60]!r} is not a list of quotes")  # noqa: TRY004 - one error for bad text
    return tuple(decode_quote(json.dumps(item)) for item in items)


def _plain(number: Decimal | None) -> str | None:
    return None if number is None else plain(number)
