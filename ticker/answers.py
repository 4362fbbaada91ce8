"""The HTTP answers as pydantic models, which encode the JSON text and give the schemas. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ticker.health import HealthStatus
from ticker.rates.model import Pair, Status
from ticker.wire import Awaited, Positive, QuoteMessage, Symbol, encode_awaited

Day = Annotated[str, Field(examples=["2026-09-29"])]
"""A date. For an intraday price: its time in UTC."""
Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-09-29T10:02:11Z"])]
"""A time in UTC, in whole seconds."""
Whole = Annotated[int, Field(ge=0)]


class _Answer(BaseModel):
    # A docstring below a field is its description in the schema.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class QuotesAnswer(_Answer):
    """The newest quotes of the selection, in the order of the configuration."""

    cursor: str
    """The position in the stream of this answer. `/v1/stream?cursor=` continues from here."""
    quotes: list[QuoteMessage]
    """One quote for each selected symbol that has one."""
    awaited: Awaited = {}
    """The selected symbols that have no quote yet, each with the reason. Absent if all have a quote."""


class FixingAnswer(_Answer):
    """The rate of one source for one day."""

    as_of: Day
    """
    The day, in the country of the source, from which the rate is valid. For an intraday price: its time in
    UTC.
    """
    price: Positive
    """Units of the symbol's second currency for one unit of its first. For `KGS/USD`: dollars for one som."""
    inverse: Positive
    """Units of the symbol's first currency for one unit of its second. For `KGS/USD`: som for one dollar."""
    value: Positive | None
    """The published figure, digit for digit. Null if the rate is calculated from two figures."""
    nominal: Annotated[int, Field(ge=1)] | None
    """The number of units of the first currency of `direction` that cost `value`."""
    direction: Symbol | None
    """The pair that the source publishes. `USD/KGS`: `value` som for `nominal` dollars."""
    corrected: bool
    """Whether the source replaced its figure of this day after the figure had become valid."""
    announced: bool
    """Whether the day has not yet begun in the country of the source."""


class HistoryAnswer(_Answer):
    """The publications of one source for one symbol, the earliest first."""

    symbol: Symbol
    source: str
    """The key of the source. Empty if the symbol has no quote and the request named no source."""
    fixings: list[FixingAnswer]


class SourceAnswer(_Answer):
    """A source, its terms, and the result of its last poll."""

    key: str
    """The key of the source. Quotes and histories put the label before it, if there is one: `demo:nbkr`."""
    name: str
    short: str
    """The short name, `NBKR`. Quotes have it as `source_name`."""
    site: str
    """The site of the publisher, without a scheme."""
    site_required: bool
    """Whether the terms require the site beside the figures. Quotes then have it as `source_site`."""
    kind: Literal["fixing", "market"]
    """`fixing`: an official rate, set once a day. `market`: an indicative price."""
    authority_for: str | None
    """The currency whose official rate this source sets. Null if there is none."""
    timezone: str
    """The time zone of the source (IANA)."""
    due_by: Annotated[str, Field(examples=["11:30"])]
    """The time, on the second working day after a table was set, by which the next one is expected."""
    grace_seconds: Whole
    """Seconds after `due_by` until a quote of the source is late: its `due_at`."""
    status: Literal["ok", "failing", "waiting", "disabled"]
    message: str
    """What is wrong. Empty if nothing is."""
    as_of: Day | None
    """The newest day for which the source has published a table."""
    missed: Whole
    """The number of publications that are missing by the calendar of the source."""
    repeats: Whole
    """The number of working days on which a newer table was due and the source repeated its last one."""
    held: list[str]
    """The rates of this source that are doubted or on hold, in words."""
    history: str
    """The progress of the requests for earlier days. Empty if none are under way."""
    gaps: Whole
    """The number of earlier publications that are still missing."""
    checked_at: Moment | None
    """The time of the last poll."""
    succeeded_at: Moment | None
    """The time of the last poll that brought a complete table."""
    next_poll_at: Moment | None
    """The time of the next poll."""
    failures: Whole
    """The number of failed polls in a row."""
    latency_ms: Whole | None
    """The duration of the last successful poll, in milliseconds."""
    attribution: str
    """The words that name the publisher beside its figures."""
    terms: str
    """The terms of use."""
    coverage: str
    """The currencies that the source publishes."""


