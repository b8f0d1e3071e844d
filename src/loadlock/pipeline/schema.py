"""The JSON schema of a pipeline file, made from the written model and the registry, for editors and other tools."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

from loadlock import registry
from loadlock.pipeline import written
from loadlock.pipeline.written import Key
from loadlock.types import KINDS

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_TEXT: dict[str, Any] = {"type": ["string", "integer"]}
_KIND_SCHEMAS: dict[str, dict[str, Any]] = {
    "text": _TEXT,
    "texts": {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "flag": {"type": "boolean"},
    "header": {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 100}, {"type": "boolean"}, {"const": "auto"}]},
    "lineage": {"enum": ["columns", True, False]},
    "undo": {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 1000}, {"const": "none"}]},
    "update": {"anyOf": [{"enum": ["changed", "all"]}, {"type": "array", "items": _TEXT, "minItems": 1}]},
}
_OPTION_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "None": "null"}
_LITERAL = re.compile(r"Literal\[(.*)\]")
_TYPES: dict[str, Any] = {
    "anyOf": [
        {"enum": [kind for kind in KINDS if kind != "decimal"]},
        {"type": "string", "pattern": r"^(decimal|numeric)\s*\(\s*\d+\s*(,\s*\d+\s*)?\)$"},
        {"enum": ["string", "varchar", "str", "int", "bigint", "double", "bool", "datetime"]},
    ],
    "examples": ["integer", "decimal(12,2)", "date"],
}


def json_schema() -> dict[str, Any]:
    """The schema (2020-12). Components that are installed as plug-ins are in it too."""
    return {
        "$schema": DIALECT,
        "title": "Loadlock pipeline",
        "description": "The written way of one kind of batch: source, columns, rules, checks, destination.",
        **_mapping(written.PIPELINE, required=["pipeline"]),
        "$defs": _definitions(),
    }


def _definitions() -> dict[str, Any]:
    pair: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "string"}}
    budget = _mapping(written.BUDGET)
    return {
        "source": {"anyOf": [_KIND_SCHEMAS["texts"], _mapping(written.SOURCE, more=_format_options())]},
        "flatten": _mapping(written.FLATTEN),
        "children": pair,
        "columns": {"type": "object", "minProperties": 1, "additionalProperties": _ref("column")},
        "column": {"anyOf": [{"type": "null"}, _ref("type"), _mapping(written.COLUMN)]},
        "type": _TYPES,
        "column_rules": _steps("rules", {}),
        "column_checks": _steps("checks", written.VERDICT),
        "rules": _steps("rules", written.RULE),
        "checks": _steps("checks", {**written.CHECK, **written.VERDICT}),
        "rejects": _mapping(written.REJECTS),
        "budget": budget,
        "keep": _mapping(written.KEEP),
        "destination": {"anyOf": [{"type": "string"}, _destination()]},
        "destinations": {"type": "array", "minItems": 1, "items": _ref("destination")},
        "options": {"type": "object"},
        "profiles": {"type": "object", "additionalProperties": {"type": "object"}},
    }


def _mapping(
    keys: Mapping[str, Key], *, required: list[str] | None = None, more: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A mapping with these keys and no others."""
    found: dict[str, Any] = {"type": "object", "additionalProperties": False}
    found["properties"] = {**{name: _key(key) for name, key in keys.items()}, **(more or {})}
    return {**found, "required": required} if required else found


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _key(key: Key) -> dict[str, Any]:
    found: dict[str, Any] = {"description": key.doc}
    if key.shape == "format":
        found["enum"] = [*registry.components("formats"), "auto"]
    elif key.kind == "raw" or key.shape:
        found |= _ref(key.shape)
    elif key.kind in ("choice", "choices"):
        one = {"enum": list(key.choices)}
        found |= one if key.kind == "choice" else {"anyOf": [one, {"type": "array", "items": one}]}
    else:
        found |= _or_auto(_KIND_SCHEMAS[key.kind], key)
    if key.minimum is not None and key.kind == "number":
        found["minimum"] = key.minimum
    if key.default is not None:
        found["default"] = key.default
    if key.examples:
        found["examples"] = list(key.examples)
    return found


