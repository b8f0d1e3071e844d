"""Counts the rows that are right, against the truth of `loadlock.testing.maker`. Imports nothing of Loadlock.

    python compare.py TRUTH --duckdb orders.duckdb --table orders --rejects rejects.json
    python compare.py TRUTH --parquet out.parquet
    python compare.py TRUTH --postgres postgresql://localhost/shop --table orders
    python compare.py TRUTH --mysql mysql://root@localhost/shop --table orders

TRUTH is the folder with `truth.parquet` and `truth.json`. Rejects are Parquet files of rejects (a path or glob) or the JSON of
`loadlock rejects BATCH --json`. Prints one JSON document; exits with 0 if everything is right, else with 1. Rows are matched
by the truth's key and compared value by value in the truth's types. Memory is DuckDB's, with a limit of 1 GB.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import duckdb
import pyarrow as pa

EXAMPLES = 10
FETCH_ROWS = 50_000
_SQL_TYPES = {"text": "varchar", "integer": "bigint", "float": "double", "json": "json"}
_REJECT_TYPES = pa.schema(
    [
        ("file", pa.string()),
        ("row", pa.int64()),
        ("line", pa.int64()),
        ("offset", pa.int64()),
        ("codes", pa.list_(pa.string())),
        ("columns", pa.list_(pa.string())),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What was found. All are numbers of rows; `rejects_right` and `reject_mismatch` are None where no rejects were given."""

    received: int
    """Rows and rejects that came out."""
    expected: int
    """Records that went in, by the truth."""
    right: int
    wrong: int
    missing: int
    extra: int
    rejects_right: int | None = None
    reject_mismatch: int | None = None
    """Rejects that are missing, needless, or have another line, offset, code or column than the truth."""
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def is_right(self) -> bool:
        """Every record is where it should be, with the right values or the right reason."""
        return not (self.wrong or self.missing or self.extra or self.reject_mismatch)


def compare(truth: Path, rows: Any, rejects: Any = None) -> Comparison:
    """Compare clean rows and rejects with the truth.

    `rows` is a pyarrow Table or RecordBatchReader with the truth's columns (others are ignored). `rejects` is a Table with the
    columns of Loadlock's reject parts, or an iterable of rejects as JSON objects; None = not compared.
    """
    header = json.loads((truth / "truth.json").read_text(encoding="utf-8"))
    with duckdb.connect() as connection:
        connection.execute("set memory_limit = '1GB'").fetchall()
        connection.execute("set enable_progress_bar = false").fetchall()
        path = str(truth / "truth.parquet").replace("'", "''")
        connection.execute(f"create view truth as from read_parquet('{path}')").fetchall()
        connection.register("given", rows)
        counts, examples = _compare_rows(connection, header)
        if rejects is not None:
            connection.register("given_rejects", _reject_table(rejects))
            found, more = _compare_rejects(connection)
            counts, examples = {**counts, **found}, {**examples, **more}
        counts["received"] += counts.pop("rejects", 0)
        return Comparison(expected=header["records"], examples=examples, **counts)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _typed(value: str, kind: str) -> str:
    """The value in the truth's type; what can't be cast stays as a text that equals nothing."""
    sql_type = _SQL_TYPES.get(kind, kind)
    if sql_type == "json":
        return f"json({value}::varchar)::varchar"
    return f"try_cast({value} as {sql_type})" if sql_type == "varchar" else f"try_cast({value}::varchar as {sql_type})"


