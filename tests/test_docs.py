"""README and ticker/docs: they have what the code has, and every link leads somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from email import message_from_bytes
from pathlib import Path
from typing import get_args
from zipfile import ZipFile

import pytest

from tests.tools import pictures, tables
from tests.tools.bench.widget import MOST_BOARD_BYTES, MOST_BYTES
from ticker import wire
from ticker.deploy import KIT
from ticker.rates.model import Status

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "ticker" / "docs"
PAGES = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "README.md", *sorted(DOCS.glob("*.md")))}
FENCE = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def text_of(name: str) -> str:
    return PAGES[name].read_text(encoding="utf-8")


def prose_of(path: Path) -> str:
    """A page without its snippets."""
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def rows_of(page: str, head: str) -> list[list[str]]:
    """The cells of the table below this first cell of its head."""
    text = text_of(f"ticker/docs/{page}").partition(f"\n| {head} |")[2]
    rows = (line.removeprefix("|").removesuffix("|").split(" | ") for line in text.splitlines()[2:])
    found = []
    for row in rows:
        if len(row) < 2:
            break
        found.append([cell.strip() for cell in row])
    return found


# What the code knows.


@pytest.mark.parametrize("name", PAGES)
def test_the_tables_are_as_the_code_has_them(name: str) -> None:
    assert text_of(name) == tables.written(text_of(name)), "python -m tests.tools.tables"


def test_every_table_of_the_code_stands_in_one_page() -> None:
    found = re.findall(r"<!-- table: (\w+) -->", "".join(map(text_of, PAGES)))

    assert sorted(found) == sorted(tables.TABLES)


def test_every_attribute_is_in_the_docs() -> None:
    forms = re.search(r"const FORMS = .*?\n\};", (ROOT / "widget/src/ticker.js").read_text(), re.DOTALL)
    assert forms
    attributes = re.findall(r"^  (\w+): (.*),$", forms[0], re.MULTILINE)
    rows = {row[0].strip("`"): row for row in rows_of("embedding.md", "attribute")}

    assert set(rows) == {name for name, _ in attributes}
    assert {name for name, row in rows.items() if row[2] == "off"} == {
        name for name, form in attributes if form == "true"
    }
    for name, form in attributes:
        words = re.match(r"\[/\^\(?([a-z|]+)\)?\$/, (.*)\]", form)
        for word in words[1].split("|") if words else ():
            assert f"`{word}`" in rows[name][1]
        if words:
            assert rows[name][2] == (words[2].replace('"', "`") if words[2] != '""' else "nothing")


def test_the_limits_of_the_scripts_are_in_the_docs() -> None:
    text = " ".join(text_of("ticker/docs/contributing.md").split())

    assert f"`dist/ticker.js` may have at most {MOST_BYTES:,} bytes" in text
    assert f"`dist/board.js` at most {MOST_BOARD_BYTES:,}" in text


def test_the_switches_are_named_in_the_docs() -> None:
    rows = [row[0] for row in rows_of("embedding.md", "attribute") if row[2] == "off"]

    assert f"- {', '.join(rows[:-1])} and {rows[-1]} are switches." in text_of("ticker/docs/embedding.md")


def test_the_numbers_among_the_properties_are_named_in_the_docs() -> None:
    numbers = re.findall(r"  (\w+): \[.*, parseFloat\],", (ROOT / "widget/src/ticker.js").read_text())
    [told] = re.findall(r"- As a property, ([^.]+)\.", text_of("ticker/docs/embedding.md"))

    assert re.findall(r"`(\w+)` (?:is|a) (?:a )?number", told) == numbers


def test_the_default_speed_is_in_the_docs() -> None:
    found = re.search(r"  speed: .*, (\d+), parseFloat\],", (ROOT / "widget/src/ticker.js").read_text())
    speeds = [row[2] for row in rows_of("embedding.md", "attribute") if row[0] == "`speed`"]

    assert found
    assert speeds == [found[1]]


def widget_source() -> str:
    """The modules of the element; those of the page `/` use its names, too."""
    return "".join((ROOT / "widget/src" / name).read_text() for name in ("style.js", "ticker.js"))


@pytest.mark.parametrize(
    ("after", "name", "pattern"),
    [
        ("- **Variables**:", r"`--ticker-(\w+)`", r"--ticker-(\w+)"),
        ("## Events and state", r"^\| `ticker-(\w+)`", r'emit\("ticker-(\w+)"'),
    ],
    ids=["variables", "events"],
)
def test_every_name_for_pages_is_in_the_docs(after: str, name: str, pattern: str) -> None:
    text = text_of("ticker/docs/embedding.md").partition(after)[2]
    listed = re.split(r"\n- |\n## ", text, maxsplit=1)[0]
    known = re.finditer(pattern, widget_source())

    assert set(re.findall(name, listed, re.MULTILINE)) == {found[1] for found in known}


def test_every_part_is_in_the_docs() -> None:
    source = "".join((ROOT / "widget/src" / name).read_text() for name in ("ticker.js", "line.js", "item.js"))
    made = re.findall(r"""(?:element\("\w+",|group\(|"absent" :) ?"(\w+)\"""", source)
    text = text_of("ticker/docs/embedding.md").partition("- **Parts** for `::part()`:")[2]

    assert set(made) | {"absent", "link"} == set(re.findall(r"`([a-z]+)`", text.partition("\n- ")[0]))


def test_every_status_is_explained() -> None:
    assert set(wire.STATUSES) == set(get_args(Status))


# Links and pictures.


def anchors_of(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", prose_of(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_to_a_file_and_a_heading(name: str) -> None:
    path = PAGES[name]
    for link in LINK.findall(prose_of(path)):
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert not re.match(r"\w+:", link), f"{link}: relative links only"
        assert target.is_file(), link
        assert not anchor or anchor in anchors_of(target), link


def test_the_readme_leads_to_every_page() -> None:
    linked = {link.partition("#")[0] for link in LINK.findall(text_of("README.md"))}

    assert linked >= set(PAGES) - {"README.md"}


def test_the_readme_is_short() -> None:
    assert len(text_of("README.md").split()) <= 1000


@pytest.mark.parametrize("name", PAGES)
def test_no_sentence_is_long(name: str) -> None:
    lines = [line for line in prose_of(PAGES[name]).splitlines() if not line.startswith(("|", "#", "<!--"))]
    blocks = re.split(r"\n\s*\n|\n\s*(?:-|\d+\.) ", "\n".join(lines))
    words = (" ".join(re.sub("`[^`]*`", "", block).split()) for block in blocks)
    sentences = (each for block in words for each in re.split(r"(?<=[.?!])\s", block))

    assert [each for each in sentences if len(re.findall(r"\b[\w'-]+", each)) >= 25] == []


@pytest.mark.parametrize("name", pictures.PICTURES)
def test_a_picture_of_the_readme_is_small(name: str) -> None:
    assert f"](ticker/docs/{name})" in text_of("README.md")
    assert (DOCS / name).stat().st_size <= pictures.MOST_BYTES


# What a package index shows.


@pytest.mark.slow
def test_a_package_has_the_docs_and_the_kit_and_shows_the_readme_without_pictures_and_links(
    tmp_path: Path,
) -> None:
    command = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, ROOT)
    subprocess.run(command, check=True, timeout=200)
    [wheel] = tmp_path.glob("*.whl")
    with ZipFile(wheel) as archive:
        names = archive.namelist()
        [place] = [name for name in names if name.endswith(".dist-info/METADATA")]
        package = message_from_bytes(archive.read(place))
    shown = str(package.get_payload())

    assert package["Description-Content-Type"] == "text/markdown"
    assert "Programming Language :: Python :: 3.11" in package.get_all("Classifier", [])
    assert package.get_all("Project-URL") is None
    assert shown.startswith("# Currency rate ticker\n")
    assert "Embedding (ticker/docs/embedding.md) lists all attributes" in shown
    assert re.findall(r"\]\(|<!--|\.png", shown) == []
    assert [name for name in PAGES if name != "README.md" and name not in names] == []
    assert [part.file for part in KIT.values() if f"ticker/deploy/{part.file}" not in names] == []
    assert "ticker/widget/currency-ticker.php" in names
