"""Reads `columns:`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from loadlock.pipeline import written
from loadlock.pipeline._read_steps import read_steps
from loadlock.pipeline._reading import Reading
from loadlock.pipeline.model import Column
from loadlock.pipeline.yaml_positions import join
from loadlock.types import KINDS, TEXT, ColumnType

MAX_COLUMNS = 10_000

_TIME_KINDS = ("date", "time", "timestamp", "timestamptz")
_DIRECTIVE = re.compile(r"%(-?.|$)", re.DOTALL)
_DIRECTIVES = frozenset("aAwuUWdbBmyYGVHIpMSgnfjcxXzZT%") | {f"-{letter}" for letter in "dmyHIMSj"}
"""What DuckDB's strptime knows."""
_TEMPLATE = re.compile(r"(?i)\b(?:yyyy|yy|mm|dd|hh|ss|mi)\b")
_TEMPLATE_WORDS = {"yyyy": "%Y", "yy": "%y", "MM": "%m", "mm": "%m", "dd": "%d", "hh": "%H", "ss": "%S", "mi": "%M"}


def read_columns(value: Any, path: str, reading: Reading) -> tuple[Column, ...] | None:
    """The `columns:` mapping, in its order; None where it is not written."""
    if value is None:
        return None
    notes = reading.notes
    if not isinstance(value, Mapping) or not value:
        shape = "columns must be a mapping of names" if value else "there is no column"
        notes.wrong(path, shape, "Write name: type, a line each, or leave `columns:` out to take all as text.")
        return None
    if len(value) > MAX_COLUMNS:
        notes.wrong(path, f"there are {len(value):,} columns", f"A pipeline has at most {MAX_COLUMNS:,}.")
        return None
    columns = tuple(_column(str(name), item, join(path, str(name)), reading) for name, item in value.items())
    _same_names(columns, path, reading)
    return columns


def _same_names(columns: tuple[Column, ...], path: str, reading: Reading) -> None:
    seen: dict[str, str] = {}
    for column in columns:
        first = seen.setdefault(column.name.casefold(), column.name)
        if first != column.name:
            reading.notes.wrong(
                join(path, column.name),
                f"{column.name!r} and {first!r} differ only in case, and SQL takes them for one",
                "Rename one of them; `from:` keeps its name in the files.",
                at_key=True,
            )


def _column(name: str, value: Any, path: str, reading: Reading) -> Column:
    _name(name, path, reading)
    if value is None:
        return Column(name=name)
    if isinstance(value, str):
        return Column(name=name, type=_type(value, path, reading))
    found = written.take(value, path, written.COLUMN, reading.notes)
    if not isinstance(value, Mapping):
        return Column(name=name)
    kind = _type(found["type"], join(path, "type"), reading)
    return Column(
        name=name,
        source=tuple(
            dict.fromkeys((*(found["from"] or ((name,) if found["aliases"] else ())), *(found["aliases"] or ())))
        ),
        type=kind,
        formats=_formats(value.get("formats"), found["formats"] or (), kind, join(path, "formats"), reading),
        timezone=_timezone(found["timezone"], kind, join(path, "timezone"), reading),
        required=found["required"],
        unique=found["unique"],
        rules=tuple(
            step.rule() for step in read_steps(found["rules"], join(path, "rules"), "rules", reading, beside={})
        ),
        checks=tuple(
            step.check()
            for step in read_steps(found["checks"], join(path, "checks"), "checks", reading, beside=written.VERDICT)
        ),
        mask=found["mask"],
    )


def _name(name: str, path: str, reading: Reading) -> None:
    if not name.strip() or "\0" in name:
        reading.notes.wrong(
            path, "a column must have a name", "Write one; `from:` keeps its name in the files.", at_key=True
        )
    elif name.startswith("_"):
        remedy = f"Name it {name.lstrip('_') or 'value'!r} and write `from: {name}`."
        reading.notes.wrong(path, f"{name!r}: names that begin with _ are Loadlock's own", remedy, at_key=True)


def _type(text: str, path: str, reading: Reading) -> ColumnType:
    try:
        return ColumnType.parse(text)
    except ValueError as error:
        word = text.split("(")[0].strip()
        unknown = str(error).startswith("unknown")
        message = f"unknown type {text!r}" if unknown else str(error).partition(", as ")[0]
        remedy = written.suggest(word, KINDS) if unknown else "Write it as in decimal(12,2)."
        reading.notes.wrong(path, message, remedy)
        return TEXT


def _formats(value: Any, formats: tuple[str, ...], kind: ColumnType, path: str, reading: Reading) -> tuple[str, ...]:
    """Check the formats; `value` is how they are written (a text or a list)."""
    if formats and kind.kind not in _TIME_KINDS:
        reading.notes.wrong(
            path, f"a column of type {kind} has no formats", f"Make the type one of {', '.join(_TIME_KINDS)}."
        )
    for index, text in enumerate(formats):
        if wrong := _format_fault(text, kind.kind):
            reading.notes.wrong(path if isinstance(value, str) else join(path, index), *wrong)
    return formats


def _format_fault(text: str, kind: str) -> tuple[str, str] | None:
    """What is wrong with a strptime format, and what to write instead."""
    found = {match[1] for match in _DIRECTIVE.finditer(text)}
    if not found:
        likely = _TEMPLATE.sub(lambda m: _TEMPLATE_WORDS.get(m[0], _TEMPLATE_WORDS[m[0].lower()]), text)
        remedy = f"Write {likely!r}." if likely != text else "Write strptime directives, as in %d/%m/%Y."
        return f"the format {text!r} has no directive", remedy
    if unknown := sorted(found - _DIRECTIVES):
        return f"the format {text!r} has the unknown directive %{unknown[0]}", "Use %Y %m %d %b %H %I %M %S %p %f %z."
    letters = {directive.lstrip("-") for directive in found}
    if kind != "time" and not _has_date(letters):
        return f"the format {text!r} names no whole date", "Name year, month and day, as in %d/%m/%Y."
    if kind == "time" and not letters & set("HITcX"):
        return f"the format {text!r} names no time", "Name hour and minute, as in %H:%M."
    return None


def _has_date(letters: set[str]) -> bool:
    year, month, day = letters & {"y", "Y", "G"}, letters & {"m", "b", "B"}, letters & {"d"}
    return bool(letters & {"c", "x"}) or bool(year and ((month and day) or letters & {"j", "V", "U", "W"}))


def _timezone(name: str | None, kind: ColumnType, path: str, reading: Reading) -> str | None:
    if name is None:
        return None
    import pytz  # type: ignore[import-untyped]

    if name not in pytz.all_timezones_set:
        close = difflib.get_close_matches(name, pytz.all_timezones, n=2, cutoff=0.6)
        remedy = f"Did you mean {' or '.join(close)}?" if close else "Write an IANA name such as Europe/Berlin."
        reading.notes.wrong(path, f"unknown time zone {name!r}", remedy)
    elif kind.kind != "timestamptz":
        reading.notes.wrong(path, f"a column of type {kind} has no time zone", "Make the type timestamptz.")
    return name
