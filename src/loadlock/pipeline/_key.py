"""One key of the written pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key of a mapping in the pipeline file.

    `kind`: `text`, `texts` (a text or a list of texts), `integer`, `number`, `flag` (true or false), `choice`, `choices`
    (one or a list), `header` (integer or flag), `lineage`, `undo`, `update`; `raw` is read elsewhere, `shape` describes it.
    """

    kind: str
    doc: str
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    default: Any = None
    examples: tuple[Any, ...] = ()
    shape: str = ""


def text_key(doc: str, *examples: str) -> Key:
    """A key that takes a text."""
    return Key(kind="text", doc=doc, examples=examples)


def count_key(doc: str, *, minimum: int = 0, default: int | None = None) -> Key:
    """A key that takes a number of things."""
    return Key(kind="integer", doc=doc, minimum=minimum, default=default)
