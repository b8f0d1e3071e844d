"""Lookups that a pipeline names, read when it is loaded: CSV and Parquet files, tables of databases. All become rows of text."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from loadlock.errors import LoadlockError, UsageError
from loadlock.pipeline import _read_files, secrets
from loadlock.pipeline.written import WrongValueError
from loadlock.sheets import address as sheets
from loadlock.sheets import read as sheet_reading

Rows = tuple[tuple[str, ...], ...]

MOST = _read_files.MAX_LOOKUP_ROWS
_PARQUET = (".parquet", ".pq")
_DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
    "sqlite": "sqlite",
}
_NAME = re.compile(r'"((?:[^"]|"")+)"|([^."]+)')
_CONNECT_SECONDS = 15


def lookup(written: str, base_folder: Path, environment: Mapping[str, str]) -> Rows:
    """The rows of a lookup, the header first. Raises WrongValueError.

    `written` is the path of a CSV or Parquet file, `URL#schema.table` (the URL may hold `${NAME}`), or the address of a
    Google sheet; the rows of a table come in an order that depends on their values alone.
    """
    if sheets.canonical(written) or written.startswith(f"{sheets.SCHEME}://"):
        return _from_sheet(written)
    address, mark, table = written.rpartition("#")
    if mark and ("://" in address or address.startswith("${")):
        return _from_database(address, table, environment)
    if Path(written).suffix.lower() in _PARQUET:
        return _from_parquet(written, base_folder)
    return _read_files.lookup(written, base_folder)


def _from_sheet(written: str) -> Rows:
    try:
        wanted = sheets.parse(written)
        wire = sheet_reading.open_sheet(wanted)
        try:
            found = list(islice(sheet_reading.lines(wire, sheet_reading.area_of(wire, wanted)), MOST + 2))
        finally:
            wire.close()
    except sheet_reading.ChangedMeanwhileError:
        raise WrongValueError(f"{written} was edited while it was read", "Load the pipeline again.") from None
    except LoadlockError as error:
        raise WrongValueError(
            f"the lookup {written} can't be read: {error}", error.hint or "Look at the address."
        ) from None
    rows = [line for line in found if line]
    _not_too_many(written, len(rows) - 1)
    width = max(map(len, rows), default=0)
    return tuple((*line, *[""] * (width - len(line))) for line in rows)


def _from_parquet(written: str, base_folder: Path) -> Rows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(base_folder / written) as file:
            _not_too_many(written, file.metadata.num_rows)
            found = file.read()
    except (OSError, pa.ArrowException) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise WrongValueError(
            f"the file {written!r} can't be read: {reason}", f"Paths start at the pipeline's folder ({base_folder})."
        ) from None
    columns = [column.to_pylist() for column in found.columns]
    return (tuple(found.column_names), *_texts(zip(*columns, strict=True)))


def _from_database(address: str, table: str, environment: Mapping[str, str]) -> Rows:
    name = f"the lookup {secrets.label(address)}#{table}"
    try:
        url = secrets.resolve(address, environment)
    except UsageError as error:
        raise WrongValueError(str(error), error.hint or "Set it.") from None
    header, rows = _rows_of(url, _parts(table, name), name)
    _not_too_many(name, len(rows))
    return (header, *sorted(_texts(rows)))


def _parts(table: str, name: str) -> tuple[str | None, str]:
    """(schema, table) of a name whose parts may be quoted as in SQL."""
    parts = [quoted.replace('""', '"') or plain for quoted, plain in _NAME.findall(table)]
    if len(parts) not in (1, 2):
        raise WrongValueError(f"{name} names no table", "Write it as URL#schema.table.")
    return (parts[0] if len(parts) == 2 else None), parts[-1]


def _rows_of(url: str, table: tuple[str | None, str], name: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    scheme = url.partition("://")[0]
    try:
        if scheme == "duckdb":
            return _from_duckdb(url, table)
        if scheme not in _DRIVERS:
            raise WrongValueError(
                f"{name} is in no database that lookups are read from", "Use one of the destinations'."
            )
        return _by_sqlalchemy(_DRIVERS[scheme] + url.removeprefix(scheme), table)
    except WrongValueError:
        raise
    except Exception as error:  # every driver has errors of its own
        first = secrets.redact(str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__)
        raise WrongValueError(f"{name} can't be read: {first}", "Look at its address, name and rights.") from None


def _from_duckdb(url: str, table: tuple[str | None, str]) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    import duckdb

    quoted = ".".join('"' + part.replace('"', '""') + '"' for part in table if part is not None)
    with duckdb.connect(url.removeprefix("duckdb:///"), read_only=True) as connection:
        cursor = connection.execute(f"select * from {quoted} limit {MOST + 1}")
        return tuple(column[0] for column in cursor.description), cursor.fetchall()


def _by_sqlalchemy(url: str, table: tuple[str | None, str]) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    import sqlalchemy as sa

    options = {} if url.startswith("sqlite") else {"connect_args": {"connect_timeout": _CONNECT_SECONDS}}
    engine = sa.create_engine(url, poolclass=sa.NullPool, **options)
    wanted: Any = sa.select(sa.literal_column("*")).select_from(sa.table(table[1], schema=table[0])).limit(MOST + 1)
    with engine.connect() as connection:
        result = connection.execute(wanted)
        return tuple(result.keys()), [tuple(row) for row in result]


def _not_too_many(name: str, rows: int) -> None:
    if rows > MOST:
        raise WrongValueError(f"{name} has more than {MOST:,} rows", "Use a smaller lookup, or join in the database.")


def _texts(rows: Iterable[tuple[Any, ...]]) -> list[tuple[str, ...]]:
    return [tuple(map(_text, row)) for row in rows]


def _text(value: Any) -> str:
    """A value as it would stand in a CSV file; null is empty."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case Decimal():
            return f"{value:f}"
        case datetime.datetime():
            return value.isoformat(sep=" ")
        case datetime.date() | datetime.time():
            return value.isoformat()
        case bytes():
            return value.hex()
        case _:
            return str(value)
