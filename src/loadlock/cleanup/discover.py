"""The columns of JSON records, for pipelines that declare none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlock.cleanup import flatten as flattening
from loadlock.cleanup.plan import Plan
from loadlock.pipeline.model import Flatten
from loadlock.rows import JSON_RECORD, PROVENANCE

if TYPE_CHECKING:
    import pyarrow as pa


def column_names(raw: pa.Table, plan_or_flatten: Plan | Flatten) -> list[str]:
    """The source columns of a raw part in order of first appearance; JSON records are looked through."""
    spec = plan_or_flatten.flatten if isinstance(plan_or_flatten, Plan) else plan_or_flatten
    if JSON_RECORD in raw.column_names:
        return flattening.column_names(raw, spec)
    return [name for name in raw.column_names if name not in PROVENANCE]
