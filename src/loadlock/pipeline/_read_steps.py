"""Reads rules and checks: components by name, SQL and Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from loadlock import registry
from loadlock.cleanup.components import is_over_row
from loadlock.errors import LoadlockError
from loadlock.model import Severity
from loadlock.pipeline import written
from loadlock.pipeline._reading import Reading
from loadlock.pipeline.model import CheckUse, RuleUse
from loadlock.pipeline.yaml_positions import join

LOOKUP_OPTION = "file"
"""An option of this name is a lookup file, read when the pipeline is loaded."""

_KIND = {"rules": "rule", "checks": "check"}


@dataclass(frozen=True, kw_only=True)
class Step:
    """A rule or check as written: which one, its options, and the keys beside it (`column`, `message` ...)."""

    name: str
    options: dict[str, Any]
    beside: dict[str, Any] = field(default_factory=dict)
    where: str

    def rule(self) -> RuleUse:
        return RuleUse(name=self.name, options=self.options, where=self.where)

    def check(self) -> CheckUse:
        """Batch checks fail the run unless they say otherwise: they judge no single row."""
        severity = self.beside.get("severity")
        default = Severity.FAIL if self.name in ("batch", "drift") else Severity.REJECT
        return CheckUse(
            name=self.name,
            options=self.options,
            severity=Severity(severity) if severity else default,
            message=self.beside.get("message"),
            when=self.beside.get("when"),
            where=self.where,
        )


def read_steps(value: Any, path: str, kind: str, reading: Reading, *, beside: Mapping[str, written.Key]) -> list[Step]:
    """The steps of a list. `kind` is `rules` or `checks`; `beside` are the keys allowed beside the step's own.

    Over the whole row (`beside` has `column`) a check may also be `batch` or `unique` over several columns.
    """
    if value is None:
        return []
    if not isinstance(value, list | tuple):
        if not isinstance(value, str):
            remedy = f"Write a list of {kind}, as in [{'trim, lower' if kind == 'rules' else 'email'}]."
            reading.notes.wrong(path, f"this must be a list, not {written.describe(value)}", remedy)
            return []
        value = [value]
    steps = (_step(item, join(path, index), kind, reading, beside) for index, item in enumerate(value))
    return [step for step in steps if step is not None]


def _step(value: Any, path: str, kind: str, reading: Reading, beside: Mapping[str, written.Key]) -> Step | None:
    if isinstance(value, str):
        return _component(value, None, path, kind, reading)
    if callable(value):
        value = {"python": value}
    if not isinstance(value, Mapping):
        noun = _KIND[kind]
        reading.notes.wrong(path, f"this is no {noun}: {written.describe(value)}", f"Write the {noun}'s name.")
        return None
    names = [str(name) for name in value if name not in beside]
    found = written.take(value, path, beside, reading.notes, others=names)
    if len(names) != 1:
        _not_one(names, path, kind, reading)
        return None
    step = _named(names[0], value[names[0]], path, kind, reading, over_row="column" in beside)
    if step is None:
        return None
    given = {name: item for name, item in found.items() if item is not None}
    if "when" in given:
        reading.expressions.append((join(path, "when"), given["when"]))
    return Step(name=step.name, options=step.options, beside=given, where=path)


def _not_one(names: list[str], path: str, kind: str, reading: Reading) -> None:
    noun = _KIND[kind]
    if not names:
        reading.notes.wrong(path, f"no {noun} is named here", f"Write sql, python or a {noun}'s name.")
        return
    known = _known(kind)
    unknown = [name for name in names if name not in known]
    for name in unknown:
        remedy = written.suggest(name, {*known, *written.RULE, *(written.VERDICT if kind == "checks" else ())})
        reading.notes.wrong(join(path, name), f"unknown key {name!r} beside {names[0]!r}", remedy, at_key=True)
    if not set(names) - known:
        reading.notes.wrong(
            path, f"{' and '.join(names)} stand in one item", f"Write each {noun} as an item of its own."
        )


def _known(kind: str) -> set[str]:
    return {"sql", "python", *(("batch",) if kind == "checks" else ()), *registry.components(kind)}


def _named(name: str, value: Any, path: str, kind: str, reading: Reading, *, over_row: bool) -> Step | None:
    below = join(path, name)
    if name == "sql":
        return _sql(name, value, below, reading.expressions, reading)
    if name == "batch" and kind == "checks" and over_row:
        return _sql(name, value, below, reading.queries, reading)
    if name == "python":
        options = reading.python(value, below)
        return Step(name=name, options=options, where=path) if options else None
    if name == "unique" and kind == "checks" and over_row:
        return _unique(value, below, reading)
    if not over_row and kind == "rules" and is_over_row(name):
        reading.notes.wrong(path, f"{name} works on the whole row", "Write it under `rules:` of the pipeline.")
        return None
    return _component(name, value, path, kind, reading)


def _sql(name: str, value: Any, path: str, collected: list[tuple[str, str]], reading: Reading) -> Step | None:
    if not isinstance(value, str) or not value.strip():
        reading.notes.wrong(path, f"this must be SQL, not {written.describe(value)}", 'Write it in quotes: "a > 0".')
        return None
    collected.append((path, value))
    return Step(name=name, options={name: value}, where=path)


def _unique(value: Any, path: str, reading: Reading) -> Step | None:
    if isinstance(value, Mapping):
        options = _options("checks", "unique", value, path, reading)
        return None if options is None else Step(name="unique", options={"columns": [], **options}, where=path)
    try:
        columns = written.texts(value, written.RULE["columns"])
    except written.WrongValueError as wrong:
        reading.notes.wrong(path, wrong.message, "Write the columns, as in unique: [customer, ordered_on].")
        return None
    return Step(name="unique", options={"columns": list(columns)}, where=path)


def _component(name: str, value: Any, path: str, kind: str, reading: Reading) -> Step | None:
    known = registry.components(kind)
    noun = _KIND[kind]
    if name not in known:
        remedy = written.suggest(name, _known(kind))
        reading.notes.wrong(path, f"unknown {noun} {name!r}", remedy)
        return None
    options = _options(kind, name, value, join(path, name), reading)
    return None if options is None else Step(name=name, options=options, where=path)


def _options(kind: str, name: str, value: Any, path: str, reading: Reading) -> dict[str, Any] | None:
    """The options by name, short forms spelled out; a lookup file that they name is read."""
    from loadlock.cleanup.components import make, named_options

    try:
        options = named_options(kind, name, dict(value) if isinstance(value, Mapping) else value)
        make(kind, name, options)
    except (LoadlockError, ValueError, TypeError) as error:
        message, _, remedy = str(error).partition("; ")
        reading.notes.wrong(path, message, _sentence(remedy or getattr(error, "hint", None) or _choices(kind, name)))
        return None
    if isinstance(text := options.get("sql"), str):
        reading.expressions.append((path if isinstance(value, str) else join(path, "sql"), text))
    named = options.get(LOOKUP_OPTION)
    if isinstance(named, str) and not reading.add_lookup(named, path):
        return None
    return options


def _choices(kind: str, name: str) -> str:
    names = [option.name for option in registry.options_of(registry.component(kind, name))]
    return f"Its options are {', '.join(names)}" if names else f"Write `{name}` alone"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."