class SourcesAnswer(_Answer):
    """Every source that this service knows, enabled or not."""

    label: str | None
    """The prefix of every source, such as `demo`. Null if the rates are real."""
    sources: list[SourceAnswer]


class SourceHealth(_Answer):
    """The state of one enabled source."""

    status: Literal["ok", "failing", "waiting"]
    message: str
    """What is wrong. Empty if nothing is."""
    as_of: Day | None
    """The newest day for which the source has published a table."""


class PollerHealth(_Answer):
    """The process that polls the sources. It may run on another machine."""

    owner: str
    """The host and the process number, `host:pid`."""
    since: Moment
    """When the process started to poll."""
    wrote_at: Moment
    """Its last write, by the clock of Redis. Normally at most `redis.lease_seconds` / 3 ago."""
    next_due: Moment | None
    """When the next quote is due. Null if none is."""


class HealthAnswer(_Answer):
    """The health of the sources, of Redis and of the quotes."""

    status: HealthStatus
    """`fail`: the quotes can't be trusted. `warn`: something needs an operator. `pass`: all is well."""
    version: str
    label: str | None
    """The prefix of every source, such as `demo`. Null if the rates are real."""
    notes: list[str]
    """The reasons for the status, in words."""
    cursor: str
    """The position in the stream that this process has reached."""
    subscribers: Whole
    """The number of current subscribers of the stream."""
    redis: str
    """`pass`, or what is wrong with Redis."""
    poller: PollerHealth | None
    """The process that polls, or that polled last. Null if this is unknown."""
    quotes: dict[str, Status]
    """The status of each symbol's quote."""
    due_at: dict[str, Moment | None]
    """When the next quote of each symbol is due. Null if none is."""
    sources: dict[str, SourceHealth]
    """The enabled sources, by key."""


class PublicHealthAnswer(_Answer):
    """The health in one word. The public gets only this if `server.admin` is set."""

    status: HealthStatus
    """`fail`: the quotes can't be trusted. `warn`: something needs an operator. `pass`: all is well."""


class AliveAnswer(_Answer):
    """The process runs."""

    status: Literal["pass"] = "pass"


class ReadyAnswer(_Answer):
    """Whether the process can serve: it has read the quotes from Redis, and it is not stopping."""

    status: Literal["pass", "fail"]


class ProblemAnswer(_Answer):
    """An error (RFC 9457)."""

    type: Literal["about:blank"] = "about:blank"
    title: str
    """The standard words for the status code."""
    status: Annotated[int, Field(ge=400, le=599)]
    """The HTTP status code."""
    detail: str
    """What was wrong with this request, in words."""


class _EmbedAnswer(_Answer):
    version: Literal["1.0"] = "1.0"
    """The version of oEmbed."""
    title: str
    provider_name: str = "Currency rate ticker"
    provider_url: str
    """The page of this service."""
    cache_age: Whole
    """The number of seconds for which the answer may be kept."""
    width: Annotated[int, Field(ge=1)]
    """The width in pixels."""
    height: Annotated[int, Field(ge=1)]
    """The height in pixels."""


class FrameEmbedAnswer(_EmbedAnswer):
    """How to embed the line as a frame (oEmbed)."""

    type: Literal["rich"] = "rich"
    html: str
    """An `<iframe>`. It fills the width of its place, up to `maxwidth`."""


class PictureEmbedAnswer(_EmbedAnswer):
    """How to embed the line as a picture (oEmbed)."""

    type: Literal["photo"] = "photo"
    url: str
    """The address of the picture."""


def encode(answer: BaseModel) -> str:
    """The JSON text of an answer, in ASCII."""
    return json.dumps(answer.model_dump())


def encode_quotes(cursor: str, quotes: Iterable[str], awaited: Iterable[tuple[Pair, str]] = ()) -> str:
    """A QuotesAnswer from the JSON objects of its quotes, which are encoded once for all readers."""
    return f'{{"cursor":"{cursor}","quotes":[{",".join(quotes)}]{encode_awaited(awaited)}}}'
