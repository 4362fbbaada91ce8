"""The configuration as a value: every key with its type, its range and its default."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ticker.rates.model import Pair, both_ways


def _pair(value: object) -> Pair:
    if isinstance(value, Pair):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a symbol like KGS/USD")  # noqa: TRY004 - pydantic's contract
    return Pair.parse(value)


Symbol = Annotated[Pair, BeforeValidator(_pair)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Network = IPv4Network | IPv6Network
Origin = Annotated[str, Field(pattern=r"^[a-z][a-z0-9+.-]*://[^/?#@]+$")]
Percent = Annotated[Decimal, Field(gt=0, le=100)]
Policy = Literal["official", "market"] | Annotated[tuple[str, ...], Field(min_length=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class ServerSettings(_Section):
    """The one port for HTTP and WebSocket."""

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    workers: int = Field(1, ge=1, le=64)
    admin: str = ""
    origins: tuple[Origin, ...] = ()
    trusted_proxies: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    proxy_protocol: bool = False
    heartbeat_seconds: int = Field(25, ge=1, le=300)
    silent_seconds: int = Field(80, ge=2, le=3600)
    slow_seconds: int = Field(30, ge=1, le=3600)
    drain_seconds: float = Field(10, ge=0, le=600)

    @field_validator("admin")
    @classmethod
    def _is_an_address(cls, text: str) -> str:
        host, _, port = text.rpartition(":")
        if text and not (host and port.isascii() and port.isdecimal() and int(port) <= 65535):
            raise ValueError(f"{text!r} is not an address like 127.0.0.1:9090")
        return text

    @model_validator(mode="after")
    def _can_be_answered(self) -> Self:
        if self.silent_seconds <= self.heartbeat_seconds:
            raise ValueError(
                f"silent_seconds = {self.silent_seconds} must be more than heartbeat_seconds = "
                f"{self.heartbeat_seconds}, or those are closed who answer every ping"
            )
        return self


class LimitSettings(_Section):
    """What one process takes upon itself; beyond it, a client is told when to come back."""

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
    data_dir: str = ""
    prefix: str = Field("{ticker}:", pattern=r"^[!-~]*$")
    stream_length: int = Field(10_000, ge=1)
    lease_seconds: int = Field(6, ge=3, le=300)


class PollSettings(_Section):
    """How banks are asked."""

    timeout_seconds: float = Field(20, gt=0, le=300)
    max_body_bytes: int = Field(2_000_000, ge=1000)
    retry_min_seconds: float = Field(5, gt=0)
    retry_max_seconds: float = Field(900, gt=0)
    project_url: str = ""


class SourceSettings(_Section):
    """One source; what is left out keeps the source's own value."""

    enabled: bool | None = None
    base_url: str = ""
    interval_seconds: int | None = Field(None, ge=1, le=7 * 86400)
    closed_days: tuple[date, ...] = ()
    key: SecretStr = Field(SecretStr(""), exclude=True)

    @field_validator("base_url")
    @classmethod
    def _is_http(cls, text: str) -> str:
        parts = urlsplit(text)
        if text and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query):
            raise ValueError(f"{text!r} is not an address like https://host:port/path")
        return text.rstrip("/")


class HistorySettings(_Section):
    """What is remembered."""

    days: int = Field(1830, ge=2, le=20 * 366)
    backfill_days: int = Field(30, ge=0, le=5 * 366)
    pause_seconds: float = Field(0.5, ge=0, le=60)


class GuardSettings(_Section):
    """The limits beyond which a rate is doubted."""

    tolerance_percent: Percent = Decimal("1.5")
    tolerances: dict[Currency, Percent] = {"KZT": Decimal("2.5")}
    jump_percent: Percent = Decimal(5)
    human_percent: Percent = Decimal(15)
    repeat_minutes: int = Field(10, ge=1, le=1440)

    bands: dict[Currency, tuple[Decimal, Decimal]] = {
        "KGS": (Decimal(60), Decimal(130)),
        "KZT": (Decimal(300), Decimal(900)),
        "TJS": (Decimal(6), Decimal(16)),
        "UZS": (Decimal(8000), Decimal(20000)),
        "TMT": (Decimal("3.3"), Decimal("3.7")),
    }

    @field_validator("bands")
    @classmethod
    def _low_before_high(
        cls, bands: dict[str, tuple[Decimal, Decimal]]
    ) -> dict[str, tuple[Decimal, Decimal]]:
        for currency, (low, high) in bands.items():
            if not 0 < low < high:
                raise ValueError(f"{currency}: {low} to {high} is not a band")
        return bands


class PegSettings(_Section):
    """A currency that its country fixed to the dollar."""

    units_per_usd: Decimal = Field(gt=0)
    since: date


class Settings(_Section):
    """The whole file. `config.example.toml` documents every key."""

    symbols: tuple[Symbol, ...] = tuple(Pair(code, "USD") for code in ("KGS", "KZT", "TJS", "UZS", "TMT"))
    label: str = Field("", pattern=r"^[a-z0-9-]{0,20}$")
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
        if not 0 < len(set(symbols)) == len(symbols) <= 200:
            raise ValueError("give 1 to 200 symbols, each once")
        if same := [symbol for symbol in symbols if symbol.base == symbol.quote]:
            raise ValueError(f"{same[0]} is no pair of two currencies")
        return symbols

    @field_validator("policy")
    @classmethod
    def _of_symbols(
        cls, policy: Policy | dict[str, Policy], info: ValidationInfo
    ) -> Policy | dict[str, Policy]:
        if not isinstance(policy, dict):
            return policy
        symbols = both_ways(info.data.get("symbols", ()))
        pairs = [Pair.parse(text) for text in policy]
        named = [str(symbols.get(pair, pair)) for pair in pairs]
        if twice := [symbol for symbol in named if named.count(symbol) > 1]:
            raise ValueError(f"{twice[0]} is named twice")
        return dict(zip(named, policy.values(), strict=True))

    @model_validator(mode="after")
    def _serves_what_has_a_policy(self) -> Self:
        named = self.policy if isinstance(self.policy, dict) else {}
        if unknown := named.keys() - set(map(str, self.symbols)):
            raise ValueError(f"policy.{min(unknown)}: it is not one of the symbols")
        return self

    def policy_of(self, symbol: Pair) -> Policy:
        """Whose word is the value of this symbol."""
        return self.policy.get(str(symbol), "official") if isinstance(self.policy, dict) else self.policy

    def source(self, key: str) -> SourceSettings:
        """The settings of a source, its defaults where the file says nothing."""
        return self.sources.get(key, _NOTHING_SAID)


_NOTHING_SAID = SourceSettings()
