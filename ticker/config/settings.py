"""The configuration as a value: every key with its type, its range and its default."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)

from ticker.rates.model import Pair, both_ways

MOST_SYMBOLS = 200


class Wrong(ValueError):
    """A value that can't be used: what is wrong with it, and what would be right."""

    def __init__(self, wrong: str, right: str) -> None:
        super().__init__(f"{wrong}. {right}")
        self.wrong = wrong
        self.right = right


def quoted(value: object) -> str:
    """A value as it is written in the file, short enough for a line of a log."""
    if isinstance(value, bool):
        return str(value).lower()
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _pair(value: object) -> Pair:
    if isinstance(value, Pair):
        return value
    try:
        return Pair.parse(value if isinstance(value, str) else "")
    except ValueError:
        raise Wrong(
            f"{quoted(value)} is not a symbol", 'Write one or two codes of three letters, like "KGS/USD".'
        ) from None


def _currency(text: str) -> str:
    if not re.fullmatch("[A-Z]{3}", text):
        raise Wrong(f"{quoted(text)} is not a currency", 'Write three capital letters, like "KGS".')
    return text


def _network(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return ip_network(value)
    except ValueError:
        raise Wrong(f"{quoted(value)} is not a network", _network_near(value)) from None


def _network_near(text: str) -> str:
    try:
        network, host = ip_network(text, strict=False), text.partition("/")[0]
    except ValueError:
        return 'Write one like "10.0.0.0/8" or "2001:db8::/32".'
    return f'Write "{network}" for the whole network, or "{host}" for this one address.'


def _origin(text: str) -> str:
    parts = _parts(text)
    if (
        parts.scheme
        and parts.netloc
        and "@" not in parts.netloc
        and text == f"{parts.scheme}://{parts.netloc}"
    ):
        return text
    host = parts.netloc.rpartition("@")[2] or text.partition("/")[0]
    near = f"{parts.scheme if parts.netloc else 'https'}://{host}".lower()
    raise Wrong(f"{quoted(text)} is not a site", f"Write its scheme and host alone, like {quoted(near)}.")


def _parts(text: str) -> SplitResult:
    try:
        return urlsplit(text)
    except ValueError:
        return SplitResult("", "", "", "", "")


def _band(value: object) -> object:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise Wrong("a band has two numbers", "Write the lowest and the highest: KGS = [60, 130].")
    low, high = (Decimal(str(each)) for each in value)
    if not 0 < low < high:
        raise Wrong(f"{low} to {high} is not a band", "Write the lower one first: [60, 130].")
    return value


Symbol = Annotated[Pair, BeforeValidator(_pair)]
Currency = Annotated[str, AfterValidator(_currency)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
Origin = Annotated[str, AfterValidator(_origin)]
Percent = Annotated[Decimal, Field(gt=0, le=100)]
Band = Annotated[tuple[Decimal, Decimal], BeforeValidator(_band)]
Policy = Literal["official", "market"] | Annotated[tuple[str, ...], Field(min_length=1)]


_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]+)?|\[[0-9A-Fa-f:.]+\](:[0-9]+)?")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class ServerSettings(_Section):
    """The one port for HTTP and WebSocket."""

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    workers: int = Field(1, ge=1, le=64)
    admin: str = ""
    public_url: str = ""
    origins: tuple[Origin, ...] = ()
    trusted_proxies: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    proxy_protocol: bool = False
    heartbeat_seconds: int = Field(25, ge=1, le=300)
    silent_seconds: int = Field(80, ge=2, le=3600)
    slow_seconds: int = Field(30, ge=1, le=3600)
    lame_seconds: float = Field(0, ge=0, le=600)
    drain_seconds: float = Field(10, ge=0, le=600)

    @field_validator("public_url")
    @classmethod
    def _is_a_base(cls, text: str) -> str:
        parts = _parts(text)
        if text and not (parts.scheme in ("http", "https") and _HOST.fullmatch(parts.netloc)):
            raise Wrong(f"{quoted(text)} is not an address", 'Write one like "https://example.org/fx".')
        if parts.query or parts.fragment:
            raise Wrong(
                f"{quoted(text)} has a query or a fragment", 'Write one like "https://example.org/fx".'
            )
        return text.rstrip("/")

    @field_validator("host")
    @classmethod
    def _is_a_host(cls, text: str) -> str:
        if not text or re.search(r"[\s/\[\]@]", text):
            raise Wrong(f"{quoted(text)} is not a host", 'Write an address or a name, like "0.0.0.0".')
        return text

    @field_validator("admin")
    @classmethod
    def _is_an_address(cls, text: str) -> str:
        host, _, port = text.rpartition(":")
        if text and not (host and port.isascii() and port.isdecimal() and int(port[:6]) <= 65535):
            raise Wrong(f"{quoted(text)} is not an address", 'Write HOST:PORT, like "127.0.0.1:9100".')
        return text


