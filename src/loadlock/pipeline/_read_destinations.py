"""Reads `destination:` and `destinations:`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from loadlock import registry
from loadlock.errors import UsageError
from loadlock.model import Validity, WriteMode
from loadlock.pipeline import secrets, written
from loadlock.pipeline._reading import Reading
from loadlock.pipeline.model import DestinationSpec
from loadlock.pipeline.yaml_positions import join

NEEDS_KEY = frozenset(mode for mode in WriteMode if mode.by_key)

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://")


def read_destinations(document: Mapping[str, Any], reading: Reading) -> tuple[DestinationSpec, ...]:
    """All destinations; none is allowed (`loadlock preview` needs none)."""
    one, many = document.get("destination"), document.get("destinations")
    if one is not None and many is not None:
        reading.notes.wrong(
            "destination", "destination and destinations stand both here", "Move it into the list.", at_key=True
        )
    found = [_destination(one, "destination", reading)] if one is not None else []
    if many is not None and (not isinstance(many, list | tuple) or not many):
        reading.notes.wrong("destinations", "this must be a list of destinations", "Begin each with `- url:`.")
    elif many is not None:
        found += [_destination(item, join("destinations", index), reading) for index, item in enumerate(many)]
    return tuple(found)


def _destination(value: Any, path: str, reading: Reading) -> DestinationSpec:
    if isinstance(value, str):
        value = {"url": value}
    url = value.get("url") if isinstance(value, Mapping) else None
    component = destination_of(url, reading.environment) if isinstance(url, str) else None
    allowed = _option_names(component)
    found = written.take(value, path, written.DESTINATION, reading.notes, others=allowed)
    if not isinstance(value, Mapping):
        return DestinationSpec(url="")
    options = {str(name): item for name, item in value.items() if name in allowed and name not in written.DESTINATION}
    options |= _options(found["options"], join(path, "options"), allowed, reading)
    if found["filter"]:
        reading.expressions.append((join(path, "filter"), found["filter"]))
    spec = DestinationSpec(
        url=found["url"] or "",
        table=found["table"],
        mode=WriteMode(found["mode"]) if found["mode"] else None,
        key=found["key"] or (),
        columns=found["columns"],
        filter=found["filter"],
        create=found["create"],
        lineage=found["lineage"],
        verify=found["verify"],
        on_child_reject=found["on_child_reject"],
        evolve=found["evolve"],
        max_delete_percent=found["max_delete_percent"],
        update=found["update"],
        validity=_validity(found) if found["mode"] == WriteMode.SCD2 else None,
        undo=found["undo"],
        before=found["before"] or (),
        after=found["after"] or (),
        analyze=found["analyze"],
        options=options,
    )
    _check(spec, path, component, reading)
    return spec


def _validity(found: Mapping[str, Any]) -> Validity:
    return Validity(since=found["valid_from"], until=found["valid_to"], close_missing=found["missing"] == "close")


def destination_of(url: str, environment: Mapping[str, str]) -> type[Any] | None:
    """The destination component for a URL or path; None if the URL waits for the environment or is of no known kind."""
    try:
        address = secrets.resolve(url, environment)
    except UsageError:
        address = url
    address = registry.address_of(address)
    known = registry.components("destinations")
    scheme = _SCHEME.match(address)
    for component in known.likely_first(scheme[1].lower() if scheme else address.rpartition(".")[2].lower()):
        for mark in component.schemes:
            if scheme and scheme[1].lower() == mark:
                return component
            if not scheme and mark.startswith(".") and address.lower().endswith(mark):
                return component
    return None


def _waits(url: str, environment: Mapping[str, str]) -> bool:
    """Whether the scheme of `url` is not known before the environment is."""
    return url.startswith("${") and not _SCHEME.match(_filled(url, environment))


def _filled(url: str, environment: Mapping[str, str]) -> str:
    try:
        return secrets.resolve(url, environment)
    except UsageError:
        return url


def _option_names(component: type[Any] | None) -> set[str]:
    """Options that this kind of destination takes (any kind, while the kind is not known)."""
    chosen = [component] if component else registry.components("destinations").values()
    return {option.name for one in chosen for option in registry.options_of(one)}


def _options(value: Any, path: str, allowed: set[str], reading: Reading) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        reading.notes.wrong(path, "options must be a mapping", "Write name: value, a line each.")
        return {}
    for name in value:
        if name not in allowed:
            below = join(path, str(name))
            reading.notes.wrong(
                below, f"unknown option {str(name)!r}", written.suggest(str(name), allowed), at_key=True
            )
    return {str(name): item for name, item in value.items()}


def _check(spec: DestinationSpec, path: str, component: type[Any] | None, reading: Reading) -> None:
    notes = reading.notes
    if not spec.url:
        notes.wrong(path, "the destination has no url", "Write `url:` with a database URL, a file or ${NAME}.")
    elif secrets.malformed(spec.url):
        notes.wrong(join(path, "url"), "a `${` is not closed or holds no name", "Write ${NAME} or ${NAME:-default}.")
    elif component is None and not _waits(spec.url, reading.environment):
        _unknown_kind(spec.url, join(path, "url"), reading)
    if spec.mode in NEEDS_KEY and not spec.key:
        notes.wrong(
            join(path, "mode"),
            f"mode {spec.mode} needs a key",
            "Add `key:` with the columns that tell rows apart.",
        )
    if found := _misplaced(spec):
        notes.wrong(join(path, found[0]), *found[1:])
    if component is not None:
        _check_kind(spec, path, component, reading)


def _misplaced(spec: DestinationSpec) -> tuple[str, str, str] | None:
    """What contradicts the mode: (key, what is wrong, remedy)."""
    if spec.update is not None and spec.mode != WriteMode.UPSERT:
        return "update", "`update` is for mode upsert", "Leave it out."
    if known := sorted(set(spec.update or ()) & set(spec.key)):
        return "update", f"{known[0]!r} is a column of the key", "Name only columns that are not in `key:`."
    validity = spec.validity
    if validity is not None and len({validity.since.casefold(), validity.until.casefold()}) == 1:
        return "valid_to", "valid_from and valid_to name the same column", "Give each a name of its own."
    return None


def _unknown_kind(url: str, path: str, reading: Reading) -> None:
    marks = [mark for one in registry.components("destinations").values() for mark in one.schemes]
    scheme = _SCHEME.match(url)
    word = f"{scheme[1]}://" if scheme else "." + url.rpartition(".")[2]
    choices = [mark if mark.startswith(".") else f"{mark}://" for mark in marks]
    reading.notes.wrong(path, f"no destination is known for {secrets.label(url)!r}", written.suggest(word, choices))


def _check_kind(spec: DestinationSpec, path: str, component: type[Any], reading: Reading) -> None:
    """What this kind of destination demands: a table or none, and a mode that it can do."""
    notes = reading.notes
    is_file = all(mark.startswith(".") for mark in component.schemes)
    named = getattr(component, "table_of", lambda _: None)(_filled(spec.url, reading.environment))
    if not is_file and not (spec.table or named):
        notes.wrong(path, f"a destination of kind {component.name} needs a table", "Add `table: schema.table`.")
    if is_file and spec.table:
        notes.wrong(join(path, "table"), "a file has no table", "Remove the line.")
    if (spec.before or spec.after) and not component.capabilities.hooks:
        notes.wrong(path, f"a destination of kind {component.name} runs no SQL", "Leave `before:` and `after:` out.")
    if spec.update is not None and not component.capabilities.chooses_updates:
        notes.wrong(join(path, "update"), f"a destination of kind {component.name} has no such choice", "Leave it out.")
    modes = component.capabilities.modes
    if spec.mode and spec.mode not in modes:
        instead = " A DuckDB file (duckdb:///shop.duckdb) knows all." if is_file else ""
        remedy = f"One of: {', '.join(sorted(modes))}.{instead}"
        notes.wrong(join(path, "mode"), f"a destination of kind {component.name} can't do {spec.mode}", remedy)
