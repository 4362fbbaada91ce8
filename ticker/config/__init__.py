"""The configuration: one TOML file, unknown keys refused, secrets from the environment."""

from ticker.config.faults import ConfigError
from ticker.config.load import Arguments, load
from ticker.config.secrets import of_address, secrets_around, secrets_of
from ticker.config.settings import (
    GuardSettings,
    HistorySettings,
    LimitSettings,
    PegSettings,
    Policy,
    PollSettings,
    RedisSettings,
    ServerSettings,
    Settings,
    SourceSettings,
)
from ticker.config.show import new_since, shown

__all__ = [
    "Arguments",
    "ConfigError",
    "GuardSettings",
    "HistorySettings",
    "LimitSettings",
    "PegSettings",
    "Policy",
    "PollSettings",
    "RedisSettings",
    "ServerSettings",
    "Settings",
    "SourceSettings",
    "load",
    "new_since",
    "of_address",
    "secrets_around",
    "secrets_of",
    "shown",
]
