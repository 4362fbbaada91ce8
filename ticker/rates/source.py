"""The contract of a source of rates, and the strict readers that its parsers share. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException, ElementTree
from pydantic import AwareDatetime, BaseModel, ConfigDict

from ticker.rates.calendar import Calendar
from ticker.rates.model import Pair, Rate

OURS = ("KGS", "KZT", "TJS", "UZS", "TMT")
"""The currencies that this service is for: an aggregator's table without one of them is not whole."""


class MalformedFeed(Exception):
    """The bytes are not the table of rates that the source publishes. Says who and what."""


class NoTable(MalformedFeed):
    """The source's own empty answer: it has no table for the day that was asked for, or not yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a source publishes: APScheduler cron fields, in the source's own `timezone`."""

    hour: str
    minute: str = "*/30"
    day_of_week: str = "mon-fri"
    """Names, not numbers: APScheduler counts Monday as 0 where cron has Sunday."""

    @property
    def first_hour(self) -> int:
        """The hour in which publishing begins."""
        return int(self.hour.partition("-")[0])

    @property
    def last_hour(self) -> int:
        """The last hour in which it is asked for."""
        return int(self.hour.rpartition("-")[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Where a source tells many days of one currency at once."""

    url: str
    """With strftime fields of both days, `{first:%d/%m/%Y}` and `{last:...}`, and with `{name}`."""
    names: Mapping[str, str]
    """The publisher's own name of each currency whose history it has: `USD` is `R01235` to CBR."""
    parse: Callable[[bytes, str], tuple[Rate, ...]]
    """Reads one answer about this currency: its days, maybe none, or raises MalformedFeed."""
    longest_days: int = 366
    """Days that one request may ask for."""

    def address(self, currency: str, first: date, last: date) -> str:
        """The full address that answers for the days of a currency from `first` to `last`."""
        return self.url.format(name=self.names[currency], first=first, last=last)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """
    A publisher of rates, as a value: where to ask, when, how to read it, on what terms.

    `url` holds strftime fields in braces, `{day:%d.%m.%Y}`: the day asked for, today in `timezone`;
    and `{key}` where the publisher wants to know who asks.
    """

    key: str
    name: str
    short: str
    """The name in a line of text, `NBKR`."""
    kind: Literal["fixing", "market"]
    url: str
    parse: Callable[[bytes], tuple[Rate, ...]]
    """Reads one answer: every rate of its table, or raises MalformedFeed. Pure."""
    timezone: str
    schedule: Schedule
    calendar: Calendar
    """Its working days, and when its quote is late."""
    attribution: str
    terms: str
    coverage: str
    authority_for: str | None = None
    """The currency whose official rate this source sets, if any."""
    alternatives: tuple[str, ...] = ()
    """Further addresses of the same tables, asked in turn when `url` gives none."""
    history: History | None = None
    """Where it tells many days at once; a source without it whose `url` names a day is asked day by day."""
    parse_history: Callable[[bytes], tuple[Rate, ...]] | None = None
    """Reads an answer of the history endpoint where its format is another one."""
    votes: int = 2
    """Half votes in the guard's median: 2 for who finds prices itself, 1 for who follows other banks."""
    keyless: bool = True
    """Whether it answers without a key; the others need `TICKER_<KEY>_KEY` in the environment."""
    enabled: bool = True
    """Whether it is polled when the configuration says nothing."""
    interval_seconds: int = 3600
    """The plain interval between polls beside the schedule, when the configuration says nothing."""

    @property
    def by_day(self) -> bool:
        """Whether it can be asked for a day."""
        return "{day" in self.url

    @property
    def key_variable(self) -> str:
        """The environment variable with the key of a source that is not keyless."""
        return f"TICKER_{self.key.upper()}_KEY"

    def addresses(self, day: date, *, key: str = "") -> tuple[str, ...]:
        """The full addresses that answer for `day`, in the order to ask them."""
        return tuple(url.format(day=day, key=key) for url in (self.url, *self.alternatives))


class Outcome(BaseModel):
    """How a source's last poll went. Kept in Redis, so that every process can tell it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    source: str
    checked_at: AwareDatetime | None = None
    succeeded_at: AwareDatetime | None = None
    next_poll_at: AwareDatetime | None = None
    failures: int = 0
    """Failed polls in a row."""
    error: str = ""
    as_of: str = ""
    """The newest day that the source has stated a table for."""
    missed: int = 0
    """Publications that its calendar expects and that have not come, even if it answers."""
    repeats: int = 0
    """The working days in a row on which it only repeated its table."""
    published: str = ""
    """The day of the newest publication, accepted or doubted; a repeat is none."""
    gaps: int = 0
    """Earlier publications that could not be had yet."""
    held: tuple[str, ...] = ()
    """What of it is unconfirmed or on hold, in words."""
    history: str = ""
    """How far the back-fill has come, `12 of 21 requests`; empty when it has nothing to do."""
    latency_ms: int | None = None
    etag: str = ""

    @property
    def status(self) -> Literal["ok", "failing", "waiting"]:
        if self.failures:
            return "failing"
        return "ok" if self.succeeded_at else "waiting"

    @property
    def fault(self) -> str:
        """The error without the source's own name, for where that stands beside it."""
        return self.error.removeprefix(f"{self.source}: ")

    @property
    def frozen(self) -> str:
        """`2 publications missed, the newest is of 2026-09-18`; empty if none is missed."""
        if not self.missed:
            return ""
        many, last = "s" if self.missed > 1 else "", self.published or self.as_of or "an unknown day"
        stamped = f"; the same figures are stamped {self.as_of}" if self.as_of > last else ""
        return f"{self.missed} publication{many} missed, the last one is of {last}{stamped}"

    def message(self, now: datetime) -> str:
        """`timed out, retry in 40 s`; `2 publications missed`; empty where all is well."""
        if self.status == "ok":
            return self.frozen
        what = self.fault or "not asked yet"
        if self.next_poll_at is None:
            return what
        seconds = max(0, round((self.next_poll_at - now).total_seconds()))
        return f"{what}, {'retry' if self.failures else 'first poll'} in {seconds} s"


_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,20})?")
_NOMINAL = re.compile(r"10{0,6}|[1-9][0-9]{0,3}")
_CODE = re.compile(r"[A-Z]{3}")


