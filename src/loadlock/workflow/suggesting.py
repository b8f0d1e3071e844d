"""`corrections suggest`: what operators corrected by hand again and again, as `map` rules for the pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadlock.ledger.base import RunRecord
from loadlock.workflow.quarantine import Quarantine, quarantine_of
from loadlock.workflow.workspace import Workspace, find_workspace

LEAST = 2
"""Times a correction must have been made to be proposed."""
_NEWEST = 50
"""Batches of a pipeline that are looked at."""


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """One entry of a `map`: in this column operators always made the same of this value."""

    column: str
    """As declared; the files' own name where the pipeline declares none."""
    old: str | None
    new: str | None
    times: int
    batches: int
    contradicted: int = 0
    """Times that the value was corrected to something else: then it is no rule, and only told."""

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "rule": None if self.contradicted else self.rule}

    @property
    def rule(self) -> dict[str, Any]:
        """As it is written among a column's rules: an empty or missing value needs `default` in place of `map`, a value that
        was taken out `null_if`."""
        if self.old in (None, ""):
            return {"default": {"value": self.new, "empty": True}}
        if self.new in (None, ""):
            return {"null_if": [self.old]}
        return {"map": {"values": {self.old: self.new}}}


def suggest(
    name: str, *, least: int = LEAST, every: bool = False, workspace: str | Path | None = None
) -> list[Suggestion]:
    """Proposals from the corrections in force of a batch (or of `every` recent batch of its pipeline), most often made first.

    Corrections of raw text are no values and left out. Raises UsageError where the batch is not known.
    """
    with Workspace.open(find_workspace(workspace, base_folder=None), create=False) as space:
        named = quarantine_of(space, name)
        made: dict[tuple[str, str | None], dict[str | None, tuple[int, set[str]]]] = {}
        for found in _quarantines(space, named) if every else [named]:
            for column, old, new, times in _corrected(found):
                targets = made.setdefault((column, old), {})
                count, batches = targets.get(new, (0, set()))
                targets[new] = (count + times, batches | {found.batch.batch})
    return sorted(_suggestions(made, least), key=lambda one: (-one.times, one.column, one.old or ""))


def as_rules(found: Sequence[Suggestion]) -> dict[str, list[str]]:
    """Column → its rules as they are written in a pipeline, one `map` a column; contradicted ones are left out."""
    from loadlock.pipeline._guess_yaml import flow

    rules: dict[str, list[dict[str, Any]]] = {}
    for one in found:
        if one.contradicted:
            continue
        own = rules.setdefault(one.column, [])
        ((name, options),) = one.rule.items()
        same = next((rule for rule in own if name in rule and name != "default"), None)
        if same is None:
            own.append({name: options})
        elif name == "map":
            same[name]["values"].update(options["values"])
        else:
            same[name] += options
    return {column: [flow(rule) for rule in listed] for column, listed in rules.items()}


def _suggestions(
    made: Mapping[tuple[str, str | None], Mapping[str | None, tuple[int, set[str]]]], least: int
) -> Iterator[Suggestion]:
    for (column, old), targets in made.items():
        new = max(targets, key=lambda target: targets[target][0])
        times, batches = targets[new]
        others = sum(count for count, _ in targets.values()) - times
        if times >= least:
            yield Suggestion(column=column, old=old, new=new, times=times, batches=len(batches), contradicted=others)


def _quarantines(workspace: Workspace, named: Quarantine) -> Iterator[Quarantine]:
    """Of the named batch and of the newest others of its pipeline that operators worked on."""
    batches = [one for one in workspace.ledger.batches() if one.pipeline == named.batch.pipeline][:_NEWEST]
    for batch in batches:
        if batch.run is not None and str(batch.status) != "forgotten":
            yield named if batch.batch == named.batch.batch else quarantine_of(workspace, batch.batch)


def _corrected(found: Quarantine) -> Iterator[tuple[str, str | None, str | None, int]]:
    """(declared column, old, new, how often) of the values that operators corrected and did not undo."""
    cells = found.cells(old=True)
    counted = cells.group_by(["column", "old", "new"]).aggregate([([], "count_all")]).to_pylist()
    names = _declared(found.run, [row["column"] for row in counted])
    for row in counted:
        if row["column"] and row["old"] != row["new"]:
            yield names[row["column"]], row["old"], row["new"], row["count_all"]


def _declared(run: RunRecord, staged: list[str]) -> dict[str, str]:
    """The files' column → the one that the pipeline reads it into."""
    columns = run.state["pipeline"]["columns"] or ()
    known = {source: column["name"] for column in columns for source in (column["source"] or [column["name"]])}
    return {name: known.get(name, name) for name in staged}
