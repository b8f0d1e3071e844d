"""Parts at rest as Parquet files: `staging/<batch, 16 digits>/<scope>/<kind>/<seq>.parquet`, one row group each.

LZ4 writes and reads a part of text in two thirds of the time of zstd level 1 and takes twice the room; the source's
bytes, which are kept longest, lie compressed with zstd. Pages carry checksums, so a damaged part is found when read.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadlock.durable import clear_debris, workspace_error, written_whole
from loadlock.errors import WorkspaceError
from loadlock.model import PartKey, PartRef

if TYPE_CHECKING:
    import pyarrow as pa

FOLDER = "staging"
PAGE_BYTES = 4 << 20
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


class ParquetStaging:
    """Staging in the folder `staging` of a workspace. `root` = the workspace; made when first written to."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, key: PartKey, table: pa.Table, *, file_index: int | None = None) -> PartRef:
        """See `Staging.write`."""
        location = _location(key)
        path = self.root / location
        try:
            clear_debris(path)
            with written_whole(path) as beside:
                _write_table(table, beside)
                size = beside.stat().st_size
        except OSError as error:
            raise workspace_error(f"can't write the part {path}", error) from error
        return PartRef(key=key, location=location, rows=table.num_rows, bytes=size, file_index=file_index)

    def read(self, ref: PartRef, *, columns: list[str] | None = None) -> pa.Table:
        """See `Staging.read`."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.root / ref.location
        try:
            # no threads, no read-ahead: the engine already reads several parts at once, and memory stays low
            with pq.ParquetFile(path, pre_buffer=False, page_checksum_verification=True) as file:
                table = file.read(columns=columns, use_threads=False)
        except FileNotFoundError as error:
            raise _gone(path) from error
        except (OSError, pa.ArrowException) as error:
            raise _damaged(path, str(error)) from error
        if table.num_rows != ref.rows:
            raise _damaged(path, f"it holds {table.num_rows:,} rows, not {ref.rows:,}")
        return table if columns is None else table.select(columns)

    def bind(self, connection: Any, name: str, refs: list[PartRef], *, columns: list[str] | None = None) -> None:
        """See `Staging.bind`. Damage inside a part shows when the view is read, as DuckDB's error."""
        import duckdb

        paths = [self.root / ref.location for ref in refs]
        for path in paths:
            if not path.is_file():
                raise _gone(path)
        chosen = "*" if columns is None else ", ".join(map(_quoted, columns))
        files = ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths)
        rows = f"select {chosen} from read_parquet([{files}], union_by_name = true)" if refs else _no_rows(columns)
        try:
            connection.execute(f"create or replace temp view {_quoted(name)} as {rows}").fetchall()
        except duckdb.Error as error:
            raise WorkspaceError(f"can't read the parts of {name}: {error}") from error

    def remove(self, batch: str, *, scope: str | None = None) -> None:
        """See `Staging.remove`."""
        folder = self.root / FOLDER / _safe(batch[:16])
        folder = folder if scope is None else folder / _safe(scope)
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise workspace_error(f"can't remove the parts in {folder}", error) from error


def _write_table(table: pa.Table, path: Path) -> None:
    """One row group; dictionary pages only for what is a dictionary already, since trying them on text costs most."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    encoded = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
    integers = [field.name for field in table.schema if pa.types.is_signed_integer(field.type)]
    pq.write_table(
        table,
        path,
        row_group_size=max(table.num_rows, 1),
        compression="lz4",
        use_dictionary=encoded,
        column_encoding=dict.fromkeys(integers, "DELTA_BINARY_PACKED"),
        write_statistics=False,
        write_page_checksum=True,
        data_page_size=PAGE_BYTES,
    )


def _location(key: PartKey) -> str:
    return f"{FOLDER}/{_safe(key.batch[:16])}/{_safe(key.scope)}/{key.kind}/{key.seq:06d}.parquet"


def _safe(name: str) -> str:
    """A name that can't leave the staging folder."""
    if not _NAME.fullmatch(name):
        raise WorkspaceError(f"{name!r} is no batch, generation or run that staging could hold")
    return name


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _no_rows(columns: list[str] | None) -> str:
    """A view needs a column even where no part exists."""
    names = columns or ["_row"]
    return f"select {', '.join(f'null::varchar as {_quoted(name)}' for name in names)} where false"


def _gone(path: Path) -> WorkspaceError:
    return WorkspaceError(
        f"the part {path} is listed in the ledger but is not there",
        hint="Put the workspace's staging folder back, or take the batch in again with `loadlock run --files all`.",
    )


def _damaged(path: Path, reason: str) -> WorkspaceError:
    return WorkspaceError(
        f"the part {path} is damaged: {reason}",
        hint="Put the file back from a copy, or take the batch in again with `loadlock run --files all`.",
    )