def _compare_rows(connection: Any, header: Mapping[str, Any]) -> tuple[dict[str, int], dict[str, list[dict[str, Any]]]]:
    types, key = header["types"], header["key"]
    actual = ", ".join(f"{_typed(_quoted(name), kind)} as {_quoted(name)}" for name, kind in types.items())
    lost = " or ".join(
        f"({_quoted(name)} is not null and {_typed(_quoted(name), kind)} is null)" for name, kind in types.items()
    )
    keys = ", ".join(map(_quoted, key))
    # a key that comes twice is one row too many, not two right rows
    connection.execute(
        f"create table actual as select *, row_number() over (partition by {keys}) as _nth from"
        f" (select {actual}, {lost} as _lost from given)"
    ).fetchall()
    wanted = ", ".join(f"{_typed(_quoted(name), kind)} as {_quoted(name)}" for name, kind in types.items())
    connection.execute(
        f"create view expected as select _file, _row, {wanted} from truth where _code is null"
    ).fetchall()
    same = " and ".join(f"a.{_quoted(name)} = e.{_quoted(name)}" for name in key)
    differs = " or ".join(f"a.{_quoted(name)} is distinct from e.{_quoted(name)}" for name in types if name not in key)
    either = ", ".join(f"coalesce(e.{_quoted(name)}, a.{_quoted(name)}) as {_quoted(name)}" for name in key)
    connection.execute(
        f"create table matched as select {either}, case when a._nth is null then 'missing' when e._row is null then 'extra'"
        f" when a._lost or {differs or 'false'} then 'wrong' else 'right' end as _verdict"
        f" from expected e full join (from actual where _nth = 1) a on {same}"
    ).fetchall()
    found = dict(connection.execute("select _verdict, count(*) from matched group by all").fetchall())
    rows, repeated = connection.execute("select count(*), count(*) filter (where _nth > 1) from actual").fetchall()[0]
    counts = {
        "received": rows,
        **{verdict: found.get(verdict, 0) for verdict in ("right", "wrong", "missing", "extra")},
    }
    counts["extra"] += repeated
    examples = {
        verdict: _examples(connection, verdict, types, key)
        for verdict in ("wrong", "missing", "extra")
        if found.get(verdict)
    }
    return counts, examples


def _examples(connection: Any, verdict: str, types: Mapping[str, str], key: Sequence[str]) -> list[dict[str, Any]]:
    """The first rows of a verdict: their place in the source, and the columns that differ as (found, expected)."""
    on_actual = " and ".join(f"m.{_quoted(name)} = a.{_quoted(name)}" for name in key)
    on_expected = " and ".join(f"m.{_quoted(name)} = e.{_quoted(name)}" for name in key)
    values = ", ".join(f"a.{_quoted(name)}::varchar, e.{_quoted(name)}::varchar" for name in types)
    rows = connection.execute(
        f"select e._file, e._row, {values} from (from matched where _verdict = '{verdict}') m"
        f" left join (from actual where _nth = 1) a on {on_actual} left join expected e on {on_expected}"
        f" order by e._file, e._row limit {EXAMPLES}"
    ).fetchall()
    found = []
    for file, row, *pairs in rows:
        shown = dict(zip(types, zip(pairs[::2], pairs[1::2], strict=True), strict=True))
        different = {name: list(pair) for name, pair in shown.items() if pair[0] != pair[1]}
        found.append({"file": file, "row": row, "found_and_expected": different})
    return found


def _compare_rejects(connection: Any) -> tuple[dict[str, int], dict[str, list[dict[str, Any]]]]:
    connection.execute(
        "create table checked as select coalesce(t._file, r.file) as file, coalesce(t._row, r.row) as row, t._line, r.line,"
        " t._offset, r.offset, t._code, r.codes, t._column, r.columns, coalesce(t._line = r.line and t._offset = r.offset and"
        " len(list_distinct(r.codes)) = 1 and list_contains(string_split(t._code, '|'), r.codes[1]) and"
        " (t._column is null or list_contains(r.columns, t._column)), false) as is_right"
        " from (from truth where _code is not null) t full join given_rejects r on t._file = r.file and t._row = r.row"
    ).fetchall()
    right, mismatch = connection.execute(
        "select count(*) filter (where is_right), count(*) filter (where not is_right) from checked"
    ).fetchall()[0]
    rejects = connection.execute("select count(*) from given_rejects").fetchall()[0][0]
    rows = connection.execute(
        f"select * exclude (is_right) from checked where not is_right order by file, row limit {EXAMPLES}"
    )
    names = [column[0] for column in rows.description]
    examples = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
    counts = {"rejects": rejects, "rejects_right": right, "reject_mismatch": mismatch}
    return counts, {"reject_mismatch": examples} if examples else {}


def _reject_table(rejects: Any) -> pa.Table:
    """Rejects of either form as file, row, line, offset, codes, columns."""
    if isinstance(rejects, pa.Table):
        rejects = rejects.select(["_source_file", "_row", "_line", "_offset", "problems"]).to_pylist()
    return pa.Table.from_pylist([_reject(reject) for reject in rejects], schema=_REJECT_TYPES)


def _reject(given: Mapping[str, Any]) -> dict[str, Any]:
    problems = given["problems"] or []
    return {
        "file": given.get("file", given.get("_source_file")),
        **{name: given.get(name, given.get(f"_{name}")) for name in ("row", "line", "offset")},
        "codes": [problem["code"] for problem in problems],
        "columns": [problem.get("column") for problem in problems],
    }


