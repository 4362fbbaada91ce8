"""Faults of a configuration in words: the place, the key, what is wrong and what is right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from ticker.config.keys import ROOT, Kind, Leaf, Path, Table, dotted, is_secret, leaves, named
from ticker.config.settings import Wrong, quoted

LINE = 90
"""The longest fault and remedy that share one line after the name of the file."""
WIDEST = 2**63 - 1
"""The largest whole number of TOML."""


class ConfigError(Exception):
    """The configuration can't be used. Says the place, the key, what is wrong and what would be right."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. `path` is the key; `wrong` and `right` are clauses."""

    path: Path
    wrong: str
    right: str
    names_key: bool = False
    """Whether `wrong` names the key itself."""
    beside: tuple[Path, ...] = ()
    """Other keys that cause the fault. If one of them is wrong itself, this fault is not reported."""

    def words(self, where: str) -> str:
        """At most two lines: `config.toml, line 4: ...` and the remedy."""
        key = "" if self.names_key or not self.path else f"{named(self.path)}: "
        said = f"{key}{self.wrong}."
        between = " " if len(said) + len(self.right) < LINE else "\n  "
        return f"{where}: {said}{between}{self.right}".rstrip()


# Values of a wrong kind, and unknown keys.


def misfits(value: Any, node: Table | Leaf = ROOT, path: Path = ()) -> Iterator[Fault]:
    """The parts of a document that do not fit the tree of keys: unknown names, and values of a wrong kind."""
    if isinstance(node, Leaf):
        yield from _misfit(value, node, path)
    elif not isinstance(value, dict):
        name = f"[{dotted(path)}]"
        yield Fault(path, f"this is a section, not {_kind(value)}", f"Write {name}, and its keys below it.")
    else:
        for name, below in value.items():
            known = node.get(name)
            if known:
                yield from misfits(below, known, (*path, name))
            else:
                yield _unknown(node, (*path, name), below)


def _misfit(value: Any, leaf: Leaf, path: Path) -> Iterator[Fault]:
    if leaf.kind is Kind.LIST and isinstance(value, list) and leaf.item:
        for place, each in enumerate(value):
            yield from _misfit(each, leaf.item, (*path, place))
    elif not _fits(value, leaf.kind):
        yield Fault(path, _wrong_kind(value, leaf, path), _right_kind(value, leaf, path))
    elif isinstance(value, str) and not value.isprintable():
        yield Fault(
            path, "it has a character that can't be printed", "Write letters, digits and punctuation."
        )
    elif isinstance(value, int | Decimal) and not _is_usable(Decimal(value)):
        yield Fault(path, f"{quoted(value)} can't be used", f"Write {leaf}.")


def _is_usable(number: Decimal) -> bool:
    return number.is_finite() and abs(number) <= WIDEST


def _fits(value: Any, kind: Kind) -> bool:
    match kind:
        case Kind.POLICY:
            return True
        case Kind.FLAG:
            return isinstance(value, bool)
        case Kind.WHOLE:
            return isinstance(value, int) and not isinstance(value, bool)
        case Kind.NUMBER:
            return isinstance(value, int | Decimal) and not isinstance(value, bool)
        case Kind.DAY:
            return (isinstance(value, date) and not isinstance(value, datetime)) or _is_day(value)
        case Kind.LIST:
            return isinstance(value, list)
    return isinstance(value, str)


def _is_day(value: Any) -> bool:
    """Whether a text is a date. A date in quotes was always accepted."""
    try:
        return isinstance(value, str) and bool(date.fromisoformat(value))
    except ValueError:
        return False


def _wrong_kind(value: Any, leaf: Leaf, path: Path) -> str:
    shown = "this" if is_secret(path) or isinstance(value, dict | list) else quoted(value)
    if isinstance(value, bool) or (leaf.kind is Kind.WHOLE and isinstance(value, Decimal)):
        return f"{shown} is not {leaf.kind.value}"
    return f"{shown} is {_kind(value)}, not {leaf.kind.value}"


def _kind(value: Any) -> str:
    for types, words in _KINDS:
        if isinstance(value, types):
            return words
    return "a time of day"


_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "true or false"),
    (str, "text"),
    ((int, Decimal), "a number"),
    (datetime, "a date with a time"),
    (date, "a date"),
    (list, "a list"),
    (dict, "a section"),
)


def _right_kind(value: Any, leaf: Leaf, path: Path) -> str:
    name = next((part for part in reversed(path) if isinstance(part, str)), "")
    if leaf.kind is Kind.LIST and isinstance(value, str) and leaf.item and leaf.item.kind is Kind.TEXT:
        return f"Write {name} = [{quoted(value)}]."
    if isinstance(value, str) and leaf.kind is not Kind.TEXT and (plain := _unquoted(value, leaf.kind)):
        return f"Write {plain} without quotes."
    if leaf.kind is Kind.TEXT and isinstance(value, int | Decimal | date) and not is_secret(path):
        return f'Write it in quotes: "{value}".'
    return _write(leaf)