class LimitSettings(_Section):
    """The limits of one process. A client that exceeds one is told when to try again."""

    subscribers: int = Field(100_000, ge=1)
    subscribers_per_address: int = Field(10_000, ge=1)
    symbols: int = Field(200, ge=1, le=200)
    message_bytes: int = Field(4096, ge=128, le=1 << 24)
    messages_per_second: int = Field(20, ge=1)
    handshakes_per_second: int = Field(2_000, ge=1)
    handshakes_at_once: int = Field(20_000, ge=1)
    handshakes_in_flight: int = Field(4_096, ge=1)
    head_bytes: int = Field(16_384, ge=1024, le=1 << 16)
    head_seconds: float = Field(5, gt=0, le=60)


class RedisSettings(_Section):
    """Where quotes, history and the stream are kept."""

    url: str = "embedded"
    read_url: str = ""
    sentinel_username: str = ""
    sentinel_password: SecretStr = Field(SecretStr(""), exclude=True)
    data_dir: str = ""
    prefix: str = "{ticker}:"
    stream_length: int = Field(10_000, ge=1)
    lease_seconds: int = Field(6, ge=3, le=300)

    @field_validator("url")
    @classmethod
    def _is_given(cls, text: str) -> str:
        if not text:
            raise Wrong("it is empty", 'Write "embedded", or an address like "redis://127.0.0.1:6379/0".')
        return text

    @field_validator("prefix")
    @classmethod
    def _is_printable(cls, text: str) -> str:
        if not re.fullmatch("[!-~]*", text):
            raise Wrong(
                f"{quoted(text)} is not a prefix",
                'Write ASCII characters without spaces, like "{ticker}:".',
            )
        return text


class PollSettings(_Section):
    """How sources are asked."""

    timeout_seconds: float = Field(20, gt=0, le=300)
    max_body_bytes: int = Field(2_000_000, ge=1000)
    retry_min_seconds: float = Field(5, gt=0)
    retry_max_seconds: float = Field(900, gt=0)
    project_url: str = ""
    proxy: str = ""

    @field_validator("proxy")
    @classmethod
    def _is_a_proxy(cls, text: str) -> str:
        parts = _parts(text)
        if text and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise Wrong("this is not a proxy", 'Write one like "http://proxy.example:3128".')
        return text


class SourceSettings(_Section):
    """One source. A missing key keeps the source's own value."""

    enabled: bool | None = None
    base_url: str = ""
    interval_seconds: int | None = Field(None, ge=1, le=7 * 86400)
    closed_days: tuple[date, ...] = ()
    key: SecretStr = Field(SecretStr(""), exclude=True)

    @field_validator("base_url")
    @classmethod
    def _is_http(cls, text: str) -> str:
        parts = _parts(text)
        if text and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query):
            raise Wrong("this is not an address", 'Write one without a query, like "https://host:8080/path".')
        return text.rstrip("/")


class HistorySettings(_Section):
    """How much history is kept and fetched."""

    days: int = Field(1830, ge=2, le=20 * 366)
    backfill_days: int = Field(30, ge=0, le=5 * 366)
    pause_seconds: float = Field(0.5, ge=0, le=60)


