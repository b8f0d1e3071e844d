"""What only a whole column can tell (date order, decimal mark): counted part by part, then decided once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadlock.cleanup.binding import bind
from loadlock.cleanup.compile import compile_plan
from loadlock.cleanup.filling import decided, survey_fills
from loadlock.cleanup.kernel import flat_rows, staged_part
from loadlock.cleanup.plan import Plan, SurveyItem
from loadlock.cleanup.prepared import query
from loadlock.rows import JSON_RECORD, ROW

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What was decided for a column, and why: recorded with the run and shown."""

    column: str
    what: str
    reason: str


def survey(raw: pa.Table, plan: Plan, *, file_index: int = 0) -> dict[str, int]:
    """Counts of one raw part of a file; those of the batch are their sums. Empty where nothing is to be decided."""
    if not plan.needs_survey:
        return {}
    rows = flat_rows(raw, plan).table
    part = staged_part(rows, plan, bind(plan.inputs, rows.column_names), nested=JSON_RECORD in raw.column_names)
    above = survey_fills(part, rows, plan.open_fills, file_index)
    if not plan.open_items:
        return above
    for step in plan.survey_steps:
        part = step.run(part)
    row = query(plan.queries["survey"], part).to_pylist()[0]
    asked = [f"{item.key}/{name}" for item in plan.open_items for name, _ in item.counts]
    return above | {name: row[f"n{number}"] for number, name in enumerate(asked)}


def columns_needed(plan: Plan, names: Sequence[str]) -> list[str]:
    """Of a part's columns those that `survey` reads, so that the others need not be fetched; JSON needs its record."""
    if JSON_RECORD in names:
        return list(names)
    used = set(re.findall(r"\bs\d+\b", plan.queries.get("survey", "") + "".join(map(repr, plan.survey_steps))))
    used |= {fill.name for fill in plan.open_fills}
    indexes = bind(plan.inputs, names).indexes
    found = [names[index] for name, index in indexes.items() if name in used]
    return [*found, *([ROW] if plan.open_fills and ROW not in found else [])] or list(names[:1])


def decide(plan: Plan, counts: Mapping[str, int]) -> tuple[Plan, list[Decision]]:
    """The plan with everything decided that was open, and the decisions. Without counts everything stays undecided."""
    decisions = dict(plan.decisions)
    made: list[Decision] = []
    for item in plan.survey_items:
        if item.key not in decisions:
            own = {name: counts.get(f"{item.key}/{name}", 0) for name, _ in item.counts}
            decisions[item.key], found = _decide_rule(item, own) if item.rule else _decide_formats(item, own)
            made += found
    for fill in plan.open_fills:
        decisions[fill.key] = decided(fill, counts)
        reason = f"{len(decisions[fill.key]):,} values have gaps below them or end a part"
        made.append(Decision(column=fill.column, what="fill_down: from the row above", reason=reason))
    if not made and decisions == dict(plan.decisions):
        return plan, []
    return compile_plan(plan.pipeline, plan.names, decisions=decisions, run_time=plan.run_time), made


def _decide_rule(item: SurveyItem, counts: dict[str, int]) -> tuple[Any, list[Decision]]:
    decision, reason = item.rule.decide(counts, item.context)
    return decision, [Decision(column=item.column, what=f"{item.rule.name}: {decision}", reason=reason)]


def _decide_formats(item: SurveyItem, counts: dict[str, int]) -> tuple[dict[str, int | None], list[Decision]]:
    winners: dict[str, int | None] = {}
    made = []
    for pair in dict.fromkeys(name.partition(":")[0] for name, _ in item.counts):
        first, second = (int(number) for number in pair.split("-"))
        only = counts[f"{pair}:first"], counts[f"{pair}:second"]
        winners[pair] = {(True, False): first, (False, True): second}.get((only[0] > 0, only[1] > 0))
        if counts[f"{pair}:both"]:
            made.append(_format_decision(item, (first, second), winners[pair], only, counts[f"{pair}:both"]))
    return winners, made


def _format_decision(
    item: SurveyItem, pair: tuple[int, int], winner: int | None, only: tuple[int, int], both: int
) -> Decision:
    names = item.formats[pair[0]], item.formats[pair[1]]
    seen = f"{only[0]:,} values fit only {names[0]}, {only[1]:,} only {names[1]}"
    if winner is None:
        return Decision(
            column=item.column,
            what=f"date format: undecided between {names[0]} and {names[1]}",
            reason=f"{both:,} values fit both with different dates; {seen}: they are rejected",
        )
    return Decision(
        column=item.column,
        what=f"date format: {item.formats[winner]}",
        reason=f"{both:,} values fit both with different dates; {seen}",
    )
