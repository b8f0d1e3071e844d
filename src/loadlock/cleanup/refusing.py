"""Refuses all rows of a file whose columns are not the pipeline's: `drift: reject`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from loadlock.cleanup.kernel import CleanPart, clean
from loadlock.cleanup.plan import Plan
from loadlock.cleanup.rejecting import reject_rows
from loadlock.rows import JSON_RECORD, PROVENANCE, SUB, reject_schema

if TYPE_CHECKING:
    import pyarrow as pa

CODE = "drift"


def drift_of(plan: Plan, names: Sequence[str]) -> str | None:
    """What a file with these columns lacks and has too many, in words; None where they are the pipeline's."""
    missing, unnamed = plan.missing_sources([[*names, *PROVENANCE]]), plan.unnamed([names])
    told = [f"it has no column for {', '.join(missing)}"] if missing else []
    told += [f"the pipeline doesn't name its {', '.join(unnamed)}"] if unnamed else []
    return f"the file's columns are not the pipeline's: {'; '.join(told)}" if told else None


def refuse(raw: pa.Table, plan: Plan, *, file_index: int, reason: str) -> CleanPart:
    """The part of a refused file: every row is a reject for this reason."""
    import pyarrow as pa

    nothing = clean(raw.slice(0, 0), plan, file_index=file_index)
    count = raw.num_rows
    rows = raw.append_column(SUB, pa.array(np.zeros(count, np.int32)))
    fields = reject_schema().field("problems").type.value_type
    texts = [pa.repeat(pa.scalar(text, pa.string()), count) for text in (CODE, None, None, reason)]
    structs = pa.StructArray.from_arrays(texts, fields=list(fields))
    problems = pa.ListArray.from_arrays(pa.array(np.arange(count + 1, dtype=np.int32)), structs)
    rejects = reject_rows(rows, problems, file_index=file_index)
    if JSON_RECORD in raw.column_names:
        # the record is its raw text
        at = rejects.schema.get_field_index("values")
        rejects = rejects.set_column(at, rejects.schema.field(at), pa.nulls(count, pa.string()))
    tallies = replace(nothing.tallies, staged=count, rejected=count, codes=((CODE, None, count),))
    return replace(nothing, rejects=rejects, staged=count, tallies=tallies)
