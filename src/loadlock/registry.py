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
import re
from collections.abc import Iterator, Mapping
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
_SUFFIX = re.compile(r"_(file|list)$")


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


class Components(Mapping[str, type[Any]]):
    """Components of one kind by name, sorted; each is imported when it is asked for."""

    def __init__(self, sources: Mapping[str, str | metadata.EntryPoint]) -> None:
        """`sources`: name → module of a built-in component, or entry point."""
        self._sources = dict(sorted(sources.items()))
        self._loaded: dict[str, type[Any]] = {}

    def __getitem__(self, name: str) -> type[Any]:
        if name not in self._loaded:
            source = self._sources[name]
            self._loaded[name] = _component_in(source, name) if isinstance(source, str) else source.load()
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._sources

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    def likely_first(self, word: str) -> Iterator[type[Any]]:
        """All of them, those first with whose name `word` begins: whoever finds one early imports no more."""
        yield from (self[name] for name in sorted(self, key=lambda name: not word.startswith(name)))


def _modules(kind: str) -> dict[str, str]:
    """Name → module of the built-in components. A file is called as its component, `csv_file` where that says too little."""
    package = importlib.import_module(FOLDERS[kind])
    found = (module.name for module in pkgutil.iter_modules(package.__path__))
    return {_SUFFIX.sub("", stem): f"{package.__name__}.{stem}" for stem in found if not stem.startswith("_")}


def _component_in(module_name: str, name: str) -> type[Any]:
    module = importlib.import_module(module_name)
    for value in vars(module).values():
        if inspect.isclass(value) and value.__module__ == module_name and _is_component(value):
            return value
    raise LookupError(f"{module_name} holds no component {name!r}")


def _is_component(value: type[Any]) -> bool:
    return isinstance(vars(value).get("name"), str) and isinstance(vars(value).get("summary"), str)


@cache
def components(kind: str) -> Components:
    """All components of a kind (`formats`, `rules`, `checks`, `destinations`) by name, sorted.

    A plug-in whose name is taken by a built-in component is an error, never a silent replacement.
    """
    found: dict[str, str | metadata.EntryPoint] = dict(_modules(kind))
    for entry in metadata.entry_points(group=f"loadlock.{kind}"):
        if entry.name in found:
            raise UsageError(
                f"the plug-in {entry.value} brings {kind[:-1]} {entry.name!r}, which exists already",
                hint="Rename the entry point of the plug-in.",
            )
        found[entry.name] = entry
    return Components(found)


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
    known = components("destinations")
    scheme = url.partition(":")[0].lower()
    if any(scheme.startswith(name) for name in known):
        return url
    for one in known.values():
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
