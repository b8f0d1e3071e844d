"""How a batch stands: the document of its run with what replays added to it and what was discarded since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from loadlock.ledger.base import Ledger, RunRecord
from loadlock.model import Balance, Stage
from loadlock.quarantine.edits import Act, Action, in_force
from loadlock.workflow.generation import STATE
from loadlock.workflow.quarantine import acts_of, known_acts

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


Discards = Mapping[int, Mapping[Count, int]]
"""By act: how many rejects it discarded."""


def with_discards(document: Mapping[str, Any], acts: Sequence[Act], known: int) -> dict[str, Any]:
    """The document of a run with the rejects discarded (or taken back) since; `known` = the newest act it has counted."""
    before = _counted(document, acts, known)
    own = {act: counts for act, counts in _discards(acts).items() if act > known}
    standing = {act.seq for act in in_force(acts)}
    return recounted(document, before, {act: n for act, n in {**before, **own}.items() if act in standing})


def recounted(document: Mapping[str, Any], before: Discards, now: Discards) -> dict[str, Any]:
    """The document of a run in which rejects were counted as discarded as `before` says, counted as `now` says."""
    counts: Counter[Count] = Counter()
    for discards, add in ((now, counts.update), (before, counts.subtract)):
        for of_act in discards.values():
            add(dict(of_act))
    kept = [[act, *key, number] for act, of_act in sorted(now.items()) for key, number in sorted(of_act.items())]
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
        "discards": kept,
    }


def standing_document(ledger: Ledger, run: RunRecord) -> dict[str, Any]:
    """The document of a run, with what was discarded of its rejects since."""
    whole = ledger.run(run.run) or run
    if whole.document is None:
        return {}
    acts = acts_of(ledger, run.batch, generation=whole.state.get(STATE))
    return with_discards(whole.document, acts, known_acts(whole))


def _counted(document: Mapping[str, Any], acts: Sequence[Act], known: int) -> Discards:
    """What a run's document has counted as discarded."""
    if "discards" not in document:
        standing = {act.seq for act in in_force(acts, upto=known)}
        return {act: counts for act, counts in _discards(acts).items() if act in standing}
    found: dict[int, dict[Count, int]] = {}
    for act, stage, file, to, number in document["discards"]:
        found.setdefault(act, {})[(stage, file, to)] = number
    return found


def _discards(acts: Iterable[Act]) -> dict[int, dict[Count, int]]:
    """What each act discarded, as it was written down with it."""
    return {
        act.seq: {(stage, file, to): number for stage, file, to, number in act.counts}
        for act in acts
        if act.action == Action.DISCARD
    }
