"""Asks the sources: what to ask and when, one feed for each source, and the outbox that writes to Redis."""

from ticker.poll.poller import Clock, Poller

__all__ = ["Clock", "Poller"]
