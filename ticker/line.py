"""
The line without the widget: a page for `<noscript>` and `<iframe>`, and a picture. Pure.

The page has its own script, `frame.js`. It changes only what differs, so that a reader keeps the focus and
the scroll position. Without scripts, the page reloads itself. The picture does not change. Both name the days
of the rates.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from html import escape
from itertools import accumulate
from math import ceil
from typing import Literal, get_args

from ticker import assets, wording
from ticker.rates.inverted import inverted
from ticker.rates.late import status_at
from ticker.rates.model import Pair, Quote
from ticker.wording import Direction, Locale

Theme = Literal["auto", "light", "dark"]
Form = Literal["line", "compact", "names"]

OEMBED = "application/json+oembed"
HIGH = 62
"""The height of the line in one row, in pixels."""
NARROWEST, WIDEST = 80, 4000
"""The narrowest and the widest picture, in pixels."""
AGAIN_SECONDS = 60
"""Seconds after which a page without scripts reloads itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The look that a reader wants."""

    locale: Locale = wording.ENGLISH
    theme: Theme = "auto"
    digits: int | None = None
    invert: bool = False
    form: Form = "line"
    width: int | None = None
    """The width of a picture in pixels. Items that do not fit go to further rows. None: one row."""
    faults: tuple[str, ...] = ()
    """Faults in the address, for the author of the embedding page: shown in a comment and on the console."""


def look(query: Mapping[str, str], *, faults: tuple[str, ...] = ()) -> Look:
    """The look that a query asks for. An unreadable value gets the default, as in the widget."""
    theme: Theme = next((each for each in get_args(Theme) if each == query.get("theme")), "auto")
    form: Form = next((each for each in get_args(Form) if each == query.get("format")), "line")
    return Look(
        locale=wording.locale(query.get("locale", "")),
        theme=theme,
        digits=_whole(query.get("digits", ""), 0, wording.MOST_DIGITS),
        invert=query.get("invert", "false") not in ("false", "0"),
        form=form,
        width=_whole(query.get("width", ""), NARROWEST, WIDEST),
        faults=faults,
    )


def asked(look: Look) -> dict[str, str]:
    """The query that asks for this look, without what is default."""
    tag = look.locale.language + ("-Arab" if look.locale.rtl else "")
    query = {
        "locale": tag if look.locale != wording.ENGLISH else "",
        "theme": look.theme if look.theme != "auto" else "",
        "digits": "" if look.digits is None else str(look.digits),
        "invert": "1" if look.invert else "",
        "format": look.form if look.form != "line" else "",
        "width": "" if look.width is None else str(look.width),
    }
    return {name: value for name, value in query.items() if value}


def _whole(text: str, least: int, most: int) -> int | None:
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(most)) else -1
    return number if least <= number <= most else None


# The words.


@dataclass(frozen=True, slots=True)
class Wait:
    """A pair without a quote yet."""

    symbol: Pair
    reason: str
    """The reason, in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    symbol: str
    name: str
    """The symbol in the form that the reader wants."""
    joint: str
    price: str
    change: str
    direction: Direction
    status: str
    words: str
    """The words about a quote that is not live or was corrected; empty for others."""
    title: str

    @property
    def text(self) -> str:
        return f"{self.name}{self.joint}{self.price}" + (f" {self.change}" if self.change else "")


def _item(told: Quote | Wait, look: Look) -> _Item:
    return _waiting(told, look) if isinstance(told, Wait) else _quoted(told, look)


def _waiting(wait: Wait, look: Look) -> _Item:
    told = wait.symbol.inverse if look.invert else wait.symbol
    return _Item(
        symbol=str(wait.symbol),
        name=_name(told.base, told.quote, look),
        joint=_joint(look),
        price="…",
        change="",
        direction="",
        status="awaited",
        words=look.locale.labels["waiting"],
        title=f"{told}: {wait.reason}",
    )


