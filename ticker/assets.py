"""The widget's files: their place, the names of their bytes, and what a page must know of them."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zipfile
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from io import BytesIO

FINGERPRINT = "[0-9a-f]{16}"
"""The pattern of a `fingerprint`."""
_STYLE = re.compile(r"<style[^>]*>(.*?)</style>", re.DOTALL | re.IGNORECASE)


def _file(*places: str) -> Traversable:
    """A file or a directory, by its path in a wheel or in a checkout, whichever exists."""
    package = files("ticker")
    installed = package.joinpath("widget", places[0])
    return (
        installed
        if installed.is_file() or installed.is_dir()
        else package.joinpath("..", "widget", *places[1:], places[0])
    )


def built(name: str) -> bytes:
    """The bytes of a file from the widget's build, such as `ticker.js`."""
    return _file(name, "dist").read_bytes()


def released() -> tuple[bytes, ...]:
    """The `ticker.js` of every earlier version in the changelog: pages name their hashes for years."""
    folder = _file("released")
    return tuple(each.read_bytes() for each in sorted(folder.iterdir(), key=lambda each: each.name))


def page() -> str:
    """The page, with its placeholders."""
    return _file("index.html").read_text(encoding="utf-8")


@cache
def plugin() -> bytes:
    """The plugin for WordPress, as a ZIP file that WordPress installs."""
    name, packed = "currency-ticker", BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        file = zipfile.ZipInfo(f"{name}/{name}.php")
        # Without it, the file could not be read where ZIP files keep permissions.
        file.external_attr = 0o644 << 16
        archive.writestr(file, _file(f"{name}.php", "wordpress").read_bytes(), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


@cache
def follower() -> str:
    """The script that keeps the line in a frame current."""
    return _file("frame.js", "src").read_text(encoding="utf-8").replace("\r\n", "\n")


@cache
def labels(language: str) -> dict[str, str]:
    """The words of the line in a language, by their keys; English where it has none."""
    said = _labels()
    return dict(zip(said["keys"].split("|"), said.get(language, said["en"]).split("|"), strict=True))


@cache
def board_words(language: str) -> dict[str, str]:
    """The words of the elements of board.js in a language, by their keys. They are the page's, too."""
    words = json.loads(_file("words", "src").joinpath(f"{language}.json").read_text(encoding="utf-8"))
    return {key: words[key] for key in _labels()["board"].split("|")}


@cache
def _labels() -> dict[str, str]:
    """The words by language, and under `keys` and `board` what they are called."""
    said: dict[str, str] = json.loads(_file("labels.json", "src").read_text(encoding="utf-8"))
    return said


@cache
def languages() -> frozenset[str]:
    """The languages that the widget has words in."""
    return frozenset(_labels()) - {"keys", "board"}


@cache
def names_file(language: str) -> bytes:
    """The names of all currencies in a language of `languages`, as tests/tools/names.py wrote them."""
    return files("ticker").joinpath("names", f"{language}.json").read_bytes()


@cache
def names(language: str) -> dict[str, str]:
    """The same names, by their codes."""
    said: dict[str, str] = json.loads(names_file(language))
    return said


@cache
def look() -> dict[str, dict[str, str]]:
    """The widget's colours (`light`, `dark`) and shapes (`arrows`, `marks`: polygons as CSS writes them)."""
    found: dict[str, dict[str, str]] = json.loads(_file("look.json", "src").read_text(encoding="utf-8"))
    return found


def fingerprint(script: bytes) -> str:
    """The part of the script's address that identifies its bytes, so that clients may cache it for ever."""
    return hashlib.sha256(script).hexdigest()[:16]


def address(mark: str, name: str = "ticker") -> str:
    """The file name of the script with this fingerprint."""
    return f"{name}.{mark}.js"


def is_board(script: bytes) -> bool:
    """Whether a script is the second one of its version, by the source map that it names."""
    return script.rstrip().endswith(b"sourceMappingURL=board.js.map")


def integrity(script: bytes) -> str:
    """The hash of exactly these bytes for a page (Subresource Integrity)."""
    return f"sha384-{base64.b64encode(hashlib.sha384(script).digest()).decode()}"


def source_of(text: str) -> str:
    """The source of a Content-Security-Policy that allows exactly this text of a `<style>` or `<script>`."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def style_sources(document: str) -> tuple[str, ...]:
    """The sources for every `<style>` in a document."""
    # HTML parsers turn CR LF into LF before they hash.
    texts: Iterable[str] = _STYLE.findall(document.replace("\r\n", "\n"))
    return tuple(dict.fromkeys(map(source_of, texts)))
