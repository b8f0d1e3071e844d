"""How a batch stands: the document of its run with what replays added to it and what was discarded since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from loadlock.ledger.base import Ledger, RunRecord
from loadlock.model import Balance, Stage
from loadlock.quarantine.edits import Act, Action, in_force
from loadlock.workflow.quarantine import REPLAY, acts_of

Count = tuple[str, int, int]
"""Stage that had rejected, file, destinations (as bits)."""


@dataclass(frozen=True, kw_only=True)
class Sent:
    """How many rejects a replay sent, by stage, file and destinations."""

    counts: Mapping[Count, int]

    def of(self, destination: int, *, file: int | None = None) -> dict[str, int]:
        """Rejects by stage that were sent to one destination."""
        found = dict.fromkeys((str(Stage.INTAKE), str(Stage.CLEANUP), str(Stage.DELIVERY)), 0)
        for (stage, own_file, to), number in self.counts.items():
            if to >> destination & 1 and file in (None, own_file):
                found[stage] += number
        return found


def balance_of(document: Mapping[str, Any]) -> Balance:
    """A balance from its JSON."""
    rejected = {f"rejected_{stage}": number for stage, number in document["rejected"].items()}
    known = {entry.name for entry in fields(Balance)}
    return Balance(**{name: number for name, number in document.items() if name in known}, **rejected)


def joined(base: Balance, added: Balance, sent: Mapping[str, int]) -> Balance:
    """The balance of a batch after some of its rejects were sent again: `added` is the balance of those alone."""
    intake, cleanup, delivery = (sent[str(stage)] for stage in (Stage.INTAKE, Stage.CLEANUP, Stage.DELIVERY))
    summed = base + added.with_(received=0, staged=intake, blank=0)
    return summed.with_(
        clean=summed.clean - delivery,
        rejected_intake=base.rejected_intake - intake,
        rejected_cleanup=summed.rejected_cleanup - cleanup,
        rejected_delivery=summed.rejected_delivery - delivery,
    )


def discarded(base: Balance, sent: Mapping[str, int]) -> Balance:
    """The balance after rejects were discarded: a malformed row counts as staged then, a refused one no longer as clean."""
    intake, cleanup, delivery = (sent[str(stage)] for stage in (Stage.INTAKE, Stage.CLEANUP, Stage.DELIVERY))
    return replace(
        base,
        staged=base.staged + intake,
        clean=base.clean - delivery,
        discarded=base.discarded + intake + cleanup + delivery,
        rejected_intake=base.rejected_intake - intake,
        rejected_cleanup=base.rejected_cleanup - cleanup,
        rejected_delivery=base.rejected_delivery - delivery,
    )


def with_discards(document: Mapping[str, Any], acts: Sequence[Act], known: int) -> dict[str, Any]:
    """The document of a run with the rejects discarded (or taken back) since; `known` = the newest act it has counted."""
    before, now = (_discards(in_force(acts, upto=upto)) for upto in (known, None))
    counts = {key: now.get(key, 0) - before.get(key, 0) for key in {*before, *now}}
    if not any(counts.values()):
        return dict(document)
    sent = Sent(counts=counts)

    def told(entry: Mapping[str, Any], destination: int, file: int | None = None) -> dict[str, Any]:
        balance = discarded(balance_of(entry["balance"]), sent.of(destination, file=file))
        return {**entry, "balance": balance.to_json()}

    return {
        **told(document, 0),
        "files": [told(entry, 0, index) for index, entry in enumerate(document["files"])],
        "destinations": [told(entry, index) for index, entry in enumerate(document["destinations"])],
    }


def standing_document(ledger: Ledger, run: RunRecord) -> dict[str, Any]:
    """The document of a run, with what was discarded of its rejects since."""
    whole = ledger.run(run.run) or run
    if whole.document is None:
        return {}
    return with_discards(whole.document, acts_of(ledger, run.batch), known_acts(run))


def known_acts(run: RunRecord) -> int:
    """The newest act that a run's document has counted."""
    return int(run.state.get(REPLAY, {}).get("edits", 0))


def _discards(acts: Iterable[Act]) -> dict[Count, int]:
    found: dict[Count, int] = {}
    for act in acts:
        for stage, file, to, number in act.counts if act.action == Action.DISCARD else ():
            found[(stage, file, to)] = found.get((stage, file, to), 0) + number
    return found