def _quoted(quote: Quote, look: Look) -> _Item:
    locale = look.locale
    told = inverted(quote) if look.invert else quote
    change = wording.percent(told.change_percent, locale)
    words = [locale.labels[quote.status]] if quote.status in locale.labels else []
    words += [locale.labels["corrected"]] if quote.corrected else []
    source = f"{locale.labels['source']}: {quote.source_name}"
    facts = [f"{told.symbol} = {wording.exactly(told.price, locale)}"]
    facts += [f"{source}, {wording.day(quote.as_of, locale)}", *words]
    if coming := told.next:
        facts.append(f"{wording.day(coming.as_of, locale)}: {wording.exactly(coming.price, locale)}")
    return _Item(
        symbol=str(quote.symbol),
        name=_name(told.symbol.base, told.symbol.quote, look),
        joint=_joint(look),
        price=wording.price(told.price, digits=look.digits, locale=locale),
        change=change,
        direction=wording.direction(change),
        status=quote.status,
        words=", ".join(words),
        title="\n".join(facts),
    )


def _joint(look: Look) -> str:
    return " " if look.form == "compact" else " = "


def _name(base: str, quote: str, look: Look) -> str:
    if look.form == "names":
        return f"{wording.currency(base, look.locale)} / {wording.currency(quote, look.locale)}"
    shown = [code for code in (base, quote) if look.form != "compact" or code != "USD"]
    return "/".join(shown)


def _credits(told: Sequence[Quote | Wait], look: Look) -> str:
    """The sources and the days of the rates; empty if there are only pegs, which have no source."""
    if all(isinstance(each, Wait) for each in told):
        return look.locale.labels["waiting"]
    quotes = [each for each in told if isinstance(each, Quote) and each.status != "pegged"]
    if not quotes:
        return ""
    names = ", ".join(dict.fromkeys(wording.credit(quote) for quote in quotes))
    # A time is shown as its day: a range of days and times would be unreadable.
    days = sorted({at.date() if isinstance(at := quote.as_of, datetime) else at for quote in quotes})
    span = " – ".join(wording.day(each, look.locale) for each in dict.fromkeys((days[0], days[-1])))
    return f"{look.locale.labels['source']}: {names} · {span}"


# Faults in the address. The reader of the line can't fix them, so they are not shown.

_CONSOLE = "console.warn(document.currentScript.dataset.faults)"
_CONSOLE_SOURCE = assets.source_of(_CONSOLE)


def _told(faults: Sequence[str]) -> str:
    """The faults as a comment and a script, valid in HTML and in XML; empty if there are none."""
    if not faults:
        return ""
    said = escape("; ".join(faults))
    # A comment of XML must not have two hyphens in a row.
    comment = re.sub("-(?=-)", "- ", said)
    return f'<!-- {comment} -->\n<script data-faults="{said}">{_CONSOLE}</script>\n'


# The common look: the widget's colours, arrows and marks.


def _path(polygon: str) -> str:
    """The path of a CSS polygon in a square of 10: `50% 0, 100% 100%, 0 100%` is `M5 0 10 10 0 10z`."""
    hundredths = polygon.replace("%", "").replace(",", " ").split()
    return f"M{' '.join(f'{int(each) / 10:g}' for each in hundredths)}z"


_LOOK = assets.look()
_ARROWS = {name: _path(polygon) for name, polygon in _LOOK["arrows"].items()}
_MARKS = {name: _path(polygon) for name, polygon in _LOOK["marks"].items()}


def _colours(root: str) -> str:
    """The rules for the colours of both themes; `data-theme` chooses one."""
    light, dark = (
        "".join(f"--{name}:{colour};" for name, colour in colours.items())
        for colours in (_LOOK["light"], _LOOK["dark"])
    )
    return (
        f"{root}{{color-scheme:light;{light}}}"
        f"{root}[data-theme=dark]{{color-scheme:dark;{dark}}}"
        f"@media (prefers-color-scheme:dark){{{root}[data-theme=auto]{{color-scheme:dark;{dark}}}}}"
    )


# The page.

