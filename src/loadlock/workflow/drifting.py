"""Compares a batch with the one that its pipeline delivered before (the check `drift`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from loadlock.cleanup.plan import DriftCheck, Plan
from loadlock.cleanup.tallies import ColumnTally, Tallies
from loadlock.ledger.base import Ledger, RunRecord
from loadlock.model import RunStatus
from loadlock.staging.base import Staging
from loadlock.workflow.cleaning import Cleaned
from loadlock.workflow.distribution import STATE, Spread, spreads
from loadlock.workflow.workspace import Workspace

_LOOKED = 200
"""Newest runs among which the one before is looked for."""


def compared(
    cleaned: Cleaned, plan: Plan, workspace: Workspace, run: RunRecord, *, scratch: Staging | None = None
) -> Cleaned:
    """The batch with a finding for each `drift` check that does not hold; how its values are spread is written down.

    `scratch`: where the clean parts of a preview lie, of which nothing is kept.
    """
    if not plan.drifts:
        return cleaned
    before = _delivered_before(workspace.ledger, run)
    moved = _moves(cleaned, plan, (scratch or workspace.staging, workspace.temp), before)
    if scratch is None and moved.spreads:
        workspace.ledger.save_state(run.run, {STATE: moved.spreads})
    if before is None or before.document is None:
        return cleaned
    name = f"batch {before.batch[:12]}"
    found = [
        {"message": said, "severity": str(check.severity), "passed": False, "value": value, "path": check.path}
        for check in plan.drifts
        for said, value in (*_faults(check, cleaned, before.document, name), *_moved(check, moved.distances, name))
    ]
    return replace(cleaned, findings=[*cleaned.findings, *found])


@dataclass(frozen=True, kw_only=True)
class _Moves:
    """By column how its values are spread, and what percentage of them lies elsewhere than before."""

    spreads: dict[str, Spread] = field(default_factory=dict)
    distances: dict[str, float] = field(default_factory=dict)


def _moves(cleaned: Cleaned, plan: Plan, place: tuple[Staging, Path], before: RunRecord | None) -> _Moves:
    """`place`: where the clean parts lie, and a folder to spill into."""
    wanted = [check for check in plan.drifts if check.values is not None]
    names = [n for n, _ in plan.columns if any(not check.columns or n in check.columns for check in wanted)]
    if not names or not cleaned.clean:
        return _Moves()
    earlier = {} if before is None else before.state.get(STATE, {})
    with spreads(place, cleaned, plan) as found:
        distances = {name: found.distance(name, earlier[name]) for name in names if name in earlier}
        kept = {name: found.of(name) for name in names}
    return _Moves(spreads=kept, distances={name: far for name, far in distances.items() if far is not None})


def _moved(check: DriftCheck, moved: dict[str, float], name: str) -> Iterator[tuple[str, str]]:
    for column, distance in moved.items():
        wanted = not check.columns or column in check.columns
        if check.values is not None and wanted and distance > check.values:
            said = (
                f"{distance:.1f} % of the values of {column} lie elsewhere than in {name} ({check.values:g} % allowed)"
            )
            yield check.message or said, f"{distance:.1f}"


def _delivered_before(ledger: Ledger, run: RunRecord) -> RunRecord | None:
    """The newest run that delivered another batch of the same pipeline to the same destinations."""
    done = (RunStatus.PUBLISHED, RunStatus.VERIFIED)
    for other in ledger.runs(limit=_LOOKED):
        same = (other.pipeline, other.destinations) == (run.pipeline, run.destinations)
        if same and other.batch != run.batch and other.status in done:
            whole = ledger.run(other.run)  # lists come without documents
            if whole is not None and (whole.document or {}).get("tallies"):
                return whole
    return None


def _faults(check: DriftCheck, cleaned: Cleaned, before: dict[str, Any], name: str) -> Iterator[tuple[str, str]]:
    """(what is said, the value) of each difference that is too large."""
    rows = int(before["balance"]["clean"])
    if check.rows is not None and abs(cleaned.clean - rows) * 100 > check.rows * rows:
        share = f"{abs(cleaned.clean - rows) * 100 / rows:.1f} % " if rows else ""
        word = "more" if cleaned.clean > rows else "fewer"
        yield (
            check.message
            or f"the batch has {cleaned.clean:,} rows, {share}{word} than the {rows:,} of {name} ({check.rows:g} % allowed)",
            str(cleaned.clean),
        )
    if check.missing is not None:
        yield from _missing(check, cleaned.tallies, Tallies.from_json(before["tallies"]), name)


def _missing(check: DriftCheck, now: Tallies, before: Tallies, name: str) -> Iterator[tuple[str, str]]:
    shares = {tally.name: _share(tally) for tally in before.columns}
    for tally in now.columns:
        own, other = _share(tally), shares.get(tally.name)
        wanted = not check.columns or tally.name in check.columns
        if wanted and own is not None and other is not None and abs(own - other) > (check.missing or 0):
            said = (
                f"{own:.1f} % of {tally.name} are missing, {other:.1f} % in {name} ({check.missing:g} points allowed)"
            )
            yield check.message or said, f"{own:.1f}"


def _share(tally: ColumnTally) -> float | None:
    """Percent of a column's values that are null or empty; None where it has no row."""
    rows = tally.values + tally.nulls
    return (tally.nulls + tally.empties) * 100 / rows if rows else None
