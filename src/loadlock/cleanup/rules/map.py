"""map: other values from a list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from loadlock.cleanup._lookup import file_rows, place
from loadlock.cleanup._sql import one_of
from loadlock.cleanup.base import Example, Finding, RuleContext, option

if TYPE_CHECKING:
    import pyarrow as pa


class Map:
    """Puts another value in place of a value, by a CSV file (first column: the value as it comes, second: what to put)
    or by `values`. The whole value must be equal. A value that comes twice in the file takes the first line."""

    name: ClassVar[str] = "map"
    summary: ClassVar[str] = "Put other values in place, by a CSV file or a list."
    shorthand: ClassVar[str | None] = "file"
    idempotent: ClassVar[bool] = False  # a: b, b: c
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options={"values": {"Germany": "DE", "France": "FR"}}, before="Germany", after="DE"),
        Example(options={"values": {"Germany": "DE"}}, before="Spain", after="Spain"),
        Example(options={"values": {"Germany": "DE"}, "missing": "null"}, before="Spain", after=None),
        Example(options={"values": {"Germany": "DE"}, "ignore_case": True}, before="GERMANY", after="DE"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        file: str | None = option(
            "CSV (with a header) or Parquet file, its path from the pipeline's folder; or `URL#table` of a database.",
            default=None,
        )
        values: Mapping[str, str] | None = option("The values themselves, `old: new`.", default=None)
        key: str | None = option("The file's column with the values as they come; the first one.", default=None)
        value: str | None = option("The file's column with the values to put; the second one.", default=None)
        missing: Literal["keep", "null", "reject"] = option(
            "What becomes of a value that is not in the list.", default="keep"
        )
        ignore_case: bool = option("Whether `de` is found as `DE`.", default=False)

    def __init__(self, options: Options) -> None:
        if (options.file is None) == (options.values is None):
            raise ValueError("give either `file` or `values`")
        if options.file is None and (options.key or options.value):
            raise ValueError("`key` and `value` name columns of a `file`")
        self.options = options
        self._cached: tuple[Any, dict[str, str]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"options": self.options, "_cached": None}

    def apply(self, values: pa.Array, context: RuleContext) -> pa.Array:
        """Each distinct value is looked up once."""
        import pyarrow as pa
        import pyarrow.compute as pc

        table = self._table(context)
        keys = pc.utf8_lower(values) if self.options.ignore_case else values
        encoded = keys.dictionary_encode()
        found = pa.array([table.get(key) for key in encoded.dictionary.to_pylist()], pa.string())
        mapped = found.take(encoded.indices)
        return pc.coalesce(mapped, values) if self.options.missing == "keep" else mapped

    def findings(self, value: str, context: RuleContext) -> list[Finding]:
        """With `missing: reject`, what is not in the list."""
        if self.options.missing != "reject":
            return []
        keys = tuple(self._table(context))
        known = one_of(value, keys, ignore_case=self.options.ignore_case)
        where = f"the map {self.options.file}" if self.options.file else "the map"
        return [
            Finding(
                code="unmapped",
                sql=f"not ({known})" if keys else f"{value} is not null",
                message=f"{{value}} is not in {where}",
            )
        ]

    def _table(self, context: RuleContext) -> dict[str, str]:
        if self.options.values is not None:
            pairs = list(self.options.values.items())
            return self._first(pairs)
        rows = file_rows(context, self.options.file or "")
        # the same rows come with every part: one million entries are read once
        if self._cached is None or self._cached[0] is not rows:
            key = place(rows, self.options.key, 0, self.options.file or "")
            value = place(rows, self.options.value, 1, self.options.file or "")
            self._cached = rows, self._first([(row[key], row[value]) for row in rows[1:] if len(row) > max(key, value)])
        return self._cached[1]

    def _first(self, pairs: list[tuple[str, str]]) -> dict[str, str]:
        if self.options.ignore_case:
            pairs = [(key.lower(), value) for key, value in pairs]
        return dict(reversed(pairs))
