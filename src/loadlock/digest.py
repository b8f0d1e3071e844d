"""The digest of clean rows: the same on every engine, destination and cut into parts (docs/reference/digest.md).

A row is encoded in one of two forms, told apart by the first character behind the seed (a hash of the columns' names
and types): `p`, the values' canonical texts joined by U+001F with `\\N` for null, used where no text value holds U+001F or
is `\\N` itself; else `l`, `<bytes>:<text>` for each value and `~` for null. The MD5 of the encoding is read as a little-
endian number; the digest is the sum of the rows' numbers modulo 2^128. Columns whose name starts with `_` are left out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from loadlock.prepared import Statement
from loadlock.types import ColumnType

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

MODULUS = 1 << 128
GROUP = 100
"""Columns whose texts are joined by one query: DuckDB takes much longer to plan a query of very many columns."""
_LIMBS = 4


def schema_seed(columns: Sequence[tuple[str, ColumnType]]) -> str:
    """Hash of the columns' names and types, 16 hex digits; the first thing in every row's encoding."""
    kept = [[name, str(kind)] for name, kind in columns if not name.startswith("_")]
    document = json.dumps(kept, ensure_ascii=False, separators=(",", ":"))
    return hashlib.md5(document.encode(), usedforsecurity=False).hexdigest()[:16]


def canonical_sql(value: str, kind: ColumnType) -> str:
    """The canonical text of a value as DuckDB SQL; null stays null. JSON must be canonical text already."""
    match kind.kind:
        case "text" | "json":
            return value
        case "uuid":
            return f"lower({value})"
        case "float":
            # -0 becomes 0: not every destination keeps it
            return f"case when isnan({value}) then 'nan' else ({value} + 0.0)::varchar end"
        case "timestamp" | "timestamptz":
            return f"epoch_us({value})::varchar"
        case _:
            return f"{value}::varchar"


def doubtful(columns: Sequence[tuple[str, ColumnType]], *, values: Sequence[str]) -> list[str]:
    """SQL conditions, one a text column: the value needs the form with lengths."""
    return [
        doubt(value)
        for (name, kind), value in zip(columns, values, strict=True)
        if not name.startswith("_") and kind.kind in ("text", "json")
    ]


DOUBTED = (b"\x1f", b"\\N")
"""A text without these bytes is not in doubt."""


def doubt(value: str) -> str:
    """SQL condition: this text needs the form with lengths."""
    return f"(contains({value}, chr(31)) or {value} = '\\N')"


def row_hash_sql(
    columns: Sequence[tuple[str, ColumnType]], *, values: Sequence[str], condition: Callable[[str], str] = str
) -> str:
    """SQL expression (uhugeint) of a row's hash; `values` are the SQL expressions of the columns' values, in their order.

    `condition` gives what stands for each of the `doubtful` conditions.
    """
    kept = [(value, kind) for (name, kind), value in zip(columns, values, strict=True) if not name.startswith("_")]
    seed = schema_seed(columns)
    texts = [canonical_sql(value, kind) for value, kind in kept]
    doubts = [condition(doubt) for doubt in doubtful(columns, values=values)]
    plain = ", ".join([f"'{seed}p'", *(f"coalesce({text}, '\\N')" for text in texts)])
    joined = f"concat_ws(chr(31), {plain})"
    if not doubts:
        return f"md5_number({joined})"
    return (
        f"md5_number(case when {' or '.join(doubts)} then concat('{seed}l', {_with_lengths(texts)}) else {joined} end)"
    )


def groups_of(columns: Sequence[tuple[str, ColumnType]]) -> int:
    """How many groups of their columns rows are hashed by; 0 where they are hashed in one piece."""
    kept = sum(not name.startswith("_") for name, _ in columns)
    return -(-kept // GROUP) if kept > GROUP else 0


def row_texts_sql(columns: Sequence[tuple[str, ColumnType]], *, values: Sequence[str]) -> list[str]:
    """Select lists, one a group of columns: the group's part of either form, and whether it needs the one with lengths."""
    kept = [(column, value) for column, value in zip(columns, values, strict=True) if not column[0].startswith("_")]
    lists = []
    for number, start in enumerate(range(0, len(kept), GROUP)):
        group = kept[start : start + GROUP]
        texts = [canonical_sql(value, kind) for (_, kind), value in group]
        doubts = doubtful([column for column, _ in group], values=[value for _, value in group])
        lists.append(
            f"{_joined(texts)} as hp{number}, {_with_lengths(texts)} as hl{number},"
            f" coalesce({' or '.join(doubts) or 'false'}, false) as hd{number}"
        )
    return lists


