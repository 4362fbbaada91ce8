"""The contract of a source of rates, and the outcome of a poll. Values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from ticker.rates.calendar import Calendar
from ticker.rates.model import Pair, Rate


class MalformedFeed(Exception):
    """The bytes are not the table of rates that the source publishes. Names the source and the fault."""


class NoTable(MalformedFeed):
    """The source's own empty answer: it has no table for the requested day, or not yet."""


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
        """The last hour in which it is asked."""
        return int(self.hour.rpartition("-")[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The archive of a source that gives many days of one currency at once."""

    url: str
    """With strftime fields of both days, `{first:%d/%m/%Y}` and `{last:...}`, and with `{name}`."""
    names: Mapping[str, str]
    """The publisher's name of each currency with a history: CBR's name for `USD` is `R01235`."""
    parse: Callable[[bytes, str], tuple[Rate, ...]]
    """Reads one answer about this currency: its days, maybe none, or raises MalformedFeed."""

    def address(self, currency: str, first: date, last: date) -> str:
        """The full address of the days of a currency from `first` to `last`."""
        return self.url.format(name=self.names[currency], first=first, last=last)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """
    A publisher of rates, as a value: where to ask, when, how to read it, on what terms.

    `url` holds strftime fields in braces, `{day:%d.%m.%Y}`: the requested day (today or a later one, in
    `timezone`; an earlier one by the back-fill); and `{key}` if the publisher requires a key.
    """

    key: str
    name: str
    short: str
    """The short name for readers, `NBKR`."""
    site: str
    """The publisher's address for readers, without a scheme: `www.nbkr.kg`."""
    kind: Literal["fixing", "market"]
    url: str
    parse: Callable[[bytes], tuple[Rate, ...]]
    """Reads one answer: every rate of its table, or raises MalformedFeed. Pure."""
    timezone: str
    schedule: Schedule
    calendar: Calendar
    """Its working days, and when its quote is late."""
    terms: str
    coverage: str
    site_required: bool = False
    """Whether its terms require the site beside its figures."""
    credit: str = ""
    """The attribution that its terms require, if it is not just `name`."""
    authority_for: str | None = None
    """The currency whose official rate this source sets, if any."""
    lists: str = ""
    """The codes of the currencies in its table, with spaces between; empty if they are not known."""
    alternatives: tuple[str, ...] = ()
    """More addresses of the same tables, asked in turn if `url` fails."""
    history: History | None = None
    """Its archive of many days at once. A source without one whose `url` names a day is asked day by day."""
    follows_banks: bool = False
    """Whether it takes its rates from other banks: then it is not a witness, and has half a vote."""
    enabled: bool = True
    """Whether it is polled by default."""
    interval_seconds: int = 3600
    """The default interval between two polls, beside the schedule."""

    @property
    def currencies(self) -> frozenset[str]:
        """The currencies of its table, its own among them; empty if they are not known."""
        own = self.authority_for or "USD"
        return frozenset((*self.lists.split(), own)) if self.lists else frozenset()

    def may_have(self, pair: Pair) -> bool:
        """Whether its table may give the price of a pair, directly or crossed."""
        return not self.lists or self.currencies.issuperset(pair)

    @property
    def attribution(self) -> str:
        """The words that name the publisher beside its figures."""
        return f"{self.credit or self.name}, {self.site}"

    @property
    def by_day(self) -> bool:
        """Whether it can be asked for a day."""
        return "{day" in self.url

    @property
    def needs_key(self) -> bool:
        """Whether it requires a key, which is in the environment (`key_variable`)."""
        return "{key}" in self.url

    @property
    def key_variable(self) -> str:
        """The environment variable with the key of a source that needs one."""
        return f"TICKER_{self.key.upper()}_KEY"

    def addresses(self, day: date, *, key: str = "") -> tuple[str, ...]:
        """The full addresses for `day`, in the order of the requests."""
        return tuple(url.format(day=day, key=key) for url in (self.url, *self.alternatives))


class Outcome(BaseModel):
    """The outcome of a source's last poll. Stored in Redis, so that every process can show it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    source: str
    checked_at: AwareDatetime | None = None
    succeeded_at: AwareDatetime | None = None
    next_poll_at: AwareDatetime | None = None
    failures: int = 0
    """Failed polls in a row."""
    error: str = ""
    as_of: str = ""
    """The newest day for which the source has stated a table."""
    missed: int = 0
    """The number of publications that are missing by its calendar, even if it answers."""
    repeats: int = 0
    """The working days in a row on which it only repeated its table."""
    published: str = ""
    """The day of the newest publication, accepted or doubted; a repeat is none."""
    gaps: int = 0
    """The number of earlier publications that are still missing."""
    held: tuple[str, ...] = ()
    """Its rates that are unconfirmed or on hold, in words."""
    history: str = ""
    """The progress of the back-fill, `12 of 21 requests`; empty when it has nothing to do."""
    latency_ms: int | None = None

    @property
    def status(self) -> Literal["ok", "failing", "waiting"]:
        if self.failures:
            return "failing"
        return "ok" if self.succeeded_at else "waiting"

    @property
    def fault(self) -> str:
        """The error without the name of the source, for places that show the name separately."""
        return self.error.removeprefix(f"{self.source}: ")

    @property
    def frozen(self) -> str:
        """`2 publications missed, the last one is of 2026-09-18`; empty if none is missed."""
        if not self.missed:
            return ""
        many, last = "s" if self.missed > 1 else "", self.published or self.as_of or "an unknown day"
        stamped = f"; the same figures now have the date {self.as_of}" if self.as_of > last else ""
        return f"{self.missed} publication{many} missed, the last one is of {last}{stamped}"

    def message(self, now: datetime) -> str:
        """`timed out, retry in 40 s`; `2 publications missed`; empty if nothing is wrong."""
        if self.status == "ok":
            return self.frozen
        what = self.fault or "not asked yet"
        if self.next_poll_at is None:
            return what
        seconds = max(0, round((self.next_poll_at - now).total_seconds()))
        return f"{what}, {'retry' if self.failures else 'first poll'} in {seconds} s"
