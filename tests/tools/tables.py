"""
Writes the tables of ticker/docs that the code knows: `python -m tests.tools.tables`.

A table stands between `<!-- table: NAME -->` and `<!-- end -->`. tests/test_docs.py compares all of them with
the code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ticker import schemas
from ticker.config.keys import ROOT, SINCE, Leaf, Table
from ticker.config.show import toml
from ticker.deploy import KIT
from ticker.edge.query import EVERYWHERE
from ticker.metrics import METRICS
from ticker.protocol import CLOSES, COME_BACK
from ticker.wire import STATUSES, AnnouncementMessage, QuoteMessage

DOCS = Path(__file__).parents[2] / "ticker" / "docs"
_PLACE = re.compile(r"(?<=<!-- table: )(\w+)( -->\n)(.*?)(?=<!-- end -->)", re.DOTALL)
Row = Sequence[str]


def metrics() -> Iterator[Row]:
    """Every metric of `/metrics`, `process_*` left out."""
    yield "metric", "labels", "means"
    for metric in METRICS:
        yield f"`{metric.name}`", ", ".join(metric.labels), metric.help


def keys() -> Iterator[Row]:
    """Every key of the configuration."""
    yield "key", "value", "default", "since"
    for name, leaf in _leaves(ROOT):
        default = "" if leaf.default is None else f"`{toml(leaf.default)}`"
        yield f"`{name}`", str(leaf), default, SINCE.get(name, "")


def closes() -> Iterator[Row]:
    """Every close code of the stream."""
    yield "code", "means", "reconnect"
    for code, words in CLOSES.items():
        yield f"{code:d}", words, "yes" if code in COME_BACK else "no"


def statuses() -> Iterator[Row]:
    """Every status of a quote."""
    yield "status", "means"
    for status, words in STATUSES.items():
        yield f"`{status}`", words


def quote() -> Iterator[Row]:
    """Every field of a quote."""
    yield "field", "means"
    for model, above in ((QuoteMessage, ""), (AnnouncementMessage, "next.")):
        for name, field in model.model_fields.items():
            yield f"`{above}{name}`", " ".join((field.description or "").split())


def paths() -> Iterator[Row]:
    """Every address that answers, source maps left out."""
    yield "address", "gives", "parameters"
    document = schemas.openapi()
    for path, methods in document["paths"].items():
        if path.endswith(".map"):
            continue
        names = (each["$ref"].rpartition("/")[2] for each in methods["get"].get("parameters", ()))
        asked = (document["components"]["parameters"][name] for name in names)
        shown = (each["name"] for each in asked if each["in"] == "query" and each["name"] not in EVERYWHERE)
        yield f"`{path}`", methods["get"]["summary"], ", ".join(f"`{name}`" for name in shown)


def kit() -> Iterator[Row]:
    """Every file that `ticker deploy` prints."""
    yield "name", "prints"
    for name, part in KIT.items():
        yield f"`{name}`", part.gives


TABLES: Mapping[str, Callable[[], Iterable[Row]]] = {
    each.__name__: each for each in (metrics, keys, closes, statuses, quote, paths, kit)
}


def written(text: str) -> str:
    """A page with its tables as the code has them."""
    return _PLACE.sub(lambda place: f"{place[1]}{place[2]}{markdown(TABLES[place[1]]())}", text)


def markdown(rows: Iterable[Row]) -> str:
    """A table; the first row is its head."""
    head, *body = (f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |\n" for row in rows)
    return "".join((head, "|---" * (head.count(" | ") + 1), "|\n", *body))


def _leaves(table: Table, above: str = "") -> Iterator[tuple[str, Leaf]]:
    below = {**table.keys, **({"*": table.each} if table.each else {})}
    for name, node in below.items():
        if isinstance(node, Table):
            yield from _leaves(node, f"{above}{name}.")
        else:
            yield f"{above}{name}", node


if __name__ == "__main__":
    for path in sorted(DOCS.glob("*.md")):
        path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")