def row_hash_of_texts_sql(columns: Sequence[tuple[str, ColumnType]], groups: int) -> str:
    """SQL expression of a row's hash over what `row_texts_sql` selects."""
    seed = schema_seed(columns)
    doubt = " or ".join(f"hd{number}" for number in range(groups))
    lengths = ", ".join(f"hl{number}" for number in range(groups))
    plain = ", ".join(f"hp{number}" for number in range(groups))
    return f"md5_number(case when {doubt} then concat('{seed}l', {lengths}) else concat_ws(chr(31), '{seed}p', {plain}) end)"


def names_of_texts(groups: int) -> list[str]:
    """The columns that `row_texts_sql` selects."""
    return [f"{kind}{number}" for number in range(groups) for kind in ("hp", "hl", "hd")]


def _joined(texts: Sequence[str]) -> str:
    listed = ", ".join(f"coalesce({text}, '\\N')" for text in texts)
    return f"concat_ws(chr(31), {listed})"


def _with_lengths(texts: Sequence[str]) -> str:
    listed = ", ".join(f"coalesce(strlen({text})::varchar || ':' || {text}, '~')" for text in texts)
    return f"concat({listed})"


def limb_sums_sql(row_hash: str) -> str:
    """SQL select list that sums the four 32-bit limbs of `row_hash`, lowest first (a plain sum would overflow)."""
    return ", ".join(
        f"coalesce(sum((({row_hash} >> {32 * limb}) & 4294967295::uhugeint)::ubigint), 0) as limb{limb}"
        for limb in range(_LIMBS)
    )


def from_limbs(sums: Sequence[Any]) -> int:
    """The digest from the four limb sums."""
    return sum(int(value) << (32 * limb) for limb, value in enumerate(sums)) % MODULUS


def hashes_of(column: pa.Array) -> np.ndarray[Any, Any]:
    """The rows' hashes as DuckDB hands out `row_hash_sql` (16 bytes a row): uint32 limbs, lowest first, shape (rows, 4)."""
    import numpy as np

    return np.frombuffer(column.buffers()[1], np.uint32).reshape(-1, _LIMBS)[
        column.offset : column.offset + len(column)
    ]


def sum_of(hashes: np.ndarray[Any, Any]) -> int:
    """The digest of rows with these hashes (see `hashes_of`)."""
    import numpy as np

    return from_limbs(hashes.sum(axis=0, dtype=np.uint64).tolist())


def to_hex(digest: int) -> str:
    """32 hex digits."""
    return f"{digest % MODULUS:032x}"


def digest_query(columns: Sequence[tuple[str, ColumnType]]) -> str:
    """The query over `part`, the relation that `with_texts` gives, whose one row `digest_of` reads."""
    return f"select {limb_sums_sql('h')} from ({hash_query(columns)})"


def hash_query(columns: Sequence[tuple[str, ColumnType]]) -> str:
    """The query over such a relation that gives each row's hash, `h`."""
    return f"select {hash_of_input_sql(columns)} as h from part"


def hash_of_input_sql(columns: Sequence[tuple[str, ColumnType]]) -> str:
    """A row's hash as SQL over such a relation."""
    if groups := groups_of(columns):
        return row_hash_of_texts_sql(columns, groups)
    return row_hash_sql(columns, values=_places(columns))


