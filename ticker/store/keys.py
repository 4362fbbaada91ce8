"""Every key in Redis, after the prefix: those that a backup has, and the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Form = Literal["stream", "hash", "sorted", "string"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of what is kept, such as an event: one row of a backup for each."""

    name: str
    words: str
    """Its name in a sentence, in the plural."""
    key: str
    """Its key. A name that ends in `:` is that of many keys, and the first field of a row completes it."""
    form: Form
    is_added: bool = False
    """Whether rows are only added, and deleted. Otherwise they may change."""

    @property
    def is_family(self) -> bool:
        """Whether it has many keys."""
        return self.key.endswith(":")


LEDGER = "ledger"
KINDS = (
    Kind("event", "events", LEDGER, "stream", is_added=True),
    Kind("document", "documents", "documents", "hash", is_added=True),
    Kind("about", "origins of documents", "documents:about", "hash", is_added=True),
    Kind("quote", "quotes", "latest", "hash"),
    Kind("fixing", "fixings", "history:", "sorted"),
    Kind("order", "orders", "orders", "stream"),
    Kind("answer", "answers to orders", "answers", "stream"),
    Kind("script", "scripts", "scripts", "hash"),
    Kind("outcome", "outcomes of polls", "source:", "string"),
    Kind("memory", "records of an earlier version", "memory", "string"),
    Kind("version", "versions", "version", "string"),
)
"""What a backup has. `memory` is that of the version before the ledger."""
BY_NAME = {kind.name: kind for kind in KINDS}

PUBLICATIONS = "stream"
"""The publications of an epoch. A backup has none, because a restore opens a new epoch."""
LEADER, FENCE, POLLER = "leader", "fence", "poller"
"""The lease and facts about its holder. They say nothing about quotes."""
STAGED = "restore:"
"""Before the name of a key that is being restored and that nobody reads yet."""


def kind_of(key: str) -> Kind | None:
    """The kind of a key without its prefix; None if a backup does not have it."""
    found = (kind for kind in KINDS if (key.startswith(kind.key) if kind.is_family else key == kind.key))
    return next(found, None)