_HTML_STYLE = _colours(":root") + (
    "*{box-sizing:border-box}"
    "body{margin:0;color:var(--text);background:var(--ground);"
    "font:1rem/1.25 system-ui,sans-serif;font-variant-numeric:tabular-nums lining-nums}"
    ".bar{display:flex;align-items:center;min-block-size:calc(max(2.5em,32px) + 2px);"
    "border-block:1px solid var(--edge);overflow-x:auto;overflow-y:hidden;"
    # Without this, Firefox shows a white bar on a dark page.
    "scrollbar-width:thin;scrollbar-color:var(--edge) var(--ground)}"
    ".bar:focus-visible{outline:2px solid var(--text);outline-offset:-2px}"
    "ul{display:flex;flex:none;min-inline-size:100%;margin:0;padding:0;list-style:none}"
    "li{flex:none;position:relative;padding-inline:.8em;white-space:nowrap;"
    "direction:ltr;unicode-bidi:isolate}"
    "b{font-weight:600}svg{inline-size:.6em;block-size:.6em;fill:currentColor;fill-rule:evenodd}"
    "[data-direction=up] .change{color:var(--up)}[data-direction=down] .change{color:var(--down)}"
    ".change,p{color:var(--muted)}.change svg{margin-inline-end:.25em}"
    # A number and the mark that qualifies it stay in one row.
    ".tail{white-space:nowrap}.mark{margin-inline-start:.35em;color:var(--warn)}"
    "[data-status=pegged] .mark{color:var(--muted)}.mark svg{inline-size:.7em;block-size:.7em}"
    ".words{position:absolute;inline-size:1px;block-size:1px;overflow:hidden;clip-path:inset(50%)}"
    "p{margin:0;padding-inline:.8rem;block-size:20px;font-size:.75rem;line-height:20px;"
    "white-space:nowrap;overflow:hidden;text-overflow:ellipsis}"
    # A frame of one line scrolls sideways. In a higher frame the line wraps.
    "@media (min-height:84px){.bar{padding-block:.5em}"
    "ul{flex-wrap:wrap;flex:1;min-inline-size:0;row-gap:.4em}"
    "li{flex:0 1 auto;white-space:normal}p{block-size:auto;min-block-size:20px;white-space:normal}}"
    "@media print{.bar{overflow:visible}ul{flex-wrap:wrap;flex:1}li{white-space:normal}"
    ".words{position:static;clip-path:none}p{block-size:auto;white-space:normal}}"
    "@media (forced-colors:active){.change,.mark{color:CanvasText!important}}"
)
_FOLLOW = f"\n{assets.follower()}"
HTML_POLICY = (
    f"default-src 'none'; style-src {assets.source_of(_HTML_STYLE)};"
    f" script-src {assets.source_of(_FOLLOW)} {_CONSOLE_SOURCE}; connect-src 'self';"
    " base-uri 'none'; form-action 'none'"
)
"""The Content-Security-Policy of the page. It does not say which sites may frame it."""


def page(quotes: Iterable[Quote | Wait], look: Look, *, attributions: str = "", discovery: str = "") -> str:
    """
    A whole page that is 62 px high in one line; `attributions` are the words that publishers require.

    `discovery` is where consumers of oEmbed learn how to embed it. After the line comes each item as it will
    be once it is late, for the page's script.
    """
    quotes = tuple(quotes)
    labels = look.locale.labels
    name = escape(labels["rates"])
    items = "".join(_html_item(_item(quote, look)) for quote in quotes)
    late = "".join(_late_items(quotes, look))
    said = escape(_credits(quotes, look))
    link = f'<link rel="alternate" type="{OEMBED}" href="{escape(discovery)}">\n' if discovery else ""
    return (
        f'<!doctype html>\n<html lang="{look.locale.language}" dir="{"rtl" if look.locale.rtl else "ltr"}"'
        f' data-theme="{look.theme}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<noscript><meta http-equiv="refresh" content="{AGAIN_SECONDS}"></noscript>\n'
        f"<title>{name}</title>\n{link}<style>{_HTML_STYLE}</style>\n</head>\n<body>\n<main>\n"
        # Without a script it is unknown whether the line must be scrolled, so it can always be focused.
        f'<div class="bar" role="region" aria-label="{name}" tabindex="0">\n'
        f'<ul role="list">\n{items}</ul>\n</div>\n'
        f'<p title="{escape(attributions)}">{said}</p>\n</main>\n'
        f"<template>\n{late}</template>\n{_told(look.faults)}"
        f"<script>{_FOLLOW}</script>\n</body>\n</html>\n"
    )


