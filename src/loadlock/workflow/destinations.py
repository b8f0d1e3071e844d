"""From a pipeline's destination to the component that serves it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from loadlock.delivery.base import Destination, Target
from loadlock.errors import UsageError
from loadlock.model import WriteMode
from loadlock.pipeline.model import DestinationSpec, Pipeline
from loadlock.pipeline.secrets import label, resolve
from loadlock.registry import components


@dataclass(frozen=True, kw_only=True)
class BoundDestination:
    """A destination of a pipeline with its component and its resolved address."""

    index: int
    spec: DestinationSpec
    destination: Destination
    target: Target
    mode: WriteMode
    label: str
    """For people and the ledger; no secret."""


def bind_destinations(pipeline: Pipeline, *, environment: Mapping[str, str] | None = None) -> list[BoundDestination]:
    """Every destination of the pipeline, its secrets filled in. Raises UsageError for what can't be served."""
    if pipeline.source.flatten.children and pipeline.destinations:
        # never in silence: the arrays would be in no table at all
        raise UsageError(
            "child tables are not delivered yet: `flatten.children` would leave its arrays out of every table",
            hint="Use `explode` for one row an element, or leave `children` out: arrays then arrive as JSON text.",
        )
    return [
        _bind(index, spec, Path(pipeline.base_folder), os.environ if environment is None else environment)
        for index, spec in enumerate(pipeline.destinations)
    ]


def _bind(index: int, spec: DestinationSpec, base_folder: Path, environment: Mapping[str, str]) -> BoundDestination:
    url = resolve(spec.url, environment)
    component = destination_for(url)
    destination: Destination = component()
    is_file = any(scheme.startswith(".") for scheme in component.schemes)
    url = _anchored(url, base_folder) if is_file else _anchored_database(url, base_folder)
    if not is_file and not spec.table:
        raise UsageError(
            f"the destination {label(url)} needs a table",
            hint="Add --table NAME (or `table:`).",
        )
    mode = spec.mode or (WriteMode.REPLACE if is_file else WriteMode.APPEND)
    if mode not in destination.capabilities.modes:
        known = ", ".join(sorted(destination.capabilities.modes))
        raise UsageError(f"{component.name} has no mode {mode}", hint=f"It knows {known}.")
    if mode == WriteMode.UPSERT and not spec.key:
        raise UsageError("mode upsert needs a key", hint="Name its columns by --key (or `key:`).")
    target = Target(url=url, table=None if is_file else spec.table, options=spec.options)
    return BoundDestination(
        index=index,
        spec=replace(spec, mode=mode),
        destination=destination,
        target=target,
        mode=mode,
        label=destination.label(target),
    )


def destination_for(url: str) -> type[Destination]:
    """The component for a URL's scheme or a path's ending."""
    scheme = url.split(":", 1)[0].lower() if "://" in url else None
    for component in components("destinations").values():
        for served in component.schemes:
            if scheme == served or (
                scheme in (None, "file") and served.startswith(".") and url.lower().endswith(served)
            ):
                return component
    known = sorted(
        s if s.startswith(".") else f"{s}://" for c in components("destinations").values() for s in c.schemes
    )
    shown = f"{scheme}://" if scheme else Path(url).suffix or url
    raise UsageError(f"no destination serves {shown}", hint=f"Known: {', '.join(known)}.")


def _anchored(url: str, base_folder: Path) -> str:
    """A relative path of a file destination starts from the pipeline's folder."""
    path = Path(url.removeprefix("file://"))
    return str(path if path.is_absolute() else base_folder / path)


def _anchored_database(url: str, base_folder: Path) -> str:
    """`duckdb:///relative` and `sqlite:///relative` start from the pipeline's folder, `////` is absolute."""
    for scheme in ("duckdb:///", "sqlite:///"):
        if url.startswith(scheme):
            path = url.removeprefix(scheme)
            return url if path.startswith(("/", ":memory:")) else f"{scheme}{(base_folder / path).resolve()}"
    return url


def plan_digest(pipeline: Pipeline, bound: list[BoundDestination]) -> str:
    """What must be equal for a run to be a repetition: the compiled pipeline and how it is delivered."""
    ways = []
    for destination in bound:
        way = asdict(destination.spec)
        way["url"] = destination.label
        ways.append(way)
    document = json.dumps([pipeline.compiled_digest(), ways], sort_keys=True, default=str)
    return hashlib.sha256(document.encode()).hexdigest()
