"""Table schemas of other tools as a pipeline: Frictionless Table Schema, Open Data Contract (ODCS v3), Pandera's YAML.

What has no equal in a pipeline is written down as a note, never left out in silence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadlock.errors import UsageError
from loadlock.pipeline._guess_yaml import flow, scalar
from loadlock.pipeline.yaml_positions import parse
from loadlock.types import ColumnType

_BOUNDS = {"minimum": "min", "maximum": "max", "exclusiveMinimum": "min", "exclusiveMaximum": "max"}
_FRICTIONLESS = {
    "string": "text", "integer": "integer", "number": "float", "boolean": "boolean", "date": "date", "time": "time",
    "datetime": "timestamp", "object": "json", "array": "json", "geojson": "json", "year": "integer",
}  # fmt: skip
_ODCS = {
    "string": "text", "integer": "integer", "number": "float", "boolean": "boolean", "date": "date", "time": "time",
    "timestamp": "timestamp", "object": "json", "array": "json",
}  # fmt: skip
_PANDERA = (
    (r"u?int\d*", "integer"), (r"float\d*", "float"), (r"bool(ean)?", "boolean"), (r"datetime64\[\w+, .+\]", "timestamptz"),
    (r"datetime64(\[\w+\])?", "timestamp"), (r"date", "date"), (r"str|string(\[\w+\])?|object|category", "text"),
)  # fmt: skip
_PANDERA_BOUNDS: dict[str, dict[str, Any]] = {
    "greater_than_or_equal_to": {"min": ...}, "less_than_or_equal_to": {"max": ...},
    "greater_than": {"min": ..., "min_exclusive": True}, "less_than": {"max": ..., "max_exclusive": True},
}  # fmt: skip


@dataclass(kw_only=True)
class Table:
    """One table as a pipeline describes it. Columns: name → the keys of a column."""

    name: str
    kind: str
    columns: dict[str, dict[str, Any]] = field(default_factory=dict)
    checks: list[dict[str, Any]] = field(default_factory=list)
    key: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def pipeline_text(path: Path, table: str | None = None) -> str:
    """A pipeline with the columns and checks of the schema in a JSON or YAML file; raises UsageError.

    `table` names one where the file describes several.
    """
    return "\n".join(_lines(read_schema(path, table), path.name)) + "\n"


def read_schema(path: Path, table: str | None = None) -> Table:
    """The table that a schema file describes."""
    document = _document(path)
    try:
        return _table(document, path.stem.split(".")[0], table)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{path} is no schema that can be taken over ({type(error).__name__}: {error})", hint=_KNOWN
        ) from error


def _document(path: Path) -> Any:
    """The file's content; dates are text, and so are `no` and `on`, which YAML 1.1 takes for booleans."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        if text.lstrip().startswith(("{", "[")):
            return json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise UsageError(f"can't read the schema {path}: {reason}", hint="Give a JSON or YAML file.") from error
    found = parse(text)
    if found.mistakes:
        raise UsageError(f"can't read the schema {path}: {found.mistakes[0]}", hint="Give a JSON or YAML file.")
    return found.value


_KNOWN = "Give a Frictionless Table Schema (or data package), an ODCS v3 contract, or a Pandera schema as YAML."


def _table(document: Any, name: str, wanted: str | None) -> Table:
    if not isinstance(document, Mapping):
        raise UsageError("the file holds no mapping", hint=_KNOWN)
    if document.get("schema_type") == "dataframe":
        return _pandera(document, name)
    if document.get("kind") == "DataContract":
        return _odcs(_chosen(document["schema"], wanted, name))
    if "resources" in document:
        resource = _chosen(document["resources"], wanted, name)
        return _frictionless(resource["schema"], str(resource["name"]))
    if "fields" in document:
        return _frictionless(document, name)
    raise UsageError("the file holds no schema of a known kind", hint=_KNOWN)


def _chosen(tables: list[Mapping[str, Any]], wanted: str | None, name: str) -> Mapping[str, Any]:
    """The table of that name, or the only one."""
    names = [str(table.get("name", name)) for table in tables]
    if wanted is None and len(tables) == 1:
        return {"name": name, **tables[0]}
    if wanted not in names:
        raise UsageError(f"the schema describes {', '.join(names)}", hint="Name one of them by `--table`.")
    return tables[names.index(wanted)]