def decimal(text: str | None, *, comma: bool = False, who: str) -> Decimal:
    """
    Read a published figure, digit for digit: ASCII digits and one point (or one comma if `comma`).

    Raises MalformedFeed on anything else, zero and negative numbers included: none is a rate.
    """
    plain = (text or "").strip()
    if comma:
        plain = plain.replace(",", ".") if "." not in plain else ""
    if not _NUMBER.fullmatch(plain) or not (value := Decimal(plain)):
        raise MalformedFeed(f"{who}: {text!r:.60} is not a rate")
    return value


def nominal(text: str | None, *, who: str) -> int:
    """Read the units that a rate is for. Raises MalformedFeed if it is not a sane whole number."""
    plain = (text or "").strip()
    if not _NOMINAL.fullmatch(plain):
        raise MalformedFeed(f"{who}: {text!r:.60} is not a nominal")
    return int(plain)


def code(text: str | None, *, who: str) -> str:
    """Read a currency code of three capital letters. Raises MalformedFeed."""
    plain = (text or "").strip()
    if not _CODE.fullmatch(plain):
        raise MalformedFeed(f"{who}: {text!r:.60} is not a currency code")
    return plain


def day(text: str | None, *, style: Literal["dd.mm.yyyy", "yyyy-mm-dd"], who: str) -> date:
    """Read a date written in exactly this style. Raises MalformedFeed."""
    plain = (text or "").strip()
    shape, layout = {
        "dd.mm.yyyy": (r"[0-9]{2}\.[0-9]{2}\.[0-9]{4}", "%d.%m.%Y"),
        "yyyy-mm-dd": (r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "%Y-%m-%d"),
    }[style]
    try:
        if re.fullmatch(shape, plain):
            return datetime.strptime(plain, layout).date()  # noqa: DTZ007 - a calendar day has no zone
    except ValueError:
        pass
    raise MalformedFeed(f"{who}: {text!r:.60} is not a date ({style})")


