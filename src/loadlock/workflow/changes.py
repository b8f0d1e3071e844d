"""Which keys of a pipeline differ between two versions of it, under the names of the YAML file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from loadlock.pipeline.codec import to_json
from loadlock.pipeline.model import Pipeline

_LEAVES = frozenset({"type", "from", "formats", "rules", "checks", "options", "budget", "limits"})
"""Keys below which nothing is named: what they hold is short, or has no names of its own."""
_RESULT_STAYS = frozenset({"source.files", "source.keep", "source.part_bytes", "source.limits"})


def changed_keys(earlier: Mapping[str, Any], now: Pipeline) -> list[str]:
    """Paths such as `columns.amount.type`, sorted as the sections of a pipeline; `earlier` as `codec.to_json` gave it."""
    before, after = _written(earlier), _written(to_json(now))
    return [path for path in _differing(before, after, "") if path not in _RESULT_STAYS]


def _written(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document in the shape of the YAML file, as far as it decides a result."""
    source = dict(document["source"])
    options = source.pop("options")
    return {
        "source": {**source, **options},
        "columns": _by_name(document["columns"]),
        "rules": [rule for _, rule in document["rules"]],
        "checks": document["checks"],
        "rejects": {"budget": document["budget"]},
        "keep": {"duplicates": document["keep_duplicates"], "unique": document["keep_unique"]},
        "lookups": document["lookups"],
        **_destinations(document["destinations"]),
    }


def _by_name(columns: Sequence[Mapping[str, Any]] | None) -> dict[str, Any] | None:
    """Columns by name; `order` stands in where only their order differs."""
    if columns is None:
        return None
    found: dict[str, Any] = {
        column["name"]: {("from" if key == "source" else key): value for key, value in column.items()}
        for column in columns
    }
    return {**found, "(order)": list(found)}


def _destinations(specs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    # the address decides which table is meant, not whether the pipeline changed
    ways = [{key: value for key, value in spec.items() if key != "url"} for spec in specs]
    if len(ways) == 1:
        return {"destination": ways[0]}
    return {"destinations": {str(index): way for index, way in enumerate(ways)}}


def _differing(before: Any, after: Any, path: str) -> Iterator[str]:
    if before == after:
        return
    nested = isinstance(before, Mapping) and isinstance(after, Mapping) and path.rpartition(".")[2] not in _LEAVES
    if not nested:
        yield path
        return
    names = dict.fromkeys((*before, *after))
    found = [p for name in names if name != "(order)" for p in _one(before, after, name, path)]
    yield from found
    if not found:
        yield f"{path} (order)"


def _one(before: Mapping[str, Any], after: Mapping[str, Any], name: str, path: str) -> Iterator[str]:
    missing = object()
    yield from _differing(before.get(name, missing), after.get(name, missing), f"{path}.{name}" if path else name)