def _frictionless(schema: Mapping[str, Any], name: str) -> Table:
    table = Table(name=name, kind="Frictionless Table Schema")
    words = [str(word) for word in schema.get("missingValues", [""])]
    for one in schema["fields"]:
        kind, given = str(one.get("type", "string")), one.get("constraints") or {}
        column = _of_type(table, one["name"], _FRICTIONLESS.get(kind), kind)
        rules: list[Any] = [{"null_if": words}] if any(words) else []
        if kind in ("number", "integer") and (
            one.get("groupChar") or one.get("decimalChar") or not one.get("bareNumber", True)
        ):
            rules.append({"number": {"decimal": one.get("decimalChar", ".")}})
        if kind == "boolean" and ("trueValues" in one or "falseValues" in one):
            words_of = {"true": one.get("trueValues", ["true"]), "false": one.get("falseValues", ["false"])}
            rules.append({"boolean": {word: [str(item) for item in listed] for word, listed in words_of.items()}})
        if rules:
            column["rules"] = rules
        _format(table, column, one, kind)
        _flags(column, given)
        column.setdefault("checks", []).extend(_bounds(table, one["name"], given, whole_pattern=True))
    table.key = _names(schema.get("primaryKey"))
    for other in schema.get("foreignKeys", ()):
        table.notes.append(
            f"foreign key {other.get('fields')}: add the check `references` with the file of the other table"
        )
    for names in schema.get("uniqueKeys", ()):
        table.checks.append({"unique": _names(names)})
    return table


def _format(table: Table, column: dict[str, Any], one: Mapping[str, Any], kind: str) -> None:
    form = str(one.get("format", "default"))
    if kind in ("date", "time", "datetime") and form.startswith("%"):
        column["formats"] = [form]
    elif kind == "string" and form in ("email", "uri"):
        column.setdefault("checks", []).append("email" if form == "email" else "url")
    elif kind == "string" and form == "uuid":
        column["type"] = "uuid"
    elif form != "default":
        table.notes.append(f"{one['name']}: the format {form} of {kind} is not taken over")


def _odcs(schema: Mapping[str, Any]) -> Table:
    table = Table(name=str(schema["name"]), kind="Open Data Contract")
    keys: list[tuple[int, str]] = []
    for one in schema["properties"]:
        kind, name = str(one.get("logicalType", "string")), str(one["name"])
        column = _of_type(table, name, _parsed(one.get("physicalType")) or _ODCS.get(kind), kind)
        given = one.get("logicalTypeOptions") or {}
        _flags(column, one)
        checks = _bounds(table, name, given, whole_pattern=False)
        if kind == "string" and given.get("format") in ("email", "uri"):
            checks.append("email" if given["format"] == "email" else "url")
        column["checks"] = checks
        if str(one.get("classification", "")).lower() in ("restricted", "confidential", "sensitive"):
            column["mask"] = True
        if one.get("primaryKey"):
            keys.append((int(one.get("primaryKeyPosition", len(keys) + 1)), name))
        if one.get("quality"):
            table.notes.append(f"{name}: its quality rules are not taken over")
    table.key = [name for _, name in sorted(keys)]
    if schema.get("quality"):
        table.notes.append("the quality rules of the table are not taken over; write them as `batch` checks")
    return table


def _pandera(schema: Mapping[str, Any], name: str) -> Table:
    table = Table(name=str(schema.get("name") or name), kind="Pandera schema")
    for column_name, one in schema["columns"].items():
        dtype = str(one.get("dtype"))
        kind = next((kind for pattern, kind in _PANDERA if re.fullmatch(pattern, dtype)), None)
        column = _of_type(table, column_name, kind, dtype)
        _flags(column, {"required": not one.get("nullable", False), "unique": one.get("unique", False)})
        column["checks"] = [check for check in _pandera_checks(table, column_name, one.get("checks") or {}) if check]
    if schema.get("unique"):
        table.checks.append({"unique": _names(schema["unique"])})
    if schema.get("checks"):
        table.notes.append("the checks of the whole frame are not taken over; write them as `sql` or `batch` checks")
    return table


