"""Field masks: `sheets(properties(sheetId,title),data.rowData)` to choose what is answered, `a.b,c` to say what is written."""

from __future__ import annotations

import re
from typing import Any

from loadlock.testing.sheets.discovery import Discovery, camel
from loadlock.testing.sheets.errors import Json, bad, payload

Mask = dict[str, "Mask"]
"""Field → the mask of what is in it; an empty mask = all of it. `*` stands for any field."""
_TOKEN = re.compile(r"[A-Za-z0-9_*]+|[(),./]")


def parse(text: str) -> Mask:
    """Read a mask. Raises 400 for one that doesn't close."""
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != re.sub(r"\s", "", text):
        raise _wrong(text)
    mask, rest = _fields(tokens, text)
    if rest:
        raise _wrong(text)
    return mask


def _fields(tokens: list[str], text: str) -> tuple[Mask, list[str]]:
    mask: Mask = {}
    while True:
        path, tokens = _path(tokens, text)
        inner: Mask = {}
        if tokens and tokens[0] == "(":
            inner, tokens = _fields(tokens[1:], text)
            if not tokens or tokens[0] != ")":
                raise _wrong(text)
            tokens = tokens[1:]
        _add(mask, path, inner)
        if not tokens or tokens[0] != ",":
            return mask, tokens
        tokens = tokens[1:]


def _path(tokens: list[str], text: str) -> tuple[list[str], list[str]]:
    path: list[str] = []
    while True:
        if not tokens or not re.match(r"[A-Za-z0-9_*]", tokens[0]):
            raise _wrong(text)
        path.append("*" if tokens[0] == "*" else camel(tokens[0]))
        if len(tokens) < 2 or tokens[1] not in "./":
            return path, tokens[1:]
        tokens = tokens[2:]


def _add(mask: Mask, path: list[str], inner: Mask) -> None:
    known = path[0] in mask
    below = mask.setdefault(path[0], {})
    if known and not below:
        return
    if len(path) > 1:
        _add(below, path[1:], inner)
    elif inner:
        below.update(inner)
    else:
        below.clear()


def _wrong(text: str) -> Exception:
    return payload("fields", f"Request contains an invalid argument: Invalid field mask '{text}'.")


def check(mask: Mask, schema: str, discovery: Discovery) -> None:
    """Every field of the mask must be in the schema, or 400."""
    for name, inner in mask.items():
        if name == "*":
            continue
        spec = discovery.paths(schema).get(name)
        if spec is None:
            message = f"Error expanding 'fields' parameter. Cannot find matching fields for path '{name}'."
            raise payload(name, message)
        below = _schema_of(spec)
        if inner and below:
            check(inner, below, discovery)


def _schema_of(spec: Json) -> str | None:
    if spec.get("type") == "array":
        return _schema_of(spec["items"])
    name: str | None = spec.get("$ref")
    return name


def apply(mask: Mask, value: Any) -> Any:
    """The part of the value that the mask names."""
    if not mask or "*" in mask:
        return value
    if isinstance(value, list):
        return [apply(mask, item) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: apply(inner, value[name]) for name, inner in mask.items() if name in value}


def wants(mask: Mask | None, *path: str) -> bool:
    """Whether an answer under this mask shows the field at the path."""
    for name in path:
        if not mask or "*" in mask:
            return True
        if name not in mask:
            return False
        mask = mask[name]
    return True


def writing(text: str, schema: str, discovery: Discovery) -> Mask:
    """The mask of a request that changes something. Raises 400 for an empty one and for fields that don't exist."""
    if not text:
        raise bad("At least one field must be listed in 'fields'. (Use '*' to indicate all fields.)")
    mask = parse(text)
    for name in mask:
        if name != "*" and name not in discovery.paths(schema):
            raise bad(f"Invalid field: {name}")
    check(mask, schema, discovery)
    return {name: {} for name in discovery.paths(schema)} if "*" in mask else mask


def merged(mask: Mask, old: Json, new: Json) -> Json:
    """`old` with the fields of the mask taken from `new`; a field that `new` lacks is cleared."""
    result = dict(old)
    for name, inner in mask.items():
        if inner and "*" not in inner and isinstance(new.get(name, {}), dict):
            below = merged(inner, result.get(name, {}), new.get(name, {}))
            result[name] = below
            if not below:
                del result[name]
        elif name in new:
            result[name] = new[name]
        else:
            result.pop(name, None)
    return result
