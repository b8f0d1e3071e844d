"""Compares a batch with the one that its pipeline delivered before (the check `drift`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from loadlock.cleanup.plan import DriftCheck, Plan
from loadlock.cleanup.tallies import ColumnTally, Tallies
from loadlock.ledger.base import Ledger, RunRecord
from loadlock.model import RunStatus
from loadlock.workflow.cleaning import Cleaned

_LOOKED = 200
"""Newest runs among which the one before is looked for."""


def compared(cleaned: Cleaned, plan: Plan, ledger: Ledger, run: RunRecord) -> Cleaned:
    """The batch with a finding for each `drift` check that does not hold."""
    before = _delivered_before(ledger, run) if plan.drifts else None
    if before is None or before.document is None:
        return cleaned
    found = [
        {"message": said, "severity": str(check.severity), "passed": False, "value": value, "path": check.path}
        for check in plan.drifts
        for said, value in _faults(check, cleaned, before.document, f"batch {before.batch[:12]}")
    ]
    return replace(cleaned, findings=[*cleaned.findings, *found])


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
