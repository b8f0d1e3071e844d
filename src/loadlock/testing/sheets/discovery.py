"""Google's discovery document of the Sheets API: which methods exist, what they take, what a body may hold.

It is read from the installed `google-api-python-client`; nothing is fetched.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import unquote

import orjson

from loadlock.errors import UsageError
from loadlock.testing.sheets.errors import Json, payload

_TYPES = {"int32": "TYPE_INT32", "int64": "TYPE_INT64", "double": "TYPE_DOUBLE", "float": "TYPE_FLOAT"}
_ENUM_PACKAGE = "type.googleapis.com/google.apps.sheets.v4"


@dataclass(frozen=True, kw_only=True)
class Method:
    """One method: its id without `sheets.` (`spreadsheets.values.get`), its query parameters and body."""

    id: str
    http_method: str
    pattern: re.Pattern[str]
    query: dict[str, Json]
    request: str | None
    response: str
    scopes: frozenset[str]


class Discovery:
    """The document, ready to match requests and check bodies."""

    def __init__(self, document: Json) -> None:
        self.schemas: dict[str, Json] = document["schemas"]
        self.revision = str(document["revision"])
        self._common: dict[str, Json] = document["parameters"]
        self.methods = list(self._methods(document))

    def _methods(self, resource: Json) -> Any:
        for method in resource.get("methods", {}).values():
            parameters = method.get("parameters", {})
            query = {name: spec for name, spec in parameters.items() if spec["location"] == "query"}
            yield Method(
                id=method["id"].removeprefix("sheets."),
                http_method=method["httpMethod"],
                pattern=re.compile(_path_pattern(method["path"])),
                query={**self._common, **query},
                request=method.get("request", {}).get("$ref"),
                response=method["response"]["$ref"],
                scopes=frozenset(method["scopes"]),
            )
        for inner in resource.get("resources", {}).values():
            yield from self._methods(inner)

    def match(self, http_method: str, path: str) -> tuple[Method, dict[str, str]] | None:
        """The method that a request line asks for, and the parameters of its path."""
        for method in self.methods:
            if method.http_method == http_method and (found := method.pattern.match(path)):
                return method, {name: unquote(value) for name, value in found.groupdict().items()}
        return None

    def paths(self, schema: str) -> dict[str, Json]:
        properties: dict[str, Json] = self.schemas[schema].get("properties", {})
        return properties

    def checked(self, schema: str, body: Any) -> Json:
        """The body in camelCase with its types put right as the service does ("3" for 3). Raises 400 for anything that
        the schema doesn't know."""
        if not isinstance(body, dict):
            raise payload("", "Invalid JSON payload received. Root element must be a message.")
        return self._message(schema, body, "")

    def _message(self, schema: str, body: Json, path: str) -> Json:
        properties, checked = self.schemas[schema].get("properties", {}), {}
        for given, value in body.items():
            name = given if given in properties else camel(given)
            if name not in properties:
                raise _unknown_name(given, path)
            if value is None:
                continue
            if name in checked:
                raise payload(path, f"Invalid value at '{path}' (oneof), field '{given}' is already set.")
            checked[name] = self._value(properties[name], value, f"{path}.{snake(name)}" if path else snake(name))
        return checked

    def _value(self, spec: Json, value: Any, path: str) -> Any:
        if "$ref" in spec:
            if not isinstance(value, dict):
                raise _wrong(path, f"{_ENUM_PACKAGE}.{spec['$ref']}", value)
            return self._message(spec["$ref"], value, path)
        kind = spec.get("type")
        if kind == "array":
            if not isinstance(value, list):
                raise _wrong(path, "list", value)
            return (
                value
                if _is_free(spec)
                else [self._value(spec["items"], v, f"{path}[{i}]") for i, v in enumerate(value)]
            )
        if kind == "object":
            return self._mapping(spec, value, path)
        return scalar(spec, value, path)

    def _mapping(self, spec: Json, value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            raise _wrong(path, "map", value)
        inner = spec.get("additionalProperties", {})
        return {key: self._value(inner, item, f"{path}[{key}]") for key, item in value.items()}


def _is_free(spec: Json) -> bool:
    """Cells' values (a list of lists of anything): checked where they are stored, cell by cell."""
    items = spec["items"]
    return bool(items.get("type") == "array" and items["items"].get("type") == "any")


def scalar(spec: Json, value: Any, path: str) -> Any:
    """A number, boolean, text or enum value as the schema says, or 400."""
    kind = spec.get("type")
    if kind == "any":
        return value
    if kind == "integer":
        return _integer(spec, value, path)
    if kind == "number":
        return _number(spec, value, path)
    if kind == "boolean":
        if value in (True, "true"):
            return True
        if value in (False, "false"):
            return False
        raise _wrong(path, "TYPE_BOOL", value)
    if not isinstance(value, str):
        raise _wrong(path, "TYPE_STRING", value)
    if "enum" in spec and value not in spec["enum"]:
        name = "".join(part.capitalize() for part in path.rsplit(".", 1)[-1].split("_"))
        raise _wrong(path, f"{_ENUM_PACKAGE}.{name}", value)
    return value


def _integer(spec: Json, value: Any, path: str) -> int:
    kind = spec.get("format", "int32")
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    bound = 2**31 if kind == "int32" else 2**63
    if isinstance(value, bool) or not isinstance(value, int) or not -bound <= value < bound:
        raise _wrong(path, _TYPES[kind], value)
    return value


def _number(spec: Json, value: Any, path: str) -> float:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise _wrong(path, "TYPE_DOUBLE", value) from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(path, _TYPES[spec.get("format", "double")], value)
    return value


def _wrong(path: str, kind: str, value: Any) -> Exception:
    shown = f'"{value}"' if isinstance(value, str) else orjson.dumps(value).decode()
    return payload(path, f"Invalid value at '{path}' ({kind}), {shown}")


def _unknown_name(name: str, path: str) -> Exception:
    where = f" at '{path}'" if path else ""
    return payload(path, f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.')


def _path_pattern(path: str) -> str:
    """`v4/spreadsheets/{spreadsheetId}:batchUpdate` as a pattern over the percent-encoded path."""
    parts = re.split(r"\{(\w+)\}", path)
    pattern = "".join(f"(?P<{part}>[^/]+?)" if index % 2 else re.escape(part) for index, part in enumerate(parts))
    verb = "" if ":" in path.rsplit("/", 1)[-1] else r"(?<!:append)(?<!:clear)(?<!:batchUpdate)"
    return f"/{pattern}{verb}$"


@cache
def camel(name: str) -> str:
    """`sheet_id` → `sheetId`."""
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), name)


@cache
def snake(name: str) -> str:
    """`sheetId` → `sheet_id`."""
    return re.sub(r"([A-Z])", lambda match: "_" + match[1].lower(), name)


@cache
def load() -> Discovery:
    """The installed document. Raises UsageError when google-api-python-client is missing."""
    try:
        folder = resources.files("googleapiclient.discovery_cache") / "documents"
        text = (folder / "sheets.v4.json").read_bytes()
    except (ModuleNotFoundError, FileNotFoundError) as error:
        hint = "Install it with: pip install 'loadlock[emulator]'"
        raise UsageError("the emulator needs google-api-python-client, for its sheets.v4.json", hint=hint) from error
    return Discovery(orjson.loads(text))
