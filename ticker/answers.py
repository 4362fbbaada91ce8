"""The HTTP answers as JSON text: pydantic models that encode them and also give the schemas. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ticker.health import Verdict
from ticker.rates.model import Pair, Status
from ticker.wire import Awaited, Positive, QuoteMessage, Symbol, encode_awaited

Day = Annotated[str, Field(examples=["2026-09-29"])]
"""A date; of an intraday price an instant, with its offset from UTC."""
Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-09-29T10:02:11Z"])]
"""An instant in UTC, whole seconds."""
Whole = Annotated[int, Field(ge=0)]


class _Answer(BaseModel):
    # A docstring below a field is its description in the schema.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class QuotesAnswer(_Answer):
    """The newest quotes of the selection, in the order of the configuration."""

    cursor: str
    """The place in the stream at which this holds: `/v1/stream?cursor=` goes on from here."""
    quotes: list[QuoteMessage]
    """One for each chosen symbol that has a quote yet."""
    awaited: Awaited = {}
    """The chosen symbols that have no quote yet, each with the reason in words; left out if all have one."""


class FixingAnswer(_Answer):
    """What one source said of one day."""

    as_of: Day
    """The day from which the rate is valid, in its source's country."""
    price: Positive
    """Units of the symbol's second currency for one unit of its first: `KGS/USD` is dollars for one som."""
    inverse: Positive
    """Units of the symbol's first currency for one unit of its second: som for one dollar."""
    value: Positive | None
    """The source's own figure, digit for digit; null for a cross, which no single figure gives."""
    nominal: Annotated[int, Field(ge=1)] | None
    """Units of the first currency of `direction` that cost `value`."""
    direction: Symbol | None
    """The source's own direction: `USD/KGS` is som for `nominal` dollars."""
    corrected: bool
    """Whether the source replaced its own figure of this day after that had taken effect."""
    announced: bool
    """Whether the day has not begun in the source's country yet."""


class HistoryAnswer(_Answer):
    """What one source said of one symbol, by day, the earliest first."""

    symbol: Symbol
    source: str
    """The key of the source; empty while the symbol has no quote and none was asked for."""
    fixings: list[FixingAnswer]


class SourceAnswer(_Answer):
    """A source: who, on what terms, and how its last poll went."""

    key: str
    """What quotes and histories call it."""
    name: str
    short: str
    """The name in a line of text, `NBKR`; quotes carry it as `source_name`."""
    site: str
    """The publisher's address for readers, without a scheme."""
    site_required: bool
    """Whether its terms require that address beside its figures; then quotes carry it as `source_site`."""
    kind: Literal["fixing", "market"]
    """An official rate, set once a day, or an indicative price."""
    authority_for: str | None
    """The currency whose official rate it sets, if any."""
    timezone: str
    """Its time zone (IANA)."""
    due_by: Annotated[str, Field(examples=["11:30"])]
    """The time of day in its time zone by which a day's table is out."""
    grace_seconds: Whole
    """Seconds after `due_by` from which its quote is late."""
    status: Literal["ok", "failing", "waiting", "disabled"]
    message: str
    """What is wrong, in words; empty where all is well."""
    as_of: Day | None
    """The newest day that it has stated a table for."""
    missed: Whole
    """Publications that its calendar expects and that have not come."""
    repeats: Whole
    """The working days in a row on which it only repeated its table."""
    held: list[str]
    """What of it is unconfirmed or on hold, in words."""
    history: str
    """How far the back-fill of earlier days has come; empty when it has nothing to do."""
    gaps: Whole
    """Earlier publications that could not be had yet."""
    checked_at: Moment | None
    """When it was asked last."""
    succeeded_at: Moment | None
    """When it answered last with a whole table."""
    next_poll_at: Moment | None
    """When it is asked next."""
    failures: Whole
    """Failed polls in a row."""
    latency_ms: Whole | None
    """How long its last answer took, in milliseconds."""
    attribution: str
    """The words that its publisher wants beside its figures."""
    terms: str
    """On what terms its figures may be used."""
    coverage: str
    """What it publishes, and how often."""


class SourcesAnswer(_Answer):
    """Every source that this service knows, whether it is asked or not."""

    label: str | None
    """What stands before every source's name, `demo`; null in earnest."""
    sources: list[SourceAnswer]


class SourceHealth(_Answer):
    """How one source that is asked does."""

    status: Literal["ok", "failing", "waiting"]
    message: str
    """What is wrong, in words; empty where all is well."""
    as_of: Day | None
    """The newest day that it has stated a table for."""


class PollerHealth(_Answer):
    """The process that polls, of whatever machine."""

    owner: str
    """Its host and process number, `host:pid`."""
    since: Moment
    """When it took over."""
    wrote_at: Moment
    """When it last wrote, by Redis's clock: `redis.lease_seconds` / 3 ago at most, if all is well."""
    next_due: Moment | None
    """When the next quote is due; null while none is."""


class HealthAnswer(_Answer):
    """What to trust: every source, Redis and the quotes."""

    status: Verdict
    """`fail` only when the quotes can't be trusted, `warn` when something needs an operator."""
    version: str
    label: str | None
    """What stands before every source's name, `demo`; null in earnest."""
    notes: list[str]
    """The reasons of the status, in words."""
    cursor: str
    """The place in the stream up to which this process has followed."""
    subscribers: Whole
    """Subscribers of the stream at this moment."""
    redis: str
    """`pass`, or what is wrong with it."""
    poller: PollerHealth | None
    """Who polls, or polled last; null while Redis does not say."""
    quotes: dict[str, Status]
    """The status of each symbol's quote."""
    due_at: dict[str, Moment | None]
    """When each symbol's next quote is due; null if none is."""
    sources: dict[str, SourceHealth]
    """By key, the sources that are asked."""


class VerdictAnswer(_Answer):
    """What to trust, in one word: all that the public gets where operators have an address of their own."""

    status: Verdict
    """`fail` only when the quotes can't be trusted, `warn` when something needs an operator."""


class AliveAnswer(_Answer):
    """The process runs."""

    status: Literal["pass"] = "pass"


class ReadyAnswer(_Answer):
    """Whether the process can serve: it has read what Redis holds, and is not about to leave."""

    status: Literal["pass", "fail"]


class ProblemAnswer(_Answer):
    """An error (RFC 9457)."""

    type: Literal["about:blank"] = "about:blank"
    title: str
    """The words of the status code."""
    status: Annotated[int, Field(ge=400, le=599)]
    """The HTTP status code."""
    detail: str
    """What was wrong with this request, for a person."""


def encode(answer: BaseModel) -> str:
    """The JSON text of an answer, in ASCII."""
    return json.dumps(answer.model_dump())


def encode_quotes(cursor: str, quotes: Iterable[str], awaited: Iterable[tuple[Pair, str]] = ()) -> str:
    """A QuotesAnswer from the JSON objects of its quotes, which are encoded once for all who read them."""
    return f'{{"cursor":"{cursor}","quotes":[{",".join(quotes)}]{encode_awaited(awaited)}}}'
