"""Does it fit? The target's columns against the job's (before anything is touched), and values against the columns.

Values that the target can't hold are found before they are sent and become problems of the stage delivery. Each check is
preceded by a cheap look at the whole column (longest text, greatest number, highest byte), so a chunk without faults costs
next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import EVERY_ROW, ColumnInfo, DeliveryColumn, Job, TableInfo
from loadlock.errors import DoesNotFitError, RefusedError
from loadlock.model import Problem

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

LINEAGE = ("_batch", "_row")
SHOWN_CHARS = 200
"""A problem quotes at most this many characters of a value."""
_NUMBERS = ("integer", "decimal")
_TEXTS = ("text", "json", "uuid")
_MOMENTS = ("date", "timestamp", "timestamptz")
_DAY_MICROSECONDS = 86_400_000_000
_FRACTIONS = ("time", "timestamp", "timestamptz")


def check_contract(info: TableInfo, job: Job, label: str) -> None:
    """Raise DoesNotFitError, naming every finding and its remedy, where the existing target can't take the job's columns."""
    findings = [
        *(finding for column in job.columns for finding in _column_findings(info, column)),
        *_lineage_findings(info, job),
        *_unfilled_findings(info, job),
        *_key_findings(job),
        *_validity_findings(info, job),
    ]
    if findings:
        count = f"{len(findings)} finding" + ("s" if len(findings) > 1 else "")
        raise DoesNotFitError(
            f"{label} does not fit, nothing was touched; {count}:\n" + "\n".join(f"  {line}" for line in findings),
            hint="Change the pipeline's columns or the table, then run again.",
        )


def _column_findings(info: TableInfo, column: DeliveryColumn) -> Iterator[str]:
    found = info.column(column.name)
    if found is None:
        near = [c.name for c in info.columns if c.name.casefold() == column.name.casefold()]
        hint = f"rename it to {near[0]!r}" if near else f"it has {', '.join(c.name for c in info.columns)}"
        yield f"column {column.name!r} is not in the table: {hint}, add it to the table, or leave it out by `columns:`"
    elif found.generated:
        yield f"column {column.name!r} is computed by the database: leave it out by `columns:`"
    elif found.accepts is not None and column.type.kind not in found.accepts:
        choice = " or ".join(found.accepts) or "no type of ours"
        yield (
            f"column {column.name!r} is {found.sql_type} and takes {choice}, not {column.type}: declare that type, or"
            " alter the column"
        )


def _lineage_findings(info: TableInfo, job: Job) -> Iterator[str]:
    if job.lineage:
        for name in LINEAGE:
            if info.column(name) is None:
                yield f"column {name!r} of `lineage: columns` is not in the table: add it, or set `lineage: none`"


def _unfilled_findings(info: TableInfo, job: Job) -> Iterator[str]:
    given = {column.name for column in job.columns} | (set(LINEAGE) if job.lineage else set())
    if job.validity is not None:
        given |= {job.validity.since, job.validity.until}
    for column in info.columns:
        if column.name not in given and not (column.nullable or column.has_default or column.generated):
            yield (
                f"column {column.name!r} of the table must be filled, has no default and is not delivered: deliver it, or"
                " give it a default"
            )


def _key_findings(job: Job) -> Iterator[str]:
    if job.mode.by_key:
        if not job.key and not job.parent_key:
            yield f"mode {job.mode} needs a key: name its columns by `key:`"
        names = {column.name for column in job.columns}
        for name in job.key or job.parent_key:
            if name not in names:
                yield f"key column {name!r} is not among the delivered columns"


def check_settings(job: Job) -> None:
    """Raise RefusedError for settings of the job that contradict its columns; before a target is made."""
    names = {column.name for column in job.columns}
    if job.validity is not None:
        folded = {name.casefold() for name in names}
        for name in (job.validity.since, job.validity.until):
            if name.casefold() in folded:
                raise RefusedError(
                    f"mode scd2 fills column {name!r} itself, and the batch delivers one of this name",
                    hint="Name the columns of the validity by `valid_from:` and `valid_to:`, or rename the batch's.",
                )
    if unknown := [name for name in job.update or () if name not in names and job.update != EVERY_ROW]:
        raise RefusedError(
            f"`update` names {unknown[0]!r}, which is not among the delivered columns",
            hint=f"They are {', '.join(column.name for column in job.columns)}.",
        )


def _validity_findings(info: TableInfo, job: Job) -> Iterator[str]:
    """What an existing table lacks for several versions of a row."""
    if job.validity is None:
        return
    for name in (job.validity.since, job.validity.until):
        found = info.column(name)
        if found is None:
            yield f"column {name!r} of mode scd2 is not in the table: add it (a time stamp), or name another"
        elif found.generated:
            yield f"column {name!r} of mode scd2 is computed by the database"
        elif found.accepts is not None and not {"timestamp", "timestamptz"} & set(found.accepts):
            yield f"column {name!r} of mode scd2 is {found.sql_type}: it must be a time stamp"
        elif name == job.validity.until and not found.nullable:
            yield f"column {name!r} of mode scd2 must be nullable: the row that is valid now has none"
    for unique in info.unique:
        if set(unique) <= set(job.key):
            yield (
                f"a unique index over {', '.join(unique)} admits one row a key, mode scd2 needs one a version: make it one"
                f" over {', '.join((*unique, job.validity.since))}"
            )


@dataclass(frozen=True, kw_only=True)
class Misfit:
    """One value that the target can't hold; `index` is the row in the table given."""

    index: int
    problem: Problem


