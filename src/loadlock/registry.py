"""Name → component. Built-in components are the files of a folder; others come by entry points.

A component is a class with `name`, `summary` and (where it takes options) a frozen dataclass `Options`. It stands
alone in its file. Files whose name starts with `_` are helpers of the folder, not components. A package adds
components by entry points in the group `loadlock.formats`, `loadlock.rules`, `loadlock.checks` or
`loadlock.destinations`, each naming the class.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from importlib import metadata
from typing import Any

from loadlock.errors import UsageError

FOLDERS = {
    "formats": "loadlock.intake.formats",
    "rules": "loadlock.cleanup.rules",
    "checks": "loadlock.cleanup.checks",
    "destinations": "loadlock.delivery.destinations",
}
"""Kind of component → package whose files are the built-in ones. Entry-point groups are `loadlock.<kind>`."""


@dataclass(frozen=True, kw_only=True)
class OptionInfo:
    """One option of a component, for help, schema and docs."""

    name: str
    type: str
    default: Any
    required: bool
    doc: str
    is_path: bool = False
    """A file's path, relative to the pipeline's folder (the field's `metadata["path"]`)."""


def _built_in(kind: str) -> dict[str, type[Any]]:
    package = importlib.import_module(FOLDERS[kind])
    found: dict[str, type[Any]] = {}
    for module_info in pkgutil.iter_modules(package.__path__):
        if module_info.name.startswith("_"):
            continue
        module = importlib.import_module(f"{package.__name__}.{module_info.name}")
        for value in vars(module).values():
            if inspect.isclass(value) and value.__module__ == module.__name__ and _is_component(value):
                found[str(vars(value)["name"])] = value
    return found


def _is_component(value: type[Any]) -> bool:
    return isinstance(vars(value).get("name"), str) and isinstance(vars(value).get("summary"), str)


@cache
def components(kind: str) -> dict[str, type[Any]]:
    """All components of a kind (`formats`, `rules`, `checks`, `destinations`) by name, sorted.

    A plug-in whose name is taken by a built-in component is an error, never a silent replacement.
    """
    found = _built_in(kind)
    for entry in metadata.entry_points(group=f"loadlock.{kind}"):
        if entry.name in found:
            raise UsageError(
                f"the plug-in {entry.value} brings {kind[:-1]} {entry.name!r}, which exists already",
                hint="Rename the entry point of the plug-in.",
            )
        found[entry.name] = entry.load()
    return dict(sorted(found.items()))


def component(kind: str, name: str) -> type[Any]:
    """One component by name; raises UsageError with the choices."""
    known = components(kind)
    if name not in known:
        raise UsageError(f"unknown {kind[:-1]} {name!r}", hint=f"Known: {', '.join(known)}.")
    return known[name]


def address_of(url: str) -> str:
    """The address of a destination as its kind writes it: a browser's address of a sheet is one of `gsheets://`.

    Kinds that take addresses of other schemes than their own have a static method `address_of(url) -> str | None`.
    """
    for one in components("destinations").values():
        own = getattr(one, "address_of", None)
        if own is not None and (found := own(url)):
            return str(found)
    return url


def options_of(component_class: type[Any]) -> list[OptionInfo]:
    """The options of a component, from its `Options` dataclass; each field's doc is `metadata["doc"]`."""
    options = getattr(component_class, "Options", None)
    if options is None or not is_dataclass(options):
        return []
    found = []
    for entry in fields(options):
        required = entry.default is MISSING and entry.default_factory is MISSING
        default = None if required else _default(entry)
        found.append(
            OptionInfo(
                name=entry.name,
                type=entry.type if isinstance(entry.type, str) else getattr(entry.type, "__name__", str(entry.type)),
                default=default,
                required=required,
                doc=entry.metadata.get("doc", ""),
                is_path=bool(entry.metadata.get("path", False)),
            )
        )
    return found


def _default(entry: Any) -> Any:
    return entry.default_factory() if entry.default_factory is not MISSING else entry.default