def _late_items(quotes: Iterable[Quote | Wait], look: Look) -> Iterator[str]:
    for quote in quotes:
        if isinstance(quote, Wait) or quote.due_at is None:
            continue
        if (late := status_at(quote, quote.due_at)) != quote.status:
            yield _html_item(_item(replace(quote, status=late), look), due=quote.due_at)


def _html_item(item: _Item, *, due: datetime | None = None) -> str:
    """An item. One that is shown later has the time, `due`."""
    tail = words = ""
    if item.change:
        arrow = _html_shape(_ARROWS[item.direction])
        tail = f'<span class="change">{arrow}{escape(item.change)}</span>'
    if shape := _MARKS.get(item.status):
        tail += f'<span class="mark">{_html_shape(shape)}</span>'
    if item.words:
        words = f'<span class="words"> ({escape(item.words)})</span>'
    gap = " " if item.change else ""
    when = f' data-due="{due.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"' if due else ""
    return (
        f'<li{when} title="{escape(item.title)}" data-symbol="{escape(item.symbol)}"'
        f' data-direction="{item.direction}" data-status="{escape(item.status)}">'
        f"<b>{escape(item.name)}</b>{item.joint}<span>{escape(item.price)}</span>{gap}"
        f'<span class="tail">{tail}</span>{words}</li>\n'
    )


def _html_shape(path: str) -> str:
    return f'<svg viewBox="0 0 10 10" aria-hidden="true"><path d="{path}"/></svg>'


# The picture.

_FONT = 16
_SMALL = 12
_EDGE = 12
"""Pixels beside every item."""
_ROW, _FIRST_ROW, _SMALL_ROW = 30, 42, 16
"""Pixels: of a further row, of the first with its borders, of each row with sources."""
_SHAPE = 9
_GAP = 4
# Widths in thousandths of the font's size, for Arial and its usual replacements. If a reader has another
# font, `textLength` stretches its text to this length.
_WIDTHS = {
    character: width
    for characters, width in (
        ("ijl'|", 222),
        (" \N{NO-BREAK SPACE}.,/:;·ftI!", 278),
        ("-()r", 333),
        ("ckJsvxyz", 500),
        ("–", 556),
        ("+=", 584),
        ("FTZ", 611),
        ("ABEKPSVXY", 667),
        ("GOQ", 778),
        ("mM", 833),
        ("%", 889),
        ("W", 944),
    )
    for character in characters
}
_OTHER, _CAPITAL, _FULL = 556, 722, 1000
_BOLD = 1.04

_SVG_STYLE = _colours("svg") + (
    ".ground{fill:var(--ground)}.edge{fill:var(--edge)}"
    "text{font:16px Arial,Helvetica,'Liberation Sans',sans-serif;fill:var(--text)}"
    ".b{font-weight:600}.up{fill:var(--up)}.down{fill:var(--down)}.flat,.small{fill:var(--muted)}"
    ".warn{fill:var(--warn)}text.small{font-size:12px}path{fill-rule:evenodd}"
)
SVG_POLICY = f"default-src 'none'; style-src {assets.source_of(_SVG_STYLE)}; script-src {_CONSOLE_SOURCE}"


def picture(quotes: Iterable[Quote | Wait], look: Look, *, attributions: str = "") -> str:
    """
    A picture of the line, 62 px high in one row; `attributions` are the words that publishers require.

    A picture can't measure its text, and the arrows are shapes within it. So each piece has a position and a
    length by the widths of Arial's characters, and a renderer fits its own font into that.
    """
    quotes = tuple(quotes)
    items = [_item(quote, look) for quote in quotes]
    said = _credits(quotes, look)
    widths = [_item_width(item) for item in items]
    room = look.width or max(sum(widths), _width(said, _SMALL) + 2 * _EDGE)
    small = [_Piece(_width(each, _SMALL), "small", text=each) for each in _lines(said, room - 2 * _EDGE)]
    width = max(room, *widths, *(each.width + 2 * _EDGE for each in small))
    rows = list(_rows(widths, width))
    below = _FIRST_ROW + _ROW * (rows[-1][0] if rows else 0)
    drawn = [
        _svg_item(item, width - x - own if look.locale.rtl else x, 27 + _ROW * row)
        for item, own, (row, x) in zip(items, widths, rows, strict=True)
    ]
    drawn += [
        _svg_text(
            piece, width - _EDGE - piece.width if look.locale.rtl else _EDGE, below + 14 + _SMALL_ROW * row
        )
        for row, piece in enumerate(small)
    ]
    words = filter(None, [*map(_read, items), said, attributions])
    return _svg(width, below, below + 4 + _SMALL_ROW * len(small), look, words, drawn)


