"""The options of one format, from the source's."""

from __future__ import annotations

from dataclasses import field, fields
from typing import Any, TypeVar

from loadlock.errors import UsageError
from loadlock.intake.base import SourceOptions

T = TypeVar("T")


def option(doc: str, *, default: Any) -> Any:
    """A documented field of a format's `Options`."""
    return field(default=default, metadata={"doc": doc})


def own_options(kind: type[T], options: SourceOptions) -> T:
    """The `Options` of a format out of `SourceOptions.extra`; lists become tuples. UsageError for values that can't be."""
    known = {entry.name for entry in fields(kind)}  # type: ignore[arg-type]
    given = {name: value for name, value in options.extra.items() if name in known}
    try:
        return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in given.items()})
    except (ValueError, TypeError) as error:
        raise UsageError(f"the options of the source don't go together: {error}") from error
