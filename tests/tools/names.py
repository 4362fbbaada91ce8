"""
Writes ticker/names: the names of all currencies that a source lists, in the widget's languages.

Run `python -m tests.tools.names` when a source lists another currency, or after a change of names.toml or
of Babel's version. A name is the override of names.toml, or else CLDR's as running text has it. Where CLDR
has none in a language of ours, it is the Russian one, or the English one.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from babel.numbers import get_currency_name

from ticker import assets
from ticker.sources import SOURCES

HERE = Path(__file__).parent
FOLDER = HERE.parents[1] / "ticker" / "names"
# CLDR writes an Uzbek letter with a quotation mark, and one range of years with a dash for sentences.
_LETTERS = str.maketrans({"‘": "ʻ", "—": "–"})


@cache
def reviewed() -> dict[str, Any]:
    """What names.toml says: `listed`, and the overrides by language and code."""
    return tomllib.loads((HERE / "names.toml").read_text(encoding="utf-8"))


def codes() -> list[str]:
    """Every currency that a source lists, sorted."""
    tables = (source.currencies for source in SOURCES.values())
    return sorted({*reviewed()["listed"]}.union(*tables))


def spoken(code: str, language: str) -> str | None:
    """CLDR's name as running text has it; None if it has none."""
    # What follows a `1` is no title. In Turkmen even countries lose their capitals by it.
    found = get_currency_name(code, count=None if language == "tk" else 1, locale=language)
    return found.translate(_LETTERS) if found != code else None


def name(code: str, language: str) -> str:
    """The name that is shown. Raises LookupError if nobody knows the currency."""
    own: str | None = reviewed()[language].get(code)
    ways = (own, spoken(code, language), spoken(code, "ru"), spoken(code, "en"))
    for found in filter(None, ways):
        return found
    raise LookupError(f"names.toml: CLDR has no {code}, give it a name in every language")


def written(language: str) -> str:
    """The file of a language, a name on each line."""
    names = {code: name(code, language) for code in codes()}
    return json.dumps(names, ensure_ascii=False, indent=0, separators=(",", ":")) + "\n"


def files() -> Iterator[tuple[Path, str]]:
    """Every file, and what it says."""
    for language in sorted(assets.languages()):
        yield FOLDER / f"{language}.json", written(language)


def borrowed(code: str) -> list[str]:
    """The languages in which it has the name of another language, sorted."""
    languages = sorted(assets.languages())
    return [each for each in languages if not (code in reviewed()[each] or spoken(code, each))]


if __name__ == "__main__":
    known = assets.names("en")
    for path, text in files():
        path.write_text(text, encoding="utf-8")
    for new in sorted(set(codes()) - set(known)):
        if languages := borrowed(new):
            print(f"{new} has a foreign name in {', '.join(languages)}; names.toml takes a better one")
