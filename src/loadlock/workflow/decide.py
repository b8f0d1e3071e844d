"""`accept` and `discard`: an operator decides on rejects without changing a value."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loadlock.errors import UsageError
from loadlock.model import RejectState
from loadlock.problems import ACCEPTABLE
from loadlock.quarantine.changes import Changes
from loadlock.quarantine.edits import Act, Action
from loadlock.quarantine.read import ALL, RejectFilter
from loadlock.quarantine.taking import Change
from loadlock.rows import FILE
from loadlock.workflow.acting import Deed, Who, write_down
from loadlock.workflow.chosen import choose, places_of
from loadlock.workflow.correct import acting
from loadlock.workflow.quarantine import Quarantine
from loadlock.workflow.standing import standing_document

_DECIDABLE = (RejectState.OPEN, RejectState.CORRECTED, RejectState.STALE)
_WAITING = (RejectState.CORRECTED, RejectState.ACCEPTED)
_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What was decided on how many rejects."""

    batch: str
    act: Act | None
    """None: no reject was meant."""
    balance: dict[str, Any]
    """Of the batch, after it."""
    left: int = 0
    """Corrected and accepted rejects that were not discarded, since they wait for a replay."""

    def to_json(self) -> dict[str, Any]:
        return {
            "batch": self.batch,
            "act": None if self.act is None else self.act.to_json(),
            "balance": self.balance,
            "left": self.left,
        }

    @property
    def notes(self) -> list[str]:
        """For people."""
        if not self.left:
            return []
        rejects = "1 reject was" if self.left == 1 else f"{self.left:,} rejects were"
        waits = f"{rejects} corrected or accepted and not replayed yet: not discarded"
        return [f"{waits} (--state corrected or --state accepted discards those)"]


def accept(
    name: str,
    *,
    why: str,
    by: str | None = None,
    where: str | None = None,
    wanted: RejectFilter = ALL,
    workspace: str | Path | None = None,
) -> Decision:
    """Let rejects pass the checks that they failed: the next replay delivers them as they are.

    Only what checks found can be accepted. Raises UsageError, and accepts none, where a reject has another problem: a
    malformed row, a value of the wrong type, a missing key, a row that the destination refused.
    """
    with acting(workspace, name) as quarantine:
        _check_reason(why)
        lines = Changes()
        wrong: list[str] = []
        for chosen in choose(quarantine, wanted, where):
            rows = zip(
                places_of(chosen.table),
                chosen.table["state"].to_pylist(),
                chosen.table["problems"].to_pylist(),
                strict=True,
            )
            for place, state, problems in rows:
                if state in _DECIDABLE:
                    codes = dict.fromkeys(problem["code"] for problem in problems)
                    wrong += [f"row {place[1]}: {code}" for code in codes if code not in ACCEPTABLE]
                    lines.extend(Change(place=place, column=code) for code in codes)
        if wrong:
            raise UsageError(
                f"only what a check found can be accepted, and {len(wrong):,} problems are none: {', '.join(wrong[:_SHOWN])}",
                hint="Correct these rows, or narrow the choice by --code.",
            )
        return _decided(quarantine, Action.ACCEPT, lines, Who(by=by, why=why), where)


def discard(
    name: str,
    *,
    why: str,
    by: str | None = None,
    where: str | None = None,
    wanted: RejectFilter = ALL,
    workspace: str | Path | None = None,
) -> Decision:
    """Give rejects up for good (or until it is undone): they are counted as discarded, and no replay sends them.

    What was corrected or accepted, and waits for a replay, is left alone unless `wanted` names that state.
    """
    with acting(workspace, name) as quarantine:
        _check_reason(why)
        lines = Changes()
        counts: Counter[tuple[str, int, int]] = Counter()
        left = 0
        for chosen in choose(quarantine, wanted, where):
            table = chosen.table
            names = ("state", "stage", FILE, "to")
            rows = zip(places_of(table), *(table[column].to_pylist() for column in names), strict=True)
            for place, state, stage, file, to in rows:
                if state in _WAITING and wanted.state is None:
                    left += 1
                elif state in (*_DECIDABLE, RejectState.ACCEPTED) and to:
                    lines.add(Change(place=place, to=to))
                    counts[(stage, file, to)] += 1
        counted = [[*key, number] for key, number in sorted(counts.items())]
        decided = _decided(quarantine, Action.DISCARD, lines, Who(by=by, why=why), where, counted)
        return replace(decided, left=left)


def _check_reason(why: str) -> None:
    if not why.strip():
        raise UsageError("the audit needs a reason", hint="Give it by --why.")


def _decided(
    quarantine: Quarantine,
    action: Action,
    lines: Changes,
    who: Who,
    where: str | None,
    counts: list[list[Any]] | None = None,
) -> Decision:
    act = None
    if lines:
        deed = Deed(action=action, who=who, lines=lines, source=f"where {where}" if where else "", counts=counts or [])
        act = write_down(quarantine, deed)
    batch = quarantine.batch.batch
    document = standing_document(quarantine.workspace.ledger, quarantine.run)
    return Decision(batch=batch, act=act, balance=dict(document.get("balance", {})))
