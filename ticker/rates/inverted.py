"""The quote of the reverse pair. Pure."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_HALF_UP, Context, Decimal

from ticker.rates.model import DERIVED, Announcement, Quote
from ticker.rates.tables import change, change_percent

# Ten digits of a price give its inverse to nine: 1 / 0.01234567901 is 81.00000011, and the bank said 81.
_CERTAIN = Context(prec=9, rounding=ROUND_HALF_UP)
_ONE = Decimal(1)


def inverted(quote: Quote) -> Quote:
    """
    The quote of the reverse symbol: `USD/KGS` from `KGS/USD`.

    The current, the previous and the announced price are inverted. The change is computed from the first two:
    it is not the change with its sign turned. A price has the bank's own digits if the bank quotes this
    direction, else ten significant ones. `value`, `nominal` and `direction` stay.
    """
    price, previous = quote.inverse, quote.previous and _earlier(quote, quote.previous)
    return replace(
        quote,
        symbol=quote.symbol.inverse,
        price=price,
        inverse=quote.price,
        previous=previous,
        change=change(price, previous, price) if previous else None,
        change_percent=change_percent(price, _CERTAIN.divide(_ONE, quote.previous))
        if quote.previous
        else None,
        next=_announced(quote.next) if quote.next else None,
    )


def _earlier(quote: Quote, previous: Decimal) -> Decimal:
    """The inverse of the previous price, which is published without it."""
    if previous == quote.price:
        return quote.inverse
    if quote.direction != quote.symbol.inverse or len(quote.inverse.as_tuple().digits) > _CERTAIN.prec:
        return DERIVED.divide(_ONE, previous)
    figure = _CERTAIN.divide(_ONE, previous).normalize()
    # `87.4500` after `87.42`, which the bank wrote as `87.4200`.
    return max(figure, figure.quantize(quote.inverse), key=_places)


def _places(number: Decimal) -> int:
    return -int(number.as_tuple().exponent)


def _announced(coming: Announcement) -> Announcement:
    return replace(coming, price=coming.inverse, inverse=coming.price)