def read_rejects(place: str) -> Any:
    """Rejects from Parquet files (a path or glob) or a JSON file."""
    if place.endswith(".json"):
        return json.loads(Path(place).read_text(encoding="utf-8"))
    import pyarrow.parquet as pq

    folder = Path(place)
    paths = [folder] if folder.is_file() else sorted(folder.parent.glob(folder.name))
    return pa.concat_tables([pq.read_table(path) for path in paths])


def _reader(names: Sequence[str], blocks: Iterable[Sequence[Sequence[Any]]]) -> pa.RecordBatchReader:
    """Rows of text from a cursor, streaming."""
    schema = pa.schema([(name, pa.string()) for name in names])

    def batches() -> Iterator[pa.RecordBatch]:
        for block in blocks:
            yield pa.record_batch([pa.array(values, pa.string()) for values in zip(*block, strict=True)], schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def _fetch(cursor: Any) -> Iterator[Sequence[Sequence[Any]]]:
    while block := cursor.fetchmany(FETCH_ROWS):
        yield block


def _table(name: str, quote: str) -> str:
    return ".".join(quote + part.replace(quote, quote * 2) + quote for part in name.split("."))


def compare_duckdb(truth: Path, database: str, table: str, rejects: Any) -> Comparison:
    """Compare a table of a DuckDB file."""
    with duckdb.connect(database, read_only=True) as source:
        reader = source.sql(f"select * from {_table(table, chr(34))}").to_arrow_reader(FETCH_ROWS)
        return compare(truth, reader, rejects)


def compare_parquet(truth: Path, path: str, rejects: Any) -> Comparison:
    """Compare a Parquet file."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as source:
        rows = pa.RecordBatchReader.from_batches(source.schema_arrow, source.iter_batches(FETCH_ROWS))
        return compare(truth, rows, rejects)


def compare_postgres(truth: Path, url: str, table: str, rejects: Any) -> Comparison:
    """Compare a table in PostgreSQL, every value as the server writes it."""
    import psycopg

    names = list(json.loads((truth / "truth.json").read_text(encoding="utf-8"))["types"])
    values = ", ".join(f"{_quoted(name)}::text" for name in names)
    with psycopg.connect(url) as connection, connection.cursor("compare") as cursor:
        cursor.execute(f"select {values} from {_table(table, chr(34))}".encode())
        return compare(truth, _reader(names, _fetch(cursor)), rejects)


def compare_mysql(truth: Path, url: str, table: str, rejects: Any) -> Comparison:
    """Compare a table in MySQL or MariaDB, every value as the server writes it."""
    import pymysql
    from pymysql.cursors import SSCursor

    names = list(json.loads((truth / "truth.json").read_text(encoding="utf-8"))["types"])
    values = ", ".join(f"cast(`{name}` as char)" for name in names)
    parts = urlsplit(url)
    connection = pymysql.connect(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 3306,
        user=unquote(parts.username or "root"),
        password=unquote(parts.password or ""),
        database=unquote(parts.path.lstrip("/")),
        charset="utf8mb4",
        cursorclass=SSCursor,
    )
    with closing(connection), connection.cursor() as cursor:
        cursor.execute(f"select {values} from {_table(table, '`')}")
        return compare(truth, _reader(names, _fetch(cursor)), rejects)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Compare what was delivered with the truth.")
    parser.add_argument("truth", type=Path, help="folder with truth.parquet and truth.json")
    source = parser.add_mutually_exclusive_group(required=True)
    for name in ("duckdb", "parquet", "postgres", "mysql"):
        source.add_argument(f"--{name}")
    parser.add_argument("--table", default="orders")
    parser.add_argument("--rejects", help="Parquet files (path or glob) or JSON of the rejects")
    given = parser.parse_args(arguments)
    rejects = None if given.rejects is None else read_rejects(given.rejects)
    if given.parquet:
        found = compare_parquet(given.truth, given.parquet, rejects)
    elif given.duckdb:
        found = compare_duckdb(given.truth, given.duckdb, given.table, rejects)
    elif given.postgres:
        found = compare_postgres(given.truth, given.postgres, given.table, rejects)
    else:
        found = compare_mysql(given.truth, given.mysql, given.table, rejects)
    json.dump(asdict(found), sys.stdout, indent=2, ensure_ascii=False, default=str)
    sys.stdout.write("\n")
    return 0 if found.is_right else 1


if __name__ == "__main__":
    sys.exit(main())
