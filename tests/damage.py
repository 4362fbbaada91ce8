"""Damage to an answer in XML, HTML or JSON: where its texts and its parts are, and what to put there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True)
class Span:
    """A piece of a document: a text in it, or a part, which is an XML element or a JSON member or item."""

    start: int
    end: int
    text: str
    name: str
    """Of the element, attribute or member; empty for a JSON item, `key` for a JSON key."""

    def replaced(self, document: str, new: str) -> str:
        return document[: self.start] + new + document[self.end :]

    def holds(self, other: Span) -> bool:
        return self.start <= other.start and other.end <= self.end


_TAG = re.compile(r"<(/?)([\w:]+)[^<>]*?(/?)>")
_XML_TEXT = re.compile(
    r"""[\s?](?P<name>[\w:]+)=["'](?P<value>[^"']*)["']|>(?P<text>\s*[^\s<>][^<>]*)(?=<)"""
)
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s,:\[\]{}"]+|[,:\[\]{}]')
_COLON = re.compile(r"\s*:")
_BARE = re.compile(r"-?[0-9][0-9.]*(e[0-9]+)?|null|true|false|\[.*\]|\{.*\}")


def is_xml(document: str) -> bool:
    return document.lstrip().startswith("<")


def texts(document: str) -> list[Span]:
    """Every text: of elements and attributes; or JSON's scalars and keys, with their quotes."""
    return list(_xml_texts(document) if is_xml(document) else _json_texts(document))


def _xml_texts(document: str) -> Iterator[Span]:
    for found in _XML_TEXT.finditer(document):
        if found["name"]:
            yield Span(*found.span("value"), found["value"], found["name"])
        else:
            tag = document[document.rfind("<", 0, found.start()) : found.start()]
            yield Span(*found.span("text"), found["text"], re.sub(r"\W*(\w*).*", r"\1", tag, flags=re.DOTALL))


def _json_texts(document: str) -> Iterator[Span]:
    key = ""
    for token in _TOKEN.finditer(document):
        if token[0] in ",:[]{}":
            continue
        is_key = bool(_COLON.match(document, token.end()))
        yield Span(*token.span(), token[0], "key" if is_key else key)
        key = token[0].strip('"') if is_key else key


def parts(document: str) -> list[Span]:
    """Every element, or every member and item, within the whole."""
    spans = sorted(_elements(document) if is_xml(document) else _members(document))
    return [Span(a, b, document[a:b], _name(document[a:b])) for a, b in spans if (a, b) != _whole(spans)]


def _whole(spans: list[tuple[int, int]]) -> tuple[int, int]:
    return max(spans, key=lambda span: span[1] - span[0])


def _name(part: str) -> str:
    named = re.match(r'<([\w:]+)|"([^"]*)"\s*:', part)
    return (named[1] or named[2]) if named else ""


def _elements(document: str) -> Iterator[tuple[int, int]]:
    begun = []
    for tag in _TAG.finditer(document):
        if not tag[1]:
            begun.append(tag.start())
        if tag[1] or tag[3]:
            yield begun.pop(), tag.end()


def _members(document: str) -> Iterator[tuple[int, int]]:
    outer: list[int] = []
    begin, end = -1, 0
    for token in _TOKEN.finditer(document):
        if token[0] in ",]}" and begin >= 0:
            yield begin, end
            begin = -1
        if token[0] in "[{":
            outer.append(token.start() if begin < 0 else begin)
            begin = -1
        elif token[0] in "]}":
            begin = outer.pop()
        elif token[0] != "," and begin < 0:
            begin = token.start()
        end = token.end()
    yield begin, end


def difference(document: str, damaged: str) -> str:
    """The damaged document around the first place where it differs, for a person."""
    same = (a == b for a, b in zip(document, damaged, strict=False))
    first = next((place for place, equal in enumerate(same) if not equal), len(document))
    return damaged[max(0, first - 40) : first + 40]


def written(document: str, text: Span, new: str) -> str:
    """The document with another text in this place; in JSON it is a string unless it can be a number."""
    if is_xml(document):
        return text.replaced(document, new)
    is_number = text.name != "key" and not text.text.startswith('"') and _BARE.fullmatch(new)
    return text.replaced(document, new if is_number else json.dumps(new, ensure_ascii=False))


def split(document: str, text: Span) -> Iterator[str]:
    """The document with markup within this text of an element: an element, a comment."""
    if is_xml(document) and document[text.start - 1] == ">":
        for markup in ("<b/>", "<!-- - -->"):
            yield text.replaced(document, text.text[:1] + markup + text.text[1:])


def unnamed(document: str, text: Span) -> str:
    """The document with another name of the attribute that has this text."""
    if not is_xml(document) or document[text.start - 1] == ">":
        return document
    name = document.rindex(text.name, 0, text.start)
    return document[:name] + "x" + document[name:]


def without(document: str, part: Span) -> str:
    """The document without this part, and in JSON without one comma beside it."""
    before, after = document[: part.start], document[part.end :]
    if not is_xml(document):
        comma_after = re.match(r"\s*,", after)
        before, after = (before, after[comma_after.end() :]) if comma_after else (_no_comma(before), after)
    return before + after


def _no_comma(before: str) -> str:
    return re.sub(r",\s*\Z", "", before)


def renamed(document: str, part: Span) -> str:
    """The document with another name of this part."""
    if not part.name:
        return document
    new = part.text[0] + "x" + part.text[1:]
    if new.endswith(f"</{part.name}>"):
        new = new.removesuffix(f"{part.name}>") + f"x{part.name}>"
    return part.replaced(document, new)


def twice(document: str, part: Span, copy: str | None = None) -> Iterator[str]:
    """The document with this part and a copy of it, in either order."""
    comma = "" if is_xml(document) else ","
    for pair in {(part.text, copy or part.text), (copy or part.text, part.text)}:
        yield part.replaced(document, comma.join(pair))


def emptied(document: str, part: Span) -> Iterator[str]:
    """The document with nothing in this part; in JSON with a value of each kind in it."""
    if is_xml(document):
        yield part.replaced(
            document, re.sub(r"^(<[^<>]*>).*(</[^<>]*>)$", r"\1\2", part.text, flags=re.DOTALL)
        )
        return
    key = re.match(r'"[^"]*"\s*:|', part.text)
    value = part.text[key.end() :] if key else part.text
    for new in ("null", "true", "false", "0", "-1", "1e3", "[]", "{}", '{"a": 1}', f"[{value}]"):
        yield part.replaced(document, (key[0] if key else "") + new)


def other(text: str, year: str) -> str:
    """A text that is as good as this one and says something else: another year, nominal, figure or code."""
    if year in text:
        return text.replace(year, str(int(year) - 1))
    if text.strip().isdecimal():
        return "10" if text.strip() == "1" else "1"
    return f"1{text}" if text[:1].isdecimal() else "XTS"


def first_and_last(spans: Iterable[Span], *, alike: Iterable[str]) -> list[Span]:
    """The first and the last span of each name. The names that are in `alike` count as one."""
    codes = {code.upper() for code in alike}

    def sort(span: Span) -> str:
        return "*" if span.name.upper() in codes else span.name

    groups = [list(group) for _, group in groupby(sorted(spans, key=sort), key=sort)]
    return [span for group in groups for span in {group[0], group[-1]}]
