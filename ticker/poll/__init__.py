"""Asks the sources: what to ask and when, one feed for each source, and the outbox that writes to Redis."""

from ticker.poll.clock import Clock, WallClock
from ticker.poll.poller import NobodyAnswered, Poller

__all__ = ["Clock", "NobodyAnswered", "Poller", "WallClock"]
