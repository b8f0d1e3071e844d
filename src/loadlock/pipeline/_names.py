"""Where rules, checks and destinations name columns: they are spread to them, and must be declared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from loadlock.cleanup.components import is_over_row, make, touched
from loadlock.errors import LoadlockError
from loadlock.pipeline import written
from loadlock.pipeline._read_steps import Step
from loadlock.pipeline._reading import Reading
from loadlock.pipeline.model import CheckUse, Column, Pipeline, RuleUse
from loadlock.pipeline.yaml_positions import join


def _named_columns(step: Step) -> tuple[str, ...]:
    """The columns that stand beside a rule or check."""
    one = step.beside.get("column")
    return tuple(dict.fromkeys((*([one] if one else ()), *(step.beside.get("columns") or ()))))


def rule_pairs(steps: list[Step], reading: Reading) -> tuple[tuple[str, RuleUse], ...]:
    """Each rule with its column; a Python rule without one works on the whole table and has the column ``."""
    pairs: list[tuple[str, RuleUse]] = []
    for step in steps:
        names = _named_columns(step)
        if not names and step.name != "python" and not is_over_row(step.name):
            reading.notes.wrong(
                step.where, f"the rule {step.name} names no column", "Add `column:` with the one to change."
            )
        if is_over_row(step.name):
            _check_touched(step, names or ("",), reading)
        pairs += [(name, step.rule()) for name in names or ("",)]
    return tuple(pairs)


def _check_touched(step: Step, names: tuple[str, ...], reading: Reading) -> None:
    """A rule over the row says itself whether the columns beside it will do."""
    for name in names:
        try:
            make("rules", step.name, dict(step.options)).touches(name)
        except (LoadlockError, ValueError) as error:
            message, _, remedy = str(error).partition("; ")
            reading.notes.wrong(step.where, message, f"{remedy[:1].upper()}{remedy[1:]}." if remedy else "Correct it.")


def _made(step: Step) -> list[str]:
    """The columns that a rule over the row writes."""
    names = _named_columns(step) or ("",)
    return [made for name in names for made in touched(step.name, step.options, name).writes]


def add_rule_columns(columns: tuple[Column, ...] | None, steps: list[Step]) -> tuple[Column, ...] | None:
    """The columns, and as text those that only a rule over the row names: naming it there declares it.

    A name close to a declared one is left out: it is a slip, which `check_names` notes.
    """
    if not columns:
        return columns
    known = [column.name for column in columns]
    named = dict.fromkeys(name for step in steps if not is_over_row(step.name) for name in _named_columns(step))
    new = [name for name in named if name not in known and not written.close_to(name, known)]
    made = (name for step in steps for name in _made(step))
    return (*columns, *(Column(name=name) for name in dict.fromkeys((*new, *made)) if name not in known))


def spread_checks(
    columns: tuple[Column, ...] | None, steps: list[Step], reading: Reading
) -> tuple[tuple[Column, ...] | None, tuple[CheckUse, ...]]:
    """Checks with a `column:` that judge a column go to that column; the rest judge the row or the batch."""
    of_row: list[CheckUse] = []
    of_column: dict[str, list[CheckUse]] = {}
    for step in steps:
        names = _named_columns(step)
        if step.name in ("sql", "batch", "unique", "drift") or (step.name == "python" and not names):
            options = {**step.options, **({"column": names[0]} if names and step.name == "sql" else {})}
            of_row.append(replace(step.check(), options=options))
        elif not names:
            reading.notes.wrong(step.where, f"the check {step.name} names no column", "Add `column:`.")
        elif columns is None:
            remedy = f"Declare {names[0]!r} under `columns:`, with its checks."
            reading.notes.wrong(step.where, "a check of a column needs declared columns", remedy)
        for name in names:
            of_column.setdefault(name, []).append(step.check())
    if columns is not None:
        row_names = {check.where for check in of_row}
        columns = tuple(
            replace(c, checks=(*c.checks, *(k for k in of_column.get(c.name, ()) if k.where not in row_names)))
            for c in columns
        )
    return columns, tuple(of_row)


def check_names(pipeline: Pipeline, rules: list[Step], checks: list[Step], reading: Reading) -> None:
    """Names of columns that stand outside `columns:` must be declared there."""
    if pipeline.columns is None:
        return
    known = [column.name for column in pipeline.columns]
    for step in (*rules, *checks):
        _check_step(step, known, reading)
    for index, spec in enumerate(pipeline.destinations):
        path = join("destinations", index) if "destinations" in reading.notes.document.value else "destination"
        _unknown(spec.columns or (), known, join(path, "columns"), reading)
        _unknown(spec.key, known, join(path, "key"), reading)
        _twice(spec.columns or (), join(path, "columns"), reading)
        _unknown([name for name in spec.update or () if name != "*"], known, join(path, "update"), reading)
        left_out = [
            name for name in spec.key if spec.columns is not None and name not in spec.columns and name in known
        ]
        for name in left_out:
            reading.notes.wrong(join(path, "key"), f"the key {name!r} is not delivered", f"Add {name!r} to `columns:`.")


def _check_step(step: Step, known: list[str], reading: Reading) -> None:
    if is_over_row(step.name):
        return  # it may read columns of the files that are not declared: compiling knows them
    names = step.options["columns"] if step.name == "unique" else _named_columns(step)
    key = "unique" if step.name == "unique" else "column" if "column" in step.beside else "columns"
    _unknown(names, known, join(step.where, key), reading)


def _unknown(names: Iterable[str], known: list[str], path: str, reading: Reading) -> None:
    for name in names:
        if name not in known:
            reading.notes.wrong(path, f"there is no column {name!r}", written.suggest(name, known))


def _twice(names: tuple[str, ...], path: str, reading: Reading) -> None:
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        reading.notes.wrong(path, f"the column {name!r} stands twice", "Name it once.")
