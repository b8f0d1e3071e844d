"""The JSON schema describes what the reader takes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loadlock import registry
from loadlock.pipeline import written
from loadlock.pipeline.schema import DIALECT, json_schema
from loadlock.pipeline.yaml_positions import parse

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("**/*.yaml")) + sorted((ROOT / "tests" / "golden").glob("**/*.yaml"))
SCHEMA = json_schema()
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "integer": (int,), "number": (int, float),
    "boolean": (bool,), "null": (type(None),),
}  # fmt: skip
_KNOWN = {
    "$schema", "$defs", "$ref", "title", "description", "default", "examples", "type", "enum", "const", "anyOf",
    "properties", "additionalProperties", "required", "items", "minItems", "minProperties", "minimum", "maximum",
    "minLength", "pattern",
}  # fmt: skip


def faults(value: Any, schema: dict[str, Any], path: str = "") -> list[str]:
    """What a value breaks, by the keywords that our schema uses."""
    found = []
    if "$ref" in schema:
        found += faults(value, SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")], path)
    if "anyOf" in schema:
        tried = [faults(value, one, path) for one in schema["anyOf"]]
        if all(tried):
            found.append(f"{path}: none of {len(tried)} forms: {min(tried, key=len)}")
    if "type" in schema and not any(_is(value, kind) for kind in _listed(schema["type"])):
        return [*found, f"{path}: {value!r} is no {schema['type']}"]
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{path}: {value!r} is not in the list")
    if "const" in schema and value != schema["const"]:
        found.append(f"{path}: {value!r} is not {schema['const']!r}")
    if isinstance(value, dict):
        found += _object_faults(value, schema, path)
    if isinstance(value, list):
        found += [
            fault for n, item in enumerate(value) for fault in faults(item, schema.get("items", {}), f"{path}[{n}]")
        ]
        found += [f"{path}: too few"] if len(value) < schema.get("minItems", 0) else []
    if isinstance(value, int | float) and value < schema.get("minimum", value):
        found.append(f"{path}: {value} is too small")
    if isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(f"{path}: {value!r} does not match")
    return found


def _object_faults(value: dict[str, Any], schema: dict[str, Any], path: str) -> list[str]:
    known = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    found = [f"{path}: {name} is missing" for name in schema.get("required", ()) if name not in value]
    found += [f"{path}: too few"] if len(value) < schema.get("minProperties", 0) else []
    for name, item in value.items():
        if name in known:
            found += faults(item, known[name], f"{path}.{name}")
        elif others is False:
            found.append(f"{path}: unknown key {name}")
        elif isinstance(others, dict):
            found += faults(item, others, f"{path}.{name}")
    return found


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def _subschemas(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    for name in ("properties", "$defs"):
        for inner in schema.get(name, {}).values():
            yield from _subschemas(inner)
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield from _subschemas(schema[name])
    for inner in schema.get("anyOf", ()):
        yield from _subschemas(inner)


def test_the_schema_is_one_json_document_of_known_keywords() -> None:
    assert SCHEMA["$schema"] == DIALECT
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA
    for schema in _subschemas(SCHEMA):
        assert set(schema) <= _KNOWN
        assert schema.get("$ref", "#/$defs/source").removeprefix("#/$defs/") in SCHEMA["$defs"]
        re.compile(schema.get("pattern", ""))


def test_every_key_of_the_written_model_is_described() -> None:
    groups = [
        (SCHEMA, written.PIPELINE),
        (SCHEMA["$defs"]["source"]["anyOf"][1], written.SOURCE),
        (SCHEMA["$defs"]["column"]["anyOf"][2], written.COLUMN),
        (SCHEMA["$defs"]["destination"]["anyOf"][1], written.DESTINATION),
        (SCHEMA["$defs"]["flatten"], written.FLATTEN),
        (SCHEMA["$defs"]["budget"], written.BUDGET),
        (SCHEMA["$defs"]["keep"], written.KEEP),
    ]
    for schema, keys in groups:
        for name, key in keys.items():
            assert schema["properties"][name]["description"] == key.doc
            assert key.doc.endswith((".", ")"))


@pytest.mark.parametrize("kind", ["rules", "checks"])
def test_every_component_and_option_is_in_the_schema(kind: str) -> None:
    text = json.dumps(SCHEMA["$defs"][f"column_{kind}"])
    for name, component in registry.components(kind).items():
        assert json.dumps(name) in text
        for option in registry.options_of(component):
            assert json.dumps(option.doc) in text


def test_formats_and_destination_options_are_in_the_schema() -> None:
    text = json.dumps(SCHEMA["$defs"])
    for name in registry.components("formats"):
        assert json.dumps(name) in text
    for component in registry.components("destinations").values():
        for option in registry.options_of(component):
            assert json.dumps(option.name) in text


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_examples_are_valid(path: Path) -> None:
    assert faults(parse(path.read_text(encoding="utf-8")).value, SCHEMA) == []


def test_the_examples_of_all_components_are_valid() -> None:
    for kind in ("rules", "checks"):
        for name, component in registry.components(kind).items():
            for example in component.examples:
                step = name if example.options is None else {name: _as_yaml(example.options)}
                document = {"pipeline": "p", "columns": {"a": {kind: [step]}}}
                assert faults(document, SCHEMA) == [], (name, example)


def _as_yaml(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


VALID = [
    "pipeline: p",
    "{pipeline: p, source: a.csv, destination: b.csv}",
    "{pipeline: p, source: {files: [a, b], header: false, preamble: auto, encoding: auto}}",
    "{pipeline: p, columns: {a: , b: date, c: {type: 'decimal(12,2)', rules: [trim, {map: a.csv}, {null_if: [x]}]}}}",
    "{pipeline: p, columns: {a: {checks: [{in: [x, y], severity: warn, message: m}]}}}",
    "{pipeline: p, rules: [{sql: a, column: b}, {trim: , columns: [a]}], checks: [{batch: select 1}, {unique: [a, b]}]}",
    "{pipeline: p, destinations: [{url: a.csv, mode: upsert, key: a, lineage: columns}]}",
]
INVALID = [
    "{source: a.csv}",
    "{pipeline: p, colums: {}}",
    "{pipeline: p, columns: {}}",
    "{pipeline: p, columns: {a: integr}}",
    "{pipeline: p, columns: {a: {typ: text}}}",
    "{pipeline: p, columns: {a: {rules: [trm]}}}",
    "{pipeline: p, columns: {a: {rules: [regex]}}}",
    "{pipeline: p, columns: {a: {rules: [{number: {decimel: x}}]}}}",
    "{pipeline: p, columns: {a: {checks: [{batch: select 1}]}}}",
    "{pipeline: p, source: {preamble: -1}}",
    "{pipeline: p, source: {format: cvs}}",
    "{pipeline: p, checks: [{sql: a, severity: rejct}]}",
    "{pipeline: p, destination: {table: t}}",
    "{pipeline: p, destination: {url: a, mode: upsrt}}",
    "{pipeline: p, destinations: []}",
]


@pytest.mark.parametrize("text", VALID)
def test_what_the_reader_takes_is_valid(text: str) -> None:
    assert faults(parse(text).value, SCHEMA) == []


@pytest.mark.parametrize("text", INVALID)
def test_what_the_reader_refuses_is_invalid(text: str) -> None:
    assert faults(parse(text).value, SCHEMA)