def _pandera_checks(table: Table, column: str, checks: Mapping[str, Any]) -> Iterator[Any]:
    for name, written in checks.items():
        value = written.get("value", written) if isinstance(written, Mapping) else written
        if name in _PANDERA_BOUNDS:
            yield {"range": {key: value if item is ... else item for key, item in _PANDERA_BOUNDS[name].items()}}
        elif name == "in_range":
            yield {"range": {"min": value["min_value"], "max": value["max_value"]}}
        elif name in ("isin", "notin"):
            yield {
                "in" if name == "isin" else "not_in": list(
                    value["allowed_values"] if isinstance(value, Mapping) else value
                )
            }
        elif name == "str_length":
            limits = {"min": value.get("min_value"), "max": value.get("max_value")}
            yield {"length": {key: limit for key, limit in limits.items() if limit is not None}}
        elif name == "str_matches":
            yield _matches(table, column, f"^(?:{value})", part=True)
        elif name == "str_contains":
            yield _matches(table, column, str(value), part=True)
        else:
            table.notes.append(f"{column}: the check {name} is not taken over")


def _of_type(table: Table, name: str, kind: str | None, written: str) -> dict[str, Any]:
    """The column, added to the table; a type that has no equal is text, with a note."""
    if kind is None:
        table.notes.append(f"{name}: the type {written} is taken as text")
    column: dict[str, Any] = {"type": kind or "text"}
    table.columns[str(name)] = column
    return column


def _flags(column: dict[str, Any], given: Mapping[str, Any]) -> None:
    for flag in ("required", "unique"):
        if given.get(flag) is True:
            column[flag] = True


def _bounds(table: Table, name: str, given: Mapping[str, Any], *, whole_pattern: bool) -> list[Any]:
    """Checks for the constraints that the schemas have in common."""
    checks: list[Any] = []
    limits: dict[str, Any] = {}
    for key, ours in _BOUNDS.items():
        if key in given and not isinstance(given[key], bool):
            limits[ours] = given[key] if isinstance(given[key], int | float) else str(given[key])
            if key.startswith("exclusive"):
                limits[f"{ours}_exclusive"] = True
    if limits:
        checks.append({"range": limits})
    lengths = {key: given[full] for key, full in (("min", "minLength"), ("max", "maxLength")) if full in given}
    if lengths:
        checks.append({"length": lengths})
    if "pattern" in given:
        checks += [check for check in (_matches(table, name, str(given["pattern"]), part=not whole_pattern),) if check]
    if "enum" in given:
        checks.append({"in": list(given["enum"])})
    return checks


def _matches(table: Table, name: str, pattern: str, *, part: bool) -> dict[str, Any] | None:
    """The check, where DuckDB knows the pattern; else a note."""
    from loadlock.cleanup.components import make

    try:
        make("checks", "matches", {"pattern": pattern, "part": part})
    except ValueError as error:
        table.notes.append(f"{name}: the pattern {pattern} is not taken over: {error}")
        return None
    return {"matches": {"pattern": pattern, "part": True} if part else pattern}


def _parsed(written: Any) -> str | None:
    """A physical type that is one of ours, as decimal(12,2)."""
    try:
        return str(ColumnType.parse(str(written)))
    except ValueError:
        return None


def _names(written: Any) -> list[str]:
    return [] if not written else [written] if isinstance(written, str) else [str(name) for name in written]


def _lines(table: Table, file: str) -> Iterator[str]:
    yield f"# From {file} ({table.kind}). Name the files and the destination, then try it with `loadlock preview`."
    yield from (f"# Note: {' '.join(note.split())}." for note in table.notes)
    yield f"pipeline: {scalar(table.name)}"
    yield f"source: {scalar(f'{table.name}.csv')}"
    yield "columns:"
    for name, column in table.columns.items():
        kept = {key: value for key, value in column.items() if value not in ([], False, None)}
        yield f"  {scalar(name)}: {flow(kept)}"
    if table.checks:
        yield "checks:"
        yield from (f"  - {flow(check)}" for check in table.checks)
    yield "destination:"
    yield f"  url: {scalar(f'{table.name}.parquet')}"
    if table.key:
        yield f"  # mode: upsert, with key: {flow(table.key)}"
