"""The widget's files: where they are, how their bytes are named, and what a page has to know of them."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

FINGERPRINT = "[0-9a-f]{16}"
"""A pattern of what `fingerprint` gives."""
_STYLE = re.compile(r"<style[^>]*>(.*?)</style>", re.DOTALL | re.IGNORECASE)


def _file(*places: str) -> Traversable:
    """A file or a folder by its place in a wheel, or its place in a checkout, whichever is there."""
    package = files("ticker")
    installed = package.joinpath("widget", places[0])
    return (
        installed
        if installed.is_file() or installed.is_dir()
        else package.joinpath("..", "widget", *places[1:], places[0])
    )


def built(name: str) -> bytes:
    """The bytes of a file that the widget's build writes, `ticker.js`."""
    return _file(name, "dist").read_bytes()


def released() -> tuple[bytes, ...]:
    """The `ticker.js` of every earlier version in the changelog: pages name their bytes for years."""
    folder = _file("released")
    return tuple(each.read_bytes() for each in sorted(folder.iterdir(), key=lambda each: each.name))


def page() -> str:
    """The page, with its placeholders."""
    return _file("index.html").read_text(encoding="utf-8")


@cache
def follower() -> str:
    """The script that keeps the line in a frame current."""
    return _file("frame.js", "src").read_text(encoding="utf-8").replace("\r\n", "\n")


@cache
def labels(language: str) -> dict[str, str]:
    """The words of the widget in a language, by their keys; English where it has none."""
    said: dict[str, str] = json.loads(_file("labels.json", "src").read_text(encoding="utf-8"))
    keys = said.pop("keys").split("|")
    return dict(zip(keys, said.get(language, said["en"]).split("|"), strict=True))


@cache
def languages() -> frozenset[str]:
    """Those in which the widget has words."""
    return frozenset(json.loads(_file("labels.json", "src").read_text(encoding="utf-8"))) - {"keys"}


@cache
def names_file(language: str) -> bytes:
    """The names of all currencies in a language of `languages`, as tests/tools/names.py wrote them."""
    return files("ticker").joinpath("names", f"{language}.json").read_bytes()


@cache
def names(language: str) -> dict[str, str]:
    """The same, by their codes."""
    said: dict[str, str] = json.loads(names_file(language))
    return said


@cache
def look() -> dict[str, dict[str, str]]:
    """The widget's colours (`light`, `dark`) and shapes (`arrows`, `marks`: polygons as CSS writes them)."""
    found: dict[str, dict[str, str]] = json.loads(_file("look.json", "src").read_text(encoding="utf-8"))
    return found


def fingerprint(script: bytes) -> str:
    """What stands in the script's address, so that a client may keep it for ever."""
    return hashlib.sha256(script).hexdigest()[:16]


def address(mark: str) -> str:
    """The name of the script that has this fingerprint."""
    return f"ticker.{mark}.js"


def integrity(script: bytes) -> str:
    """What a page says of exactly these bytes (Subresource Integrity)."""
    return f"sha384-{base64.b64encode(hashlib.sha384(script).digest()).decode()}"


def source_of(text: str) -> str:
    """The source of a Content-Security-Policy that allows exactly this text of a `<style>` or `<script>`."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def style_sources(document: str) -> tuple[str, ...]:
    """The same of every `<style>` in a document."""
    # A parser of HTML reads CR LF as LF before it hashes.
    texts: Iterable[str] = _STYLE.findall(document.replace("\r\n", "\n"))
    return tuple(dict.fromkeys(map(source_of, texts)))
