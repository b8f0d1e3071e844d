"""From a pipeline's destination to the component that serves it."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from loadlock.delivery.base import Destination, Target
from loadlock.delivery.names import parse_table
from loadlock.errors import UsageError
from loadlock.model import Validity, WriteMode
from loadlock.pipeline.model import DestinationSpec, Pipeline
from loadlock.pipeline.secrets import label, resolve
from loadlock.registry import address_of, components, options_of

GUARDS = ("max_delete_percent", "undo", "before", "after", "analyze")
"""Settings of a destination that decide whether it is delivered, not what."""
CHILD_MODES = frozenset({WriteMode.APPEND, WriteMode.REPLACE})
"""For an upsert of child tables the destination must know which parents a batch holds: a child row has no key of its own."""


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
    children: tuple[BoundDestination, ...] = ()
    """The child tables, in the order of `flatten.children`."""

    @property
    def undo(self) -> int:
        """Of how many batches what a rollback needs is kept."""
        default = 1 if self.target.table is not None and self.destination.capabilities.undoes else 0
        return default if self.spec.undo is None else self.spec.undo


def bind_destinations(pipeline: Pipeline, *, environment: Mapping[str, str] | None = None) -> list[BoundDestination]:
    """Every destination of the pipeline, its secrets filled in. Raises UsageError for what can't be served."""
    bound = [
        _bind(index, spec, Path(pipeline.base_folder), os.environ if environment is None else environment)
        for index, spec in enumerate(pipeline.destinations)
    ]
    names = tuple(pipeline.source.flatten.children.values())
    return with_children(bound, names) if names else bound


def all_targets(bound: Sequence[BoundDestination]) -> list[BoundDestination]:
    """The destinations and their child tables."""
    return [target for destination in bound for target in (destination, *destination.children)]


def with_children(bound: Sequence[BoundDestination], names: Sequence[str]) -> list[BoundDestination]:
    """The destinations with their child tables, each a table (or file) of its own beside the parent's."""
    for destination in bound:
        _check_children(destination)
    made = [replace(parent, children=tuple(_child(parent, name) for name in names)) for parent in bound]
    labels = Counter(target.label.casefold() for target in all_targets(made))
    twice = next((target.label for target in all_targets(made) if labels[target.label.casefold()] > 1), None)
    if twice is not None:
        raise UsageError(
            f"{twice} is named twice, by a destination or a child table",
            hint="Give each array of `flatten.children` a table of its own.",
        )
    return made


def _check_children(destination: BoundDestination) -> None:
    """Can child tables be delivered with this destination?"""
    joint = destination.destination.capabilities.joint_children
    if destination.mode not in (CHILD_MODES | {WriteMode.UPSERT} if joint else CHILD_MODES):
        raise UsageError(
            f"{destination.label}: child tables can't be delivered by {destination.mode}",
            hint="Use mode replace or append, or leave `flatten.children` out.",
        )
    if destination.spec.on_child_reject == "reject_parent" and not joint:
        raise UsageError(
            f"{destination.label}: `on_child_reject: reject_parent` needs a database",
            hint="A file is published before its child files are; leave the setting out.",
        )


def _child(parent: BoundDestination, name: str) -> BoundDestination:
    target = parent.target
    if target.table is None:
        target = replace(target, url=_file_beside(parent, name))
    else:
        table = parse_table(name)
        table = table if table.schema else parse_table(target.table).beside(table.table)
        target = replace(target, table=table.written())
    spec = replace(parent.spec, table=target.table, columns=None, filter=None, key=(), update=None, before=(), after=())
    return replace(parent, spec=spec, target=target, label=parent.destination.label(target))


def _file_beside(parent: BoundDestination, name: str) -> str:
    """`out.csv` → `out.order_items.csv`."""
    if "/" in name or "\0" in name:
        raise UsageError(f"the child table {name!r} can't be a file's name", hint="Choose a name without a slash.")
    url = parent.target.url
    ending = max((end for end in parent.destination.schemes if url.lower().endswith(end)), key=len)
    return f"{url[: -len(ending)]}.{name}{url[-len(ending) :]}"


def _bind(index: int, spec: DestinationSpec, base_folder: Path, environment: Mapping[str, str]) -> BoundDestination:
    url = address_of(resolve(spec.url, environment))
    component = destination_for(url)
    destination: Destination = component()
    is_file = any(scheme.startswith(".") for scheme in component.schemes)
    url = _anchored(url, base_folder) if is_file else _anchored_database(url, base_folder)
    table = None if is_file else spec.table or table_of(component, url)
    if not is_file and not table:
        raise UsageError(
            f"the destination {label(url)} needs a table",
            hint="Add --table NAME (or `table:`).",
        )
    mode = spec.mode or (WriteMode.REPLACE if is_file else WriteMode.APPEND)
    if mode not in destination.capabilities.modes:
        known = ", ".join(sorted(destination.capabilities.modes))
        instead = " A DuckDB file (duckdb:///shop.duckdb) knows all." if is_file else ""
        raise UsageError(f"{component.name} has no mode {mode}", hint=f"It knows {known}.{instead}")
    if mode.by_key and not spec.key:
        raise UsageError(f"mode {mode} needs a key", hint="Name its columns by --key (or `key:`).")
    validity = spec.validity or Validity() if mode == WriteMode.SCD2 else None
    target = Target(url=url, table=table, options=_anchored_options(component, spec.options, base_folder))
    return BoundDestination(
        index=index,
        spec=replace(spec, mode=mode, validity=validity),
        destination=destination,
        target=target,
        mode=mode,
        label=destination.label(target),
    )


def destination_for(url: str) -> type[Destination]:
    """The component for a URL's scheme or a path's ending."""
    scheme = url.split(":", 1)[0].lower() if "://" in url else None
    for component in components("destinations").likely_first(scheme or url.rpartition(".")[2].lower()):
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


def table_of(component: type[Destination], url: str) -> str | None:
    """The table that the address itself names, for the kinds of destination whose addresses do."""
    named: str | None = getattr(component, "table_of", lambda _: None)(url)
    return named


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


def _anchored_options(component: type[Destination], options: Mapping[str, Any], base_folder: Path) -> dict[str, Any]:
    """Paths among the options start from the pipeline's folder too; `~` is the home folder."""
    paths = {option.name for option in options_of(component) if option.is_path}
    return {
        name: str(base_folder / Path(value).expanduser()) if name in paths and isinstance(value, str) else value
        for name, value in options.items()
    }


def plan_digest(pipeline: Pipeline, bound: list[BoundDestination]) -> str:
    """What must be equal for a run to be a repetition: the compiled pipeline and how it is delivered."""
    ways = []
    for destination in bound:
        way = asdict(destination.spec)
        way["url"] = destination.label
        for name in GUARDS:
            way.pop(name, None)
        # what an older version did not know changes nothing while it isn't used
        for name in ("update", "validity"):
            if way[name] is None:
                way.pop(name)
        ways.append(way)
    document = json.dumps([pipeline.compiled_digest(), ways], sort_keys=True, default=str)
    return hashlib.sha256(document.encode()).hexdigest()
