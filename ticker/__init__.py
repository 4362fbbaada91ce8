"""The currency rate ticker: official exchange rates, from the bank's bytes to a scrolling line on a page."""

__version__ = "0.2.0"
