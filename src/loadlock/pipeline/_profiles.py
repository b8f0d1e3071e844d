"""`profiles:`: named overrides of a pipeline's other keys, such as another destination for trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from loadlock.pipeline import written
from loadlock.pipeline.written import Notes
from loadlock.pipeline.yaml_positions import Document, Place, join


def with_profile(document: Document, name: str | None, notes: Notes) -> Document:
    """The document with the profile `name` laid over it (mappings are merged, everything else is replaced).

    A profile that is asked for and not written is a mistake; without a name nothing is changed.
    """
    value = dict(document.value)
    profiles = value.pop("profiles", None)
    if profiles is not None and not _are_mappings(profiles):
        notes.wrong("profiles", "profiles must map names to overrides", "Write it as in dev: {destination: {...}}.")
        return replace(document, value=value)
    if name is None:
        return replace(document, value=value)
    if name not in (profiles or {}):
        remedy = written.suggest(name, list(profiles or {}))
        notes.wrong("profiles", f"the profile {name!r} (from LOADLOCK_PROFILE) is not written", remedy)
        return replace(document, value=value)
    origin = join("profiles", name)
    merged, moved = _laid_over(value, (profiles or {})[name], "", origin)
    return replace(
        document,
        value=merged,
        places=_moved(document.places, moved),
        keys=_moved(document.keys, moved),
    )


def _are_mappings(profiles: Any) -> bool:
    return isinstance(profiles, Mapping) and all(isinstance(item, Mapping) for item in profiles.values())


def _laid_over(
    below: Mapping[str, Any], above: Mapping[str, Any], path: str, origin: str
) -> tuple[dict[str, Any], dict[str, str]]:
    """The merged mapping, and where each replaced path comes from."""
    merged = dict(below)
    moved: dict[str, str] = {}
    for key, value in above.items():
        here, there = join(path, key), join(origin, key)
        old = merged.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            merged[key], deeper = _laid_over(old, value, here, there)
            moved |= deeper
        else:
            merged[key] = value
            moved[here] = there
    return merged, moved


def _moved(places: Mapping[str, Place], moved: Mapping[str, str]) -> dict[str, Place]:
    """Places of what stands in the profile, under the paths that it has after merging."""
    found = dict(places)
    for here, there in moved.items():
        for path, place in places.items():
            if path == there or path.startswith((there + ".", there + "[")):
                found[here + path[len(there) :]] = place
    return found