def _write(leaf: Leaf) -> str:
    return f"Write {leaf}." if leaf.kind is Kind.FLAG else f"Write {leaf}, like {_example(leaf)}."


def _unquoted(text: str, kind: Kind) -> str:
    """The text as a value of this kind, if only its quotes are wrong."""
    if kind is Kind.FLAG:
        return text if text in ("true", "false") else ""
    return text if text.replace(".", "", kind is Kind.NUMBER).isdecimal() and len(text) < 20 else ""


def _example(leaf: Leaf) -> str:
    if leaf.default not in (None, "", ()) and isinstance(leaf.default, bool | int | float | Decimal | str):
        return quoted(leaf.default)
    if leaf.kind is Kind.LIST and leaf.item:
        return "[60, 130]" if leaf.item.kind is Kind.NUMBER else f"[{_example(leaf.item)}]"
    return _EXAMPLES[leaf.kind]


_EXAMPLES: Mapping[Kind, str] = {
    Kind.WHOLE: "60",
    Kind.NUMBER: "1.5",
    Kind.TEXT: '"text"',
    Kind.FLAG: "true",
    Kind.DAY: "2027-03-22",
    Kind.LIST: "[]",
    Kind.POLICY: '"official"',
}


def _unknown(node: Table, path: Path, value: Any) -> Fault:
    if path[0] == "sources" and len(path) == 2:
        return _unknown_source(path)
    if path[0] == "sources" and path[-1] == "key":
        return Fault(
            path, "this secret may not be in a file", f"Set TICKER_{str(path[1]).upper()}_KEY instead."
        )
    if path == ("redis", "sentinel_password"):
        right = "Set TICKER_REDIS_SENTINEL_PASSWORD instead."
        return Fault(path, "this secret may not be in a file", right)
    is_section = isinstance(value, dict) and len(path) == 1
    name = f"[{dotted(path)}]" if is_section else f"`{dotted(path)}`"
    what = f"unknown {'section' if is_section else 'key'} {name}"
    return Fault(path, what, nearest(path, node), names_key=True)


def _unknown_source(path: Path) -> Fault:
    known = ROOT.keys["sources"]
    names = known.names if isinstance(known, Table) else ()
    near = get_close_matches(str(path[-1]), names, n=1)
    right = f"Did you mean [sources.{near[0]}]?" if near else f"The sources are {', '.join(names)}."
    return Fault(path, f"unknown source [{dotted(path)}]", right, names_key=True)


def nearest(path: Path, node: Table) -> str:
    """The key that may have been meant: of the same section, of the same name, or a similar one."""
    above, name = path[:-1], str(path[-1])
    if near := get_close_matches(name.lower(), node.keys, n=1):
        found = node.keys[near[0]]
        meant = dotted((*above, near[0]))
        return f"Did you mean {f'[{meant}]' if isinstance(found, Table) else f'`{meant}`'}?"
    keys = [".".join(each) for each, _ in leaves(ROOT)]
    same = [key for key in keys if key.rpartition(".")[2] == name and not key.startswith("sources.")]
    near = same[:1] or get_close_matches(dotted(path), keys, n=1, cutoff=0.7)
    return f"Did you mean `{near[0]}`?" if near else "Remove it. See config.example.toml."


# Values of the right kind that can't be used.


def refusals(error: ValidationError) -> Iterator[Fault]:
    """Every error of the models, as a fault."""
    for fault in error.errors(include_url=False):
        path = tuple(part for part in fault["loc"] if part != "[key]")
        yield _refused(path, fault["input"], fault["type"], fault.get("ctx", {}))


def _refused(path: Path, value: Any, kind: str, context: Mapping[str, Any]) -> Fault:
    if isinstance(wrong := context.get("error"), Wrong):
        return Fault(path, wrong.wrong, wrong.right)
    if kind == "missing":
        return Fault(
            path,
            f"{named(path)} is missing",
            f"Add it, like {path[-1]} = {_example_of(path)}.",
            names_key=True,
        )
    node = _leaf_at(path)
    shown = "this value" if is_secret(path) or isinstance(value, dict | list | tuple) else quoted(value)
    allowed = _write(node) if node else "See config.example.toml."
    return Fault(path, f"{shown} {_WORDS.get(kind, 'can not be used')}", allowed)


_WORDS: Mapping[str, str] = {
    "greater_than": "is too small",
    "greater_than_equal": "is too small",
    "less_than": "is too large",
    "less_than_equal": "is too large",
    "too_short": "has too few items",
    "too_long": "has too many items",
}


def _leaf_at(path: Path) -> Leaf | None:
    node: Table | Leaf | None = ROOT
    for part in path:
        if isinstance(node, Table):
            node = node.get(str(part))
        elif node:
            node = node.item
    return node if isinstance(node, Leaf) else None


def _example_of(path: Path) -> str:
    node = _leaf_at(path)
    return _example(node) if node else "..."