def misfits(
    rows: pa.Table, columns: Sequence[DeliveryColumn], info: TableInfo, key: Sequence[str] = ()
) -> list[Misfit]:
    """All values of `rows` that their columns in the target can't hold, by row, then column."""
    found: list[Misfit] = []
    for column in columns:
        target = info.column(column.name)
        if target is not None:
            found += _column_misfits(rows[column.name].combine_chunks(), column, target, column.name in key)
    return sorted(found, key=lambda misfit: misfit.index)


def _column_misfits(values: pa.Array, column: DeliveryColumn, target: ColumnInfo, is_key: bool) -> Iterator[Misfit]:
    kind = column.type.kind
    if values.null_count and (is_key or not target.nullable):
        yield from _nulls(values, column.name, target)
    if len(values) == values.null_count:
        return
    if kind in _TEXTS:
        yield from _texts(values, column.name, target)
    elif kind in _NUMBERS:
        yield from _numbers(values, column, target)
    elif kind == "float" and "nan" in target.forbids.split():
        yield from _not_finite(values, column.name, target)
    if kind in _MOMENTS and target.date_range is not None:
        yield from _moments(values, column.name, target)
    if kind in _FRACTIONS and target.scale is not None and target.scale < 6:
        yield from _fractions(values, column.name, target)


def _misfits(values: pa.Array, mask: Any, code: str, name: str, message: str) -> Iterator[Misfit]:
    import pyarrow.compute as pc

    for index in pc.indices_nonzero(pc.fill_null(mask, False)).to_pylist():
        shown = values[index].as_py()
        text = None if shown is None else str(shown)[:SHOWN_CHARS]
        yield Misfit(index=index, problem=Problem(code=code, message=message, column=name, value=text))


def _nulls(values: pa.Array, name: str, target: ColumnInfo) -> Iterator[Misfit]:
    message = f"{name} is null, and the column takes none ({target.sql_type} not null)"
    yield from _misfits(values, values.is_null(), "null_in_column", name, message)


def _text_bytes(values: pa.Array) -> np.ndarray[Any, Any]:
    """The bytes of an Arrow string array (without those before its offset), as numbers."""
    import numpy as np

    _, offsets, data = values.buffers()
    if data is None:
        return np.empty(0, np.uint8)
    bounds = np.frombuffer(offsets, np.int32)
    first, last = bounds[values.offset], bounds[values.offset + len(values)]
    return np.frombuffer(data, np.uint8)[first:last]


def _texts(values: pa.Array, name: str, target: ColumnInfo) -> Iterator[Misfit]:
    import pyarrow as pa
    import pyarrow.compute as pc

    values = values.cast(pa.string())
    limit = min((n for n in (target.max_chars, target.max_bytes) if n is not None), default=None)
    longest = pc.max(pc.binary_length(values)).as_py() or 0
    if limit is not None and longest > limit:
        yield from _too_long(values, name, target)
    forbids = target.forbids.split()
    content = _text_bytes(values) if forbids else None
    if content is None or not content.size:
        return
    if "nul" in forbids and int(content.min()) == 0:
        mask = pc.match_substring(values, "\0")
        yield from _misfits(values, mask, "unsupported_character", name, f"{name} holds a NUL character")
    if "4byte" in forbids and int(content.max()) >= 0xF0:
        mask = pc.match_substring_regex(values, "[\\x{10000}-\\x{10FFFF}]")
        message = f"{name} holds a 4-byte character, and the column's character set has none"
        yield from _misfits(values, mask, "unsupported_character", name, message)
    if "trailing_space" in forbids:
        mask = pc.ends_with(values, " ")
        message = f"{name} ends in a space, which {target.sql_type} does not keep"
        yield from _misfits(values, mask, "unsupported_character", name, message)


