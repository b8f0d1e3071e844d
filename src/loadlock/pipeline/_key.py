"""One key of the written pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key of a mapping in the pipeline file.

    `kind`: `text`, `texts` (a text or a list of texts), `integer`, `number`, `flag` (true or false), `choice`, `choices`
    (one or a list), `header` (integer or flag), `lineage`, `undo`; `raw` is read elsewhere, `shape` describes it.
    """

    kind: str
    doc: str
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    default: Any = None
    examples: tuple[Any, ...] = ()
    shape: str = ""
