"""The words of a quote, the same as the widget's: prices, percentages, days and names. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Literal

from ticker import assets
from ticker.rates.model import Quote

Direction = Literal["up", "down", "flat", ""]

LEAST_DECIMALS, LEAST_SIGNIFICANT = 5, 4
"""The fewest decimals of a price below one."""
FEWEST_DECIMALS, MOST_DECIMALS = 2, 4
"""Of a price from one on."""
MOST_DIGITS = 12
"""The decimals that a reader may ask for."""

_WIDE = Context(prec=100, rounding=ROUND_HALF_UP)
_TAG = re.compile(r"([A-Za-z]{2,3}|[A-Za-z]{5,8})((?:-[A-Za-z0-9]{1,8})*)", re.ASCII)
_SPOKEN_IN = {"kz": "kk", "kg": "ky", "tj": "tg", "tm": "tk"}
"""Languages for which people write the country."""
_SCRIPT = re.compile(r"-([a-z]{4})(?=-|$)")
_FROM_THE_RIGHT = frozenset(("ar", "arc", "ckb", "dv", "fa", "he", "iw", "ks", "ps", "sd", "ug", "ur", "yi"))
_SCRIPTS_FROM_THE_RIGHT = frozenset(("adlm", "arab", "aran", "hebr", "nkoo", "rohg", "syrc", "thaa"))
_NO_BREAK = "\N{NO-BREAK SPACE}"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# Words that the widget leaves out to stay small.
_WORDS = {
    "en": ("waiting for rates…", "another source", "corrected"),
    "ru": ("ждём курсы…", "другой источник", "исправлен"),
    "ky": ("курстар күтүлүүдө…", "башка булак", "оңдолгон"),
    "kk": ("бағамдар күтілуде…", "басқа дереккөз", "түзетілген"),
    "tg": ("интизори қурбҳо…", "манбаи дигар", "ислоҳшуда"),
    "uz": ("kurslar kutilmoqda…", "boshqa manba", "tuzatilgan"),
    "tk": ("kurslara garaşylýar…", "başga çeşme", "düzedilen"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Locale:
    """A reader's language, out of the widget's, and writing direction."""

    language: str = "en"
    rtl: bool = False

    @property
    def is_russian(self) -> bool:
        """Whether figures and days are written as in Russian: in all our languages except English."""
        return self.language != "en"

    @property
    def labels(self) -> dict[str, str]:
        """The widget's words, and ours where the widget has none."""
        ours = zip(("waiting", "fallback", "corrected"), _WORDS.get(self.language, _WORDS["en"]), strict=True)
        return {**dict(ours), **assets.labels(self.language)}


ENGLISH = Locale()


def locale(tag: str) -> Locale:
    """
    The locale of a language tag; English if the widget lacks the language, or if it is not a tag.

    `ru_RU` is `ru-RU`. The words of `uz-Cyrl` are those of `uz`, because there are no others.
    """
    match = _TAG.fullmatch(tag.replace("_", "-"))
    if not match:
        return ENGLISH
    language = _SPOKEN_IN.get(match[1].lower(), match[1].lower())
    script = _SCRIPT.search(match[2].lower())
    rtl = script[1] in _SCRIPTS_FROM_THE_RIGHT if script else language in _FROM_THE_RIGHT
    return Locale(language=language if language in assets.languages() else "en", rtl=rtl)


def price(number: Decimal, *, digits: int | None = None, locale: Locale = ENGLISH) -> str:
    """
    A price with exactly `digits` decimals; by default with 2 to 4.

    A price below 1 has five by default, or as many as make four significant digits.
    """
    if digits is not None:
        least = most = digits
    elif number >= 1:
        least, most = FEWEST_DECIMALS, MOST_DECIMALS
    else:
        least = most = max(LEAST_DECIMALS, LEAST_SIGNIFICANT - 1 - number.adjusted())
    return _written(_short(_rounded(number, most), least), locale)


def exactly(number: Decimal, locale: Locale) -> str:
    """Every digit of a price."""
    return _written(format(number, ",f"), locale)


def percent(number: Decimal | None, locale: Locale = ENGLISH) -> str:
    """At most two decimals, no trailing zeros, signed, never -0%; empty if it is unknown."""
    if number is None:
        return ""
    rounded = _rounded(number, 2)
    text = _short(rounded, 0, signed=bool(rounded))
    return f"{_written(text, locale)}{_NO_BREAK if locale.is_russian else ''}%"


def direction(text: str) -> Direction:
    """The direction of a percentage's text, so that an arrow never contradicts the number beside it."""
    if not text:
        return ""
    return "up" if text[0] == "+" else "down" if text[0] == "-" else "flat"


def day(at: date, locale: Locale) -> str:
    """A day or a moment in UTC, because the reader's time zone is unknown."""
    if isinstance(at, datetime):
        moment = at.astimezone(UTC)
        return f"{_day(moment, locale)}, {_time(moment, locale)} UTC"
    return _day(at, locale)


def currency(code: str, locale: Locale) -> str:
    """The name of a currency in a locale's language; the code where we have none."""
    return assets.names(locale.language).get(code, code)


def credit(quote: Quote) -> str:
    """A quote's source as its terms require: with its site, if they require that."""
    return f"{quote.source_name} ({quote.source_site})" if quote.source_site else quote.source_name


def _rounded(number: Decimal, places: int) -> Decimal:
    return number.quantize(Decimal(1).scaleb(-places), context=_WIDE)


def _short(number: Decimal, least: int, *, signed: bool = False) -> str:
    """Without trailing zeros of the decimals beyond `least` of them."""
    whole, _, decimals = format(number, "+,f" if signed else ",f").partition(".")
    decimals = decimals[:least] + decimals[least:].rstrip("0")
    # Zero has no sign.
    return (whole if number else whole.lstrip("-")) + (f".{decimals}" if decimals else "")


def _written(text: str, locale: Locale) -> str:
    """A number's text as a locale writes it."""
    return text.translate({ord(","): _NO_BREAK, ord("."): ","}) if locale.is_russian else text


def _day(at: date, locale: Locale) -> str:
    if locale.is_russian:
        return f"{at:%d.%m.%Y}"
    return f"{_MONTHS[at.month - 1]} {at.day}, {at.year}"


def _time(at: datetime, locale: Locale) -> str:
    if locale.is_russian:
        return f"{at:%H:%M}"
    return f"{at.hour % 12 or 12}:{at:%M} {'AM' if at.hour < 12 else 'PM'}"
