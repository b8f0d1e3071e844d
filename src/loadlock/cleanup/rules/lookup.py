"""lookup: values from another table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from loadlock.cleanup._lookup import file_rows, label, place
from loadlock.cleanup.base import RowExample, RuleContext, Touched, option
from loadlock.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

_JOINT = "\x1f"


class Lookup:
    """Brings values from another table into the row: from a CSV or Parquet file, or from a table of a database. The lookup is
    read when the pipeline is loaded, and is part of it: a changed lookup is a changed pipeline.

    `match` says which columns of the row and of the lookup must be equal (as text, wholly), `take` which column of the row gets
    which column of the lookup. A key that stands in the lookup twice is a mistake, unless both rows give the same.
    """

    name: ClassVar[str] = "lookup"
    summary: ClassVar[str] = "Bring values from a CSV or Parquet file or a database table into the row."
    code: ClassVar[str] = "not_found"
    example_lookups: ClassVar[Mapping[str, tuple[tuple[str, ...], ...]]] = {
        "customers.csv": (("id", "name", "city"), ("7", "Ann Lee", "Rome"), ("8", "Bo Berg", "Oslo")),
    }
    examples: ClassVar[tuple[RowExample, ...]] = (
        RowExample(
            options={
                "file": "customers.csv",
                "match": {"customer": "id"},
                "take": {"customer_name": "name", "city": "city"},
            },
            before={"customer": "7"},
            after={"customer_name": "Ann Lee", "city": "Rome"},
        ),
        RowExample(
            options={"file": "customers.csv", "match": {"customer": "id"}, "take": {"city": "city"}, "missing": "null"},
            before={"customer": "9"},
            after={"city": None},
        ),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        match: Mapping[str, str] = option("Columns that must be equal, `row: lookup`.")
        take: Mapping[str, str] = option("Columns to fill, `row: lookup`.")
        file: str = option(
            "CSV (with a header) or Parquet file, its path from the pipeline's folder; or `URL#table` of a database."
        )
        missing: Literal["reject", "null"] = option("What becomes of a row without a match.", default="reject")

    def __init__(self, options: Options) -> None:
        if not options.match or not options.take:
            raise ValueError("`match` and `take` must name at least one column each")
        self.options = options
        self._cached: tuple[Any, Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"options": self.options, "_cached": None}

    def touches(self, column: str) -> Touched:
        """From the keys to what is taken."""
        if column:
            raise ValueError("write the columns in `match` and `take`, and leave `column:` out")
        return Touched(reads=tuple(self.options.match), writes=tuple(self.options.take))

    def row_apply(self, values: pa.Table, column: str, context: RuleContext) -> tuple[pa.Table, pa.Array]:
        """Keys are looked up in one go. A row without a key has no match, and that is no problem."""
        import pyarrow as pa
        import pyarrow.compute as pc

        keys, taken = self._table(context)
        own = _joined([values[name].combine_chunks() for name in self.options.match])
        places = pc.index_in(own, value_set=keys)
        made = pa.table({name: taken[name].take(places) for name in self.options.take})
        missing = pc.and_(pc.is_null(places), pc.is_valid(own))
        if self.options.missing == "null" or not pc.any(missing, min_count=0).as_py():
            return made, pa.nulls(len(own), pa.string())
        said = pc.binary_join_element_wise(
            "'",
            pc.replace_substring(own, _JOINT, ", "),
            f"' is not in the lookup {label(self.options.file)}",
            "",
        )
        return made, pc.if_else(missing, said.cast(pa.string()), pa.nulls(len(own), pa.string()))

    def _table(self, context: RuleContext) -> tuple[pa.Array, dict[str, pa.Array]]:
        """The different keys, and what each gives."""
        path = self.options.file
        rows = file_rows(context, path)
        if self._cached is None or self._cached[0] is not rows:
            on = [place(rows, name, 0, path) for name in self.options.match.values()]
            take = [place(rows, name, 0, path) for name in self.options.take.values()]
            self._cached = rows, _arrays(_first_of_each(rows[1:], on, take, path), tuple(self.options.take))
        found: tuple[pa.Array, dict[str, pa.Array]] = self._cached[1]
        return found


def _first_of_each(
    rows: tuple[tuple[str, ...], ...], on: list[int], take: list[int], path: str
) -> dict[str, tuple[str | None, ...]]:
    found: dict[str, tuple[str | None, ...]] = {}
    for row in rows:
        key, given = _JOINT.join(row[index] for index in on), tuple(row[index] or None for index in take)
        if found.setdefault(key, given) != given:
            raise UsageError(
                f"the key {key.replace(_JOINT, ', ')!r} stands twice in {label(path)} with different values",
                hint="Leave one of the rows out.",
            )
    return found


def _arrays(found: dict[str, tuple[str | None, ...]], names: tuple[str, ...]) -> tuple[pa.Array, dict[str, pa.Array]]:
    import pyarrow as pa

    columns = zip(*found.values(), strict=True) if found else [()] * len(names)
    keys = pa.array(list(found), pa.string())
    return keys, {name: pa.array(list(column), pa.string()) for name, column in zip(names, columns, strict=True)}


def _joined(columns: list[pa.Array]) -> pa.Array:
    """The keys as one text; null where a part of it is null or empty."""
    import pyarrow as pa
    import pyarrow.compute as pc

    filled = [pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column) for column in columns]
    return filled[0] if len(filled) == 1 else pc.binary_join_element_wise(*filled, _JOINT)