class GuardSettings(_Section):
    """The limits from which a rate is doubted."""

    tolerance_percent: Percent = Decimal("1.5")
    tolerances: dict[Currency, Percent] = {"KZT": Decimal("2.5")}
    jump_percent: Percent = Decimal(5)
    human_percent: Percent = Decimal(15)
    repeat_minutes: int = Field(10, ge=1, le=1440)

    bands: dict[Currency, Band] = {
        "KGS": (Decimal(60), Decimal(130)),
        "KZT": (Decimal(300), Decimal(900)),
        "TJS": (Decimal(6), Decimal(16)),
        "UZS": (Decimal(8000), Decimal(20000)),
        "TMT": (Decimal("3.3"), Decimal("3.7")),
    }


class PegSettings(_Section):
    """A currency with an official fixed rate to the dollar."""

    units_per_usd: Decimal = Field(gt=0)
    since: date


def _policy(said: object) -> object:
    if said in ("official", "market"):
        return said
    if isinstance(said, list | tuple) and said and all(isinstance(each, str) for each in said):
        return tuple(said)
    raise Wrong(
        f"{quoted(said)} is not a policy",
        f'{_near(said)}Write "official", "market" or a list of sources, like ["nbkr", "cbr"].',
    )


def _near(said: object) -> str:
    near = get_close_matches(str(said), ["official", "market"], n=1)
    return f'Did you mean "{near[0]}"? ' if near else ""


class Settings(_Section):
    """The whole file. `config.example.toml` documents every key."""

    symbols: tuple[Symbol, ...] = tuple(Pair(code, "USD") for code in ("KGS", "KZT", "TJS", "UZS", "TMT"))
    label: str = ""
    policy: Policy | dict[str, Policy] = "official"
    server: ServerSettings = ServerSettings()
    limits: LimitSettings = LimitSettings()
    redis: RedisSettings = RedisSettings()
    poll: PollSettings = PollSettings()
    history: HistorySettings = HistorySettings()
    guard: GuardSettings = GuardSettings()
    pegs: dict[Currency, PegSettings] = {
        "TMT": PegSettings(units_per_usd=Decimal("3.5"), since=date(2015, 1, 1))
    }
    sources: dict[str, SourceSettings] = {}

    @field_validator("symbols")
    @classmethod
    def _some_and_distinct(cls, symbols: tuple[Pair, ...]) -> tuple[Pair, ...]:
        if not 0 < len(symbols) <= MOST_SYMBOLS:
            raise Wrong(f"{len(symbols)} symbols", f'Name 1 to {MOST_SYMBOLS}, like ["KGS/USD"].')
        if twice := [symbol for symbol in symbols if symbols.count(symbol) > 1]:
            raise Wrong(f"{twice[0]} is named twice", "Name each symbol once.")
        if same := [symbol for symbol in symbols if symbol.base == symbol.quote]:
            raise Wrong(f"{same[0]} is not a pair of two currencies", 'Write one like "KGS/USD".')
        return symbols

    @field_validator("label")
    @classmethod
    def _is_a_label(cls, text: str) -> str:
        if not re.fullmatch("[a-z0-9-]{0,20}", text):
            raise Wrong(
                f"{quoted(text)} is not a label",
                'Write up to 20 small letters, digits and "-".',
            )
        return text

    @field_validator("policy", mode="before")
    @classmethod
    def _is_a_policy(cls, said: object, info: ValidationInfo) -> object:
        if not isinstance(said, Mapping):
            return _policy(said)
        symbols = both_ways(info.data.get("symbols", ()))
        named = [str(symbols.get(pair, pair)) for pair in map(_pair, said)]
        if twice := [symbol for symbol in named if named.count(symbol) > 1]:
            raise Wrong(f"{twice[0]} is named twice", "Give each symbol one policy.")
        return dict(zip(named, map(_policy, said.values()), strict=True))

    def policy_of(self, symbol: Pair) -> Policy:
        """Which source provides the value of this symbol."""
        return self.policy.get(str(symbol), "official") if isinstance(self.policy, dict) else self.policy

    def source(self, key: str) -> SourceSettings:
        """The settings of a source; defaults if the file has none."""
        return self.sources.get(key, _NOTHING_SAID)


_NOTHING_SAID = SourceSettings()
