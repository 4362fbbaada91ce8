"""Polling: what to ask the sources and when, one feed per source, and the outbox that writes to Redis."""

from ticker.poll.clock import Clock, WallClock
from ticker.poll.poller import NobodyAnswered, Poller

__all__ = ["Clock", "NobodyAnswered", "Poller", "WallClock"]