def _too_long(values: pa.Array, name: str, target: ColumnInfo) -> Iterator[Misfit]:
    import pyarrow.compute as pc

    if target.max_chars is not None:
        mask = pc.greater(pc.utf8_length(values), target.max_chars)
        message = f"{name} is longer than the {target.max_chars} characters of {target.sql_type}"
        yield from _misfits(values, mask, "too_long_for_column", name, message)
    if target.max_bytes is not None:
        mask = pc.greater(pc.binary_length(values), target.max_bytes)
        message = f"{name} is longer than the {target.max_bytes} bytes of {target.sql_type}"
        yield from _misfits(values, mask, "too_long_for_column", name, message)


def _numbers(values: pa.Array, column: DeliveryColumn, target: ColumnInfo) -> Iterator[Misfit]:
    import pyarrow as pa
    import pyarrow.compute as pc

    bounds = _bounds(column, target)
    if bounds is not None:
        extremes = pc.min_max(values).as_py()
        if extremes["min"] < bounds[0] or extremes["max"] > bounds[1]:
            wide = values.cast(pa.decimal256(76, column.type.scale or 0))
            low, high = (pa.scalar(bound, wide.type) for bound in bounds)
            mask = pc.or_(pc.less(wide, low), pc.greater(wide, high))
            message = f"{column.name} is beyond the range of {target.sql_type}"
            yield from _misfits(values, mask, "too_big_for_column", column.name, message)
    scale = _target_scale(target)
    if scale is not None and (column.type.scale or 0) > scale:
        mask = pc.not_equal(pc.round(values, ndigits=scale), values)
        message = f"{column.name} has more than the {scale} decimals of {target.sql_type}"
        yield from _misfits(values, mask, "too_big_for_column", column.name, message)


def _bounds(column: DeliveryColumn, target: ColumnInfo) -> tuple[Decimal, Decimal] | None:
    """Smallest and greatest number of the job's type that the target holds."""
    if target.integer_range is not None:
        return Decimal(target.integer_range[0]), Decimal(target.integer_range[1])
    if target.precision is not None:
        decimals = column.type.scale or 0
        digits = (9,) * max(target.precision - (target.scale or 0) + decimals, 1)
        return Decimal((1, digits, -decimals)), Decimal((0, digits, -decimals))
    return None


def _target_scale(target: ColumnInfo) -> int | None:
    if target.integer_range is not None:
        return 0
    return target.scale if target.precision is not None else None


def _not_finite(values: pa.Array, name: str, target: ColumnInfo) -> Iterator[Misfit]:
    import pyarrow.compute as pc

    finite = pc.is_finite(values)
    if not pc.all(finite).as_py():
        message = f"{name} is not a finite number, and {target.sql_type} holds no other"
        yield from _misfits(values, pc.invert(finite), "too_big_for_column", name, message)


def _moments(values: pa.Array, name: str, target: ColumnInfo) -> Iterator[Misfit]:
    import pyarrow as pa
    import pyarrow.compute as pc

    assert target.date_range is not None
    low, high = (_days(text) for text in target.date_range)
    numbers = values.cast(pa.int32()) if pa.types.is_date(values.type) else values.cast(pa.int64())
    unit = 1 if pa.types.is_date(values.type) else _DAY_MICROSECONDS
    first, behind = low * unit, (high + 1) * unit
    extremes = pc.min_max(numbers).as_py()
    if extremes["min"] < first or extremes["max"] >= behind:
        mask = pc.or_(pc.less(numbers, first), pc.greater_equal(numbers, behind))
        shown = values.cast(pa.string())
        message = f"{name} is outside {target.date_range[0]} to {target.date_range[1]}, the range of {target.sql_type}"
        yield from _misfits(shown, mask, "out_of_date_range", name, message)


def _days(iso: str) -> int:
    """Days since 1970 of an ISO date; years before 1 are written with a minus (astronomical, as ISO 8601 has them)."""
    sign, text = (-1, iso[1:]) if iso.startswith("-") else (1, iso)
    year, month, day = (int(word) for word in text.split("-"))
    year = sign * year - (month <= 2)
    era, month = year // 400, (month + 9) % 12
    of_era = year - era * 400
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + (153 * month + 2) // 5 + day - 1 - 719_468


def _fractions(values: pa.Array, name: str, target: ColumnInfo) -> Iterator[Misfit]:
    import numpy as np
    import pyarrow as pa

    assert target.scale is not None
    step = 10 ** (6 - target.scale)
    numbers = values.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    rest = np.remainder(numbers, step) != 0
    if rest.any():
        message = f"{name} has more than the {target.scale} fractional digits of {target.sql_type}"
        yield from _misfits(values.cast(pa.string()), pa.array(rest), "too_big_for_column", name, message)
