"""The outbox over a store that is none: in which parts what waits is written. Nothing waits here."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from ticker.poll import outbox
from ticker.poll.outbox import Outbox
from ticker.poll.shelf import Papers
from ticker.rates.desk import News
from ticker.rates.events import Entry, Said
from ticker.rates.model import Announcement, Cursor, Fixing, Pair
from ticker.rates.source import Outcome
from ticker.rates.tables import Figure, Table
from ticker.records import Document
from ticker.store import Batch, Behind

if TYPE_CHECKING:
    from tests.conftest import FixingOf, QuoteOf

NOON = datetime(2026, 5, 19, 6, tzinfo=UTC)
TUESDAY = date(2026, 5, 19)


@dataclass
class Written:
    """Takes whatever is written, and notes with which mode."""

    batches: list[Batch] = field(default_factory=list)
    modes: list[str] = field(default_factory=list)
    is_behind: bool = False
    meanwhile: Any = None

    async def write(self, batch: Batch, *, mode: str, **others: Any) -> Cursor:
        if self.is_behind:
            raise Behind
        self.batches.append(batch)
        self.modes.append(mode)
        if self.meanwhile:
            self.meanwhile()
            self.meanwhile = None
        return Cursor(1, len(self.batches))

    async def renew(self, lease: str, *, seconds: int, **others: Any) -> Cursor:
        return Cursor(1, len(self.batches))


@pytest.fixture
def written() -> Written:
    return Written()


@pytest.fixture
def box(written: Written) -> Outbox:
    store: Any = written
    return Outbox(store, owner="one", alone=True, lease_seconds=15)


def document(number: int) -> Document:
    return Document.of(b"%d" % number, source="nbkr", address="", asked=TUESDAY, heard=NOON)


def entry(number: int) -> Entry:
    """An event that stands in the document of the same number."""
    figures = {Pair("USD", "KGS"): Figure(Decimal(87), number)}
    table = Table(source="nbkr", day=TUESDAY, figures=figures)
    return Entry(number, Said(at=NOON, table=table, document=document(number).sha256))


async def test_no_event_is_written_before_its_document_and_what_follows_comes_last(
    box: Outbox, written: Written, monkeypatch: pytest.MonkeyPatch, quote_of: QuoteOf, fixing_of: FixingOf
) -> None:
    monkeypatch.setattr(outbox, "ENTRIES_AT_ONCE", 4)
    monkeypatch.setattr(outbox, "DOCUMENTS_AT_ONCE", 3)
    entries, documents = tuple(map(entry, range(1, 11))), tuple(map(document, range(1, 11)))
    quote, fixing = quote_of("KGS", "87"), fixing_of("KGS", "87", TUESDAY)

    box.put([quote], News(entries=entries, fixings=(fixing,)), Papers(kept=documents, gone=("0" * 64,)))
    box.note(Outcome(source="nbkr"))
    await box.write()

    known: set[str] = set()
    for batch in written.batches:
        known |= {each.sha256 for each in batch.documents}
        cited = {each.event.document for each in batch.entries if isinstance(each.event, Said)}
        assert cited <= known
    assert [len(batch.documents) for batch in written.batches] == [3, 3, 3, 1, 0, 0]
    assert [[each.number for each in batch.entries] for batch in written.batches if batch.entries] == [
        [1, 2, 3, 4],
        [5, 6, 7, 8],
        [9, 10],
    ]
    assert [batch.after for batch in written.batches] == [0, 0, 0, 0, 4, 8]
    *earlier, last = written.batches
    assert (last.quotes, last.fixings, last.forgotten) == ((quote,), (fixing,), ("0" * 64,))
    assert last.outcomes
    assert not any(batch.quotes or batch.fixings or batch.forgotten for batch in earlier)
    assert box.waiting.is_empty()
    assert box.written == 10


async def test_a_quote_is_logged_once_however_often_it_is_written(
    box: Outbox, quote_of: QuoteOf, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    quote = quote_of("KGS", "80")
    announced = Announcement(price=Decimal("0.0126"), inverse=Decimal("79.4"), as_of=TUESDAY)
    doubted = replace(quote, status="unconfirmed")
    due = replace(quote, next=announced, due_at=NOON)

    for each in (quote, replace(quote, due_at=NOON), due, replace(due, published_at=NOON), doubted, quote):
        box.put([each], News())
        await box.write()

    assert caplog.messages == [
        "KGS/USD = 0.0125 as of 2026-05-22 (nbkr)",
        "KGS/USD: nbkr announces 0.0126 as of 2026-05-19",
        "KGS/USD = 0.0125 as of 2026-05-22 (nbkr, unconfirmed)",
        "KGS/USD = 0.0125 as of 2026-05-22 (nbkr)",
    ]


async def test_what_comes_in_during_a_write_is_written_after_it(
    box: Outbox, written: Written, quote_of: QuoteOf
) -> None:
    older, newer = quote_of("KGS", "87"), quote_of("KGS", "88")
    box.put([older], News(entries=(entry(1),)))
    written.meanwhile = lambda: box.put([newer], News(entries=(entry(2),)))

    await box.write()

    assert [batch.quotes for batch in written.batches] == [(older,), (newer,)]
    assert [[each.number for each in batch.entries] for batch in written.batches] == [[1], [2]]


async def test_of_a_quote_that_waits_only_the_newest_is_written_and_of_events_each(
    box: Outbox, written: Written, quote_of: QuoteOf
) -> None:
    for number in (1, 2, 3):
        box.put([quote_of("KGS", f"8{number}")], News(entries=(entry(number),)))

    await box.write()

    [batch] = written.batches
    assert batch.quotes == (quote_of("KGS", "83"),)
    assert [each.number for each in batch.entries] == [1, 2, 3]


async def test_what_was_trimmed_before_it_was_written_is_never_written(box: Outbox, written: Written) -> None:
    box.put((), News(entries=(entry(7), entry(8))), Papers(kept=(document(7), document(8))))
    box.put((), News(dropped=(3, 7)), Papers(gone=(document(7).sha256,)))

    await box.write()

    [batch] = written.batches
    assert [each.number for each in batch.entries] == [8]
    assert batch.dropped == (3,)
    assert (batch.documents, batch.forgotten) == ((document(8),), (document(7).sha256,))


async def test_a_publication_that_is_none_any_more_takes_back_what_waits_and_the_other_way_round(
    box: Outbox, written: Written, fixing_of: FixingOf
) -> None:
    def fixing(figure: str) -> Fixing:
        return fixing_of("KGS", figure, TUESDAY)

    box.put((), News(fixings=(fixing("87"),)))
    box.put((), News(gone=(fixing("87"),)))
    await box.write()
    box.put((), News(gone=(fixing("87"),)))
    box.put((), News(fixings=(fixing("88"),)))
    await box.write()

    assert [(batch.fixings, batch.gone) for batch in written.batches] == [
        ((), (fixing("87"),)),
        ((fixing("88"),), ()),
    ]


async def test_a_new_beginning_voids_the_ledger_first_and_resets_with_the_first_quotes(
    box: Outbox, written: Written, monkeypatch: pytest.MonkeyPatch, quote_of: QuoteOf
) -> None:
    monkeypatch.setattr(outbox, "ENTRIES_AT_ONCE", 1)
    box.put([quote_of("KGS", "86")], News(entries=(entry(1),)))
    await box.write()

    box.put([quote_of("KGS", "87")], News(entries=(entry(2),)))
    box.close()  # what waits is of the old time
    box.note(Outcome(source="nbkr"))
    await box.write()
    box.begin_again()
    box.put([quote_of("KGS", "85")], News(entries=(entry(1), entry(2))))
    await box.write()
    box.put([quote_of("KGS", "84")], News(entries=(entry(3),)))
    await box.write()

    assert [
        (batch.anew, mode, len(batch.quotes))
        for batch, mode in zip(written.batches, written.modes, strict=True)
    ] == [
        (False, "changes", 1),
        (False, "everything", 0),
        (True, "everything", 0),
        (False, "reset", 1),
        (False, "changes", 1),
    ]
    assert [batch.after for batch in written.batches] == [0, 1, 0, 1, 2]


@pytest.mark.parametrize("is_slow", [False, True])
async def test_a_write_of_the_old_time_that_ends_in_the_new_one_changes_nothing_of_it(
    is_slow: bool, box: Outbox, written: Written, quote_of: QuoteOf
) -> None:
    def begin() -> None:
        box.begin_again()
        box.put([quote_of("KGS", "85")], News(entries=(entry(1),)))

    def end() -> None:
        box.close()
        if is_slow:
            begin()

    box.put([quote_of("KGS", "86")], News(entries=(entry(1), entry(2))))
    written.meanwhile = end
    await box.write()
    if not is_slow:
        begin()
    await box.write()

    assert written.modes == ["changes", "reset"]
    assert (written.batches[1].anew, written.batches[1].after) == (True, 0)
    assert box.written == 1


async def test_a_write_that_finds_less_than_was_written_is_told_by_the_next_renewal_once(
    box: Outbox, written: Written
) -> None:
    box.put((), News(entries=(entry(1),)))
    written.is_behind = True
    await box.write()

    assert not await box.renew()
    assert await box.renew()
    assert not box.waiting.is_empty()