def with_texts(
    given: pa.Table, columns: Sequence[tuple[str, ColumnType]], ask: Callable[[str, pa.Table], pa.Table]
) -> pa.Table:
    """What `digest_input` gave, with what `hash_query` and `digest_query` need of very many columns beside it.

    `ask` = the result of a query over the relation `part`.
    """
    if not groups_of(columns):
        return given
    answers = [ask(f"select {texts} from part", given) for texts in row_texts_sql(columns, values=_places(columns))]
    for found in answers:
        for name in found.column_names:
            given = given.append_column(name, found[name])
    return given


def _places(columns: Sequence[tuple[str, ColumnType]]) -> list[str]:
    return [f"c{number}" for number in range(len(columns))]


def digest_input(table: pa.Table, columns: Sequence[tuple[str, ColumnType]]) -> pa.Table:
    """The columns by place (`c0`, `c1` ...), so that any name will do; JSON columns as canonical text."""
    given = canonical_json_columns(table.select([name for name, _ in columns]), columns)
    return given.rename_columns(_places(columns))


def digest_of(result: pa.Table) -> int:
    """The digest that `digest_query` found."""
    (sums,) = result.to_pylist()
    return from_limbs([sums[f"limb{limb}"] for limb in range(_LIMBS)])


class Digester:
    """Digests tables with the same columns, one after the other. Not thread-safe; `close` lets DuckDB go."""

    def __init__(self, columns: Sequence[tuple[str, ColumnType]]) -> None:
        import duckdb

        self.columns = list(columns)
        self._connection = duckdb.connect(config={"threads": "1"})
        self._statements: dict[str, Statement] = {}

    def __enter__(self) -> Digester:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def of(self, table: pa.Table) -> int:
        """The digest of a table's rows; other columns are ignored."""
        given = with_texts(digest_input(table, self.columns), self.columns, self._run)
        return digest_of(self._run(digest_query(self.columns), given))

    def _run(self, sql: str, given: pa.Table) -> pa.Table:
        key = f"{given.schema}{sql}"
        if key not in self._statements:
            self._statements[key] = Statement(self._connection, len(self._statements), sql, given)
        return self._statements[key].run(given)

    def close(self) -> None:
        """End the connection; called again it does nothing."""
        self._statements.clear()
        self._connection.close()


def digest_table(table: pa.Table, columns: Sequence[tuple[str, ColumnType]]) -> int:
    """The digest of one table's rows."""
    with Digester(columns) as digester:
        return digester.of(table)


def canonical_json_columns(table: pa.Table, columns: Sequence[tuple[str, ColumnType]]) -> pa.Table:
    """The table with its JSON columns as canonical text (keys sorted, no white space, numbers normalised)."""
    import pyarrow as pa

    for name, kind in columns:
        if kind.kind == "json" and not name.startswith("_"):
            # texts repeat: each different one is parsed once
            coded = table[name].combine_chunks().cast(pa.string()).dictionary_encode()
            texts = pa.array([canonical_json(text) for text in coded.dictionary.to_pylist()], pa.string())
            canonical = texts.take(coded.indices)
            table = table.set_column(table.schema.get_field_index(name), name, canonical)
    return table


def canonical_json(text: str) -> str:
    """JSON with sorted keys, no white space and normalised numbers (1.10 = 1.1, 1e2 = 100); the last of equal keys wins."""
    return _dump(json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=str))


def _dump(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k, ensure_ascii=False)}:{_dump(v)}" for k, v in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_dump, value)) + "]"
    if isinstance(value, Decimal):
        return _number(value)
    return json.dumps(value, ensure_ascii=False)


def _number(value: Decimal) -> str:
    """Digits without exponent where short, else as written by a normalised scientific form."""
    if value == 0:
        return "0"
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits)).rstrip("0")
    exponent += len(digits) - len(text)
    return f"{'-' if sign else ''}{text}e{exponent}"


def quote(name: str) -> str:
    """A DuckDB identifier."""
    return '"' + name.replace('"', '""') + '"'