def xml(body: bytes, *, root: str, who: str) -> Element:
    """
    Parse an XML answer in the encoding that it declares; entities and DTDs are refused.

    Raises MalformedFeed unless it is well-formed and its root element is `root`: a bank's error
    page and a firewall's HTML come with status 200 (ddos-guard before www.cbr.ru, since 2022-02).
    """
    try:
        element: Element = ElementTree.fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, LookupError, ValueError) as error:
        raise MalformedFeed(
            f"{who}: not XML ({str(error) or type(error).__name__:.80}): {_begin(body)}"
        ) from None
    if element.tag != root:
        raise MalformedFeed(f"{who}: the root is <{element.tag:.60}>, not <{root}>")
    return element


def _begin(body: bytes) -> str:
    """How an answer begins, for a person."""
    return f"it begins with {body[:40]!r}" if body else "it is empty"


def text_of(row: Element, name: str, *, who: str) -> str:
    """
    The text of the one child `name` of `row`.

    Raises MalformedFeed if there is none or another one, or if it holds elements: the text before
    them would be the beginning of a figure.
    """
    found = row.findall(name)
    if len(found) != 1 or len(found[0]):
        raise MalformedFeed(f"{who}: a <{row.tag:.60}> without exactly one plain <{name}>")
    return found[0].text or ""


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, unless a key is there twice: json would keep the last in silence."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key is there twice")
    return members


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def parsed_json(body: bytes, *, who: str) -> Any:
    """Parse a JSON answer in UTF-8, numbers as Decimal; no NaN, no key twice. Raises MalformedFeed."""
    try:
        return json.loads(
            body.decode("utf-8-sig"),
            parse_float=Decimal,
            parse_int=Decimal,
            parse_constant=_constant,
            object_pairs_hook=_members,
        )
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise MalformedFeed(f"{who}: not JSON ({error!s:.80}): {_begin(body)}") from None


def moment(seconds: str, *, who: str) -> datetime:
    """Read a time in whole seconds since 1970 (UTC). Raises MalformedFeed."""
    if not re.fullmatch(r"[0-9]{10}", seconds):
        raise MalformedFeed(f"{who}: {seconds!r:.60} is not a time in seconds")
    return datetime.fromtimestamp(int(seconds), UTC)


def per_dollar(figures: Mapping[str, object], *, who: str, as_of: date) -> tuple[Rate, ...]:
    """
    Close an aggregator's table of units for one dollar, by currency; each figure is a JSON number.

    Raises MalformedFeed on what is no rate, and for a table without one of our currencies.
    """
    rates = (
        Rate(
            source=who,
            pair=Pair("USD", name),
            value=decimal(str(figure), who=who),
            nominal=1,
            as_of=as_of,
        )
        for name, figure in figures.items()
    )
    return table(rates, who=who, quoted=OURS)


def table(
    rates: Iterable[Rate], *, who: str, expected: Iterable[str] = (), quoted: Iterable[str] = ()
) -> tuple[Rate, ...]:
    """
    Close a table: no currency twice, every base of `expected` and every quote of `quoted` in it.

    Raises MalformedFeed otherwise: half a table is no table.
    """
    rows: dict[tuple[Pair, date], Rate] = {}
    for rate in rates:
        if rows.setdefault((rate.pair, rate.as_of), rate) is not rate:
            raise MalformedFeed(f"{who}: {rate.pair} of {rate.as_of} is there twice")
    bases, quotes = ({pair.base for pair, _ in rows}, {pair.quote for pair, _ in rows})
    if missing := (set(expected) - bases) | (set(quoted) - quotes):
        raise MalformedFeed(f"{who}: no {', '.join(sorted(missing))} in a table of {len(rows)}")
    return tuple(rows.values())
