"""Errors of a Redis: away, refused, overtaken, not the intended one."""

from __future__ import annotations

import re
import ssl
from typing import Literal

from redis.exceptions import (
    AuthenticationError,
    InvalidResponse,
    MovedError,
    NoPermissionError,
    RedisClusterException,
    RedisError,
    ResponseError,
)
from redis.exceptions import TimeoutError as RedisTimeout

from ticker.store.address import Address

UNAVAILABLE = (RedisError, OSError, TimeoutError)
"""The errors of any call while Redis is away. The caller decides when to retry."""
CLUSTER = "the server there is a node of a Cluster: write redis+cluster:// instead of redis://"


_PLACE = re.compile(r"\S*(?:\d+\.\d+\.\d+\.\d+|\[[0-9a-fA-F:]+\]|[\w.-]+):\d+\S*|unix:\S+|/\S+\.sock\S*")


def public(error: BaseException) -> str:
    """The error in words that anybody may read: without the address of Redis."""
    if isinstance(error, TimeoutError | RedisTimeout):
        return "timed out"
    if _is_refused_login(error):
        return "it refuses the login"
    if isinstance(error, ResponseError):
        return _PLACE.sub("...", str(error))[:200]
    causes = (each for each in (error, error.__cause__, error.__context__) if isinstance(each, OSError))
    reason = next((each.strerror for each in causes if each.strerror), "")
    return f"no connection{reason and ': '}{reason}"


def is_refusal(error: Exception) -> bool:
    """Whether Redis answered and refused: it is full, can't save, lacks a replica, or forbids it."""
    return isinstance(error, ResponseError)


def _is_refused_login(error: BaseException | None) -> bool:
    """Whether Redis refused the user or the password. redis-py wraps that in an error of the connection."""
    if error is None or isinstance(error, AuthenticationError):
        return error is not None
    return _is_refused_login(error.__cause__ or error.__context__)


def condition(error: Exception, what: Literal["reads", "writes"]) -> str:
    """How Redis is, for the log: `is unreachable`, `refuses the login`, or refuses `what` was tried."""
    if _is_refused_login(error):
        return "refuses the login"
    return f"refuses {what}" if is_refusal(error) else "is unreachable"


class LeaseLost(Exception):
    """Another process polls now, or the lease ran out: nothing was written."""


class Behind(Exception):
    """Redis has less than was written, or may have (flushed, restored, promoted): write everything again."""


class Refused(ValueError):
    """Not the intended Redis, or one that refuses the login. Names the key of the settings."""

    def __init__(self, key: str, words: str) -> None:
        super().__init__(words)
        self.key = key


def fault(error: BaseException | None, where: Address) -> str:
    """Why it is not the intended Redis, or refuses the login; empty if it is only unreachable."""
    match error:
        case None | Refused():
            return ""
        case AuthenticationError() if re.search("already authenticated|uthentication required", str(error)):
            return "it requires a password, and the address has none"
        case AuthenticationError():
            return "it refused this user with this password"
        case InvalidResponse():
            return "the server there is not a Redis"
        case MovedError():
            return CLUSTER
        case NoPermissionError():
            return f"its user lacks a permission that is needed, see ticker/docs/operating.md: {error}"
        case ResponseError() if "DB index" in str(error) or "SELECT" in str(error):
            return f"it has no database {where.database}"
        case RedisClusterException() if "not enabled" in str(error) and _is_told_so(error):
            return "it is not a Cluster: write redis:// instead of redis+cluster://"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not accepted: {error.verify_message}"
        case ssl.SSLError() if error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
            return "it does not use TLS: write redis instead of rediss"
    return fault(error.__cause__ or error.__context__, where)


def _is_told_so(error: BaseException) -> bool:
    """Whether a node said so. redis-py takes any refusal for this."""
    return error.__cause__ is None and not isinstance(error.__context__, NoPermissionError)