def _lines(text: str, room: int) -> list[str]:
    """The text in lines that fit, broken between words; at least one."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if not lines[-1] or _width(longer, _SMALL) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _read(item: _Item) -> str:
    return item.text + (f" ({item.words})" if item.words else "")


def _svg(width: int, edge: int, height: int, look: Look, said: Iterable[str], drawn: Iterable[str]) -> str:
    """The picture; `edge` is the end of the rows of items."""
    shown = look.width or width
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{shown}"'
        f' height="{ceil(height * shown / width)}" role="img" aria-labelledby="title said"'
        f' xml:lang="{look.locale.language}" data-theme="{look.theme}">\n'
        f'<title id="title">{escape(look.locale.labels["rates"])}</title>\n'
        f'<desc id="said">{escape("; ".join(said))}</desc>\n<style>{_SVG_STYLE}</style>\n'
        f'<rect class="ground" width="{width}" height="{height}"/>\n'
        f'<path class="edge" d="M0 0h{width}v1H0zM0 {edge - 1}h{width}v1H0z"/>\n'
        f"{''.join(drawn)}{_told(look.faults)}</svg>\n"
    )


def _rows(widths: Sequence[int], width: int) -> Iterator[tuple[int, int]]:
    """The row of each item, and its distance from the start of that row."""
    row = reached = 0
    for own in widths:
        if reached and reached + own > width:
            row, reached = row + 1, 0
        yield row, reached
        reached += own


@dataclass(frozen=True, slots=True)
class _Piece:
    """A text, or a shape if there is a path."""

    width: int
    kind: str
    text: str = ""
    path: str = ""


def _pieces(item: _Item) -> list[_Piece]:
    """The pieces of an item, from left to right."""

    def text(said: str, kind: str) -> _Piece:
        return _Piece(_width(said, _FONT, bold=kind == "b"), kind, text=said)

    pieces = [text(item.name, "b"), text(f"{item.joint}{item.price}".strip(), "")]
    if item.change:
        pieces += [_Piece(_SHAPE, item.direction, path=_ARROWS[item.direction])]
        pieces += [text(item.change, item.direction)]
    if shape := _MARKS.get(item.status):
        pieces += [_Piece(_SHAPE, "flat" if item.status == "pegged" else "warn", path=shape)]
    return pieces


def _item_width(item: _Item) -> int:
    pieces = _pieces(item)
    return sum(piece.width for piece in pieces) + _GAP * (len(pieces) - 1) + 2 * _EDGE


def _svg_item(item: _Item, x: int, y: int) -> str:
    pieces = _pieces(item)
    starts = accumulate((piece.width + _GAP for piece in pieces), initial=x + _EDGE)
    drawn = "".join(_svg_piece(piece, start, y) for start, piece in zip(starts, pieces, strict=False))
    return f"<g><title>{escape(item.title)}</title>{drawn}</g>\n"


def _svg_piece(piece: _Piece, x: int, y: int) -> str:
    if not piece.path:
        return _svg_text(piece, x, y)
    where = f"translate({x} {y - 10})scale({_SHAPE / 10})"
    return f'<path class="{piece.kind}" transform="{where}" d="{piece.path}"/>'


def _svg_text(piece: _Piece, x: int, y: int) -> str:
    return (
        f'<text x="{x}" y="{y}" class="{piece.kind}" textLength="{piece.width}"'
        f' lengthAdjust="spacingAndGlyphs">{escape(piece.text)}</text>'
    )


def _width(text: str, size: int, *, bold: bool = False) -> int:
    """The width of a text in pixels, rounded up."""
    return ceil(sum(map(_units, text)) * size * (_BOLD if bold else 1) / 1000)


def _units(character: str) -> int:
    if not character.isascii() and not character.isalpha() and not character.isspace():
        return _FULL
    return _WIDTHS.get(character, _CAPITAL if character.isupper() else _OTHER)