def _or_auto(schema: dict[str, Any], key: Key) -> dict[str, Any]:
    """Whole numbers that may be found out may be `auto` too; texts may be anyway."""
    if key.kind != "integer":
        return schema
    number = {**schema, **({} if key.minimum is None else {"minimum": key.minimum})}
    return {"anyOf": [number, {"const": "auto"}]} if key in written.SOURCE.values() else number


def _steps(kind: str, beside: Mapping[str, Key]) -> dict[str, Any]:
    """A list of rules or checks: a name, or a mapping with one component and the keys beside it."""
    names: list[str] = []
    forms: list[dict[str, Any]] = []
    for name, component in registry.components(kind).items():
        options = registry.options_of(component)
        if not any(option.required for option in options):
            names.append(name)
        forms.append(_step(name, _component(component, options), beside))
    text = {"type": "string", "minLength": 1}
    forms += [_step("sql", {**text, "description": "A DuckDB expression over the row."}, beside)]
    forms += [
        _step("python", {**text, "description": "A function, as file.py:function.", "pattern": r"\.py:\w+$"}, beside)
    ]
    if kind == "checks" and "column" in beside:
        forms.append(_step("batch", {**text, "description": "A query over all rows that gives true."}, beside))
        forms.append(_step("unique", {**_KIND_SCHEMAS["texts"], "description": "Columns, unique together."}, beside))
    one = {"anyOf": [{"enum": names, "description": _summaries(kind)}, *forms]}
    return {"anyOf": [{"enum": names}, {"type": "array", "items": one}]}


def _summaries(kind: str) -> str:
    return "\n".join(f"{name}: {component.summary}" for name, component in registry.components(kind).items())


def _step(name: str, schema: dict[str, Any], beside: Mapping[str, Key]) -> dict[str, Any]:
    keys = {key: _key(entry) for key, entry in beside.items()}
    return {"type": "object", "properties": {name: schema, **keys}, "required": [name], "additionalProperties": False}


def _component(component: type[Any], options: list[registry.OptionInfo]) -> dict[str, Any]:
    """What may stand behind a component's name: nothing, a bare value for its short form, or its options."""
    named: dict[str, Any] = {
        "type": "object",
        "properties": {option.name: _option(option) for option in options},
        "additionalProperties": False,
    }
    if required := [option.name for option in options if option.required]:
        named["required"] = required
    forms = [named]
    if not required:
        forms.append({"type": "null"})
    if getattr(component, "shorthand", None):
        forms.append({"type": ["string", "number", "boolean"]})
    if getattr(component, "shorthand_list", None) or getattr(component, "shorthand", None):
        forms.append({"type": "array"})
    return {"description": component.summary, "anyOf": forms}


def _option(option: registry.OptionInfo) -> dict[str, Any]:
    found: dict[str, Any] = {"description": option.doc, **_option_type(option.type)}
    if not option.required and option.default is not None:
        found["default"] = list(option.default) if isinstance(option.default, tuple) else option.default
    return found


def _option_type(text: str) -> dict[str, Any]:
    """The schema of an option from its annotation; empty (anything) where that says more than JSON knows."""
    if match := _LITERAL.fullmatch(text.strip()):
        return {"enum": list(ast.literal_eval(f"[{match[1]}]"))}
    if text.startswith("tuple["):
        return {}
    kinds = [_OPTION_TYPES.get(part.strip()) for part in text.split("|")]
    if None in kinds:
        return {"type": "object"} if text.startswith("dict[") else {}
    names = [kind for kind in kinds if kind]
    # a whole number is a text too: `default: 0` needs no quotes
    if "string" in names and "integer" not in names:
        names.append("integer")
    return {"type": names[0] if len(names) == 1 else names}


def _format_options() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for component in registry.components("formats").values():
        for option in registry.options_of(component):
            if option.name not in written.SOURCE:
                found[option.name] = _option(option)
    return found


def _destination() -> dict[str, Any]:
    """All destinations' options may stand beside the common keys: which apply depends on the URL."""
    more: dict[str, Any] = {}
    for name, component in registry.components("destinations").items():
        for option in registry.options_of(component):
            if option.name not in written.DESTINATION:
                schema = _option(option)
                more[option.name] = {**schema, "description": f"{name}: {schema['description']}"}
    return _mapping(written.DESTINATION, required=["url"], more=more)
