"""The verbs that only look: the quarantine, SQL over a batch, the ledger's lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from loadlock.errors import UsageError
from loadlock.ledger.base import BatchRecord, RunRecord
from loadlock.model import PartKind, PartRef
from loadlock.quarantine.read import RejectFilter
from loadlock.rows import FILE, IDENTITY, ROW, reject_schema
from loadlock.workflow.cleaning import batch_scope
from loadlock.workflow.quarantine import quarantine_of, standing_run
from loadlock.workflow.run_record import reject_scopes
from loadlock.workflow.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

QUERY_MEMORY = "512MB"
_VIEWS = "The views are raw, clean and rejects."


def find(workspace: Workspace, name: str) -> tuple[BatchRecord, RunRecord]:
    """A batch and its run by the id (or a unique prefix) of either; of a batch, the run that says how it stands."""
    if name.startswith("r"):
        run = workspace.ledger.find_run(name)
        batch = workspace.ledger.batch(run.batch)
        assert batch is not None
        return batch, run
    batch = workspace.ledger.find_batch(name)
    return batch, standing_run(workspace.ledger, batch)


def reject_tables(workspace: Workspace, run: RunRecord) -> Iterator[pa.Table]:
    """The reject parts of a run alone, intake's first, one at a time."""
    batch = workspace.ledger.batch(run.batch)
    assert batch is not None
    for scope in reject_scopes(run, batch.generation):
        for record in workspace.ledger.parts(run.batch, scope, PartKind.REJECTS):
            yield workspace.staging.read(record.ref)


def rejects(workspace: Workspace, name: str, wanted: RejectFilter) -> Iterator[dict[str, Any]]:
    """The rejects of a batch (as it stands) or of a run, as the JSON of the contract, streaming."""
    return quarantine_of(workspace, name).rows(wanted)


def query(workspace: Workspace, name: str, sql: str) -> pa.Table:
    """The result of SQL over the views `raw`, `clean` and `rejects` of a batch.

    The query may read these rows and nothing else: no other file, no network, no settings. Raises UsageError with
    DuckDB's message where it is wrong.
    """
    import duckdb

    batch, run = find(workspace, name)
    config: dict[str, Any] = {"memory_limit": QUERY_MEMORY, "temp_directory": str(workspace.temp)}
    with duckdb.connect(config=config) as connection:
        _bind_views(workspace, connection, batch, run)
        folder = str(workspace.root / "staging").replace("'", "''")
        for setting in (
            f"set allowed_directories = ['{folder}']",
            "set enable_external_access = false",
            "set lock_configuration = true",
        ):
            connection.execute(setting).fetchall()
        try:
            _check_only_reads(connection, sql)
            return connection.sql(sql).to_arrow_table()
        except duckdb.Error as exc:
            raise UsageError(f"the query failed: {exc}", hint=_VIEWS) from exc


def _check_only_reads(connection: Any, sql: str) -> None:
    """The folder of the parts must be open to the views' reading, and a COPY could write there."""
    import duckdb

    statements = connection.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise UsageError("the query is not one SELECT", hint=_VIEWS)


def _bind_raw(workspace: Workspace, connection: Any, batch: BatchRecord) -> None:
    """The view `raw`: the staged rows with the number of their file, by which `clean` and `rejects` know them."""
    parts = workspace.ledger.parts(batch.batch, f"g{batch.generation}", PartKind.RAW)
    of_file: dict[int, list[PartRef]] = {}
    for record in parts:
        if record.ref.rows and record.ref.file_index is not None:
            of_file.setdefault(record.ref.file_index, []).append(record.ref)
    for index, refs in of_file.items():
        workspace.staging.bind(connection, f"_raw_{index}", refs)
    selects = [f"select *, {index}::integer as {FILE} from _raw_{index}" for index in of_file]
    rows = " union all by name ".join(selects) or f"select 0 as {ROW}, 0 as {FILE} where false"
    connection.execute(f"create view raw as {rows}").fetchall()


def _bind_views(workspace: Workspace, connection: Any, batch: BatchRecord, run: RunRecord) -> None:
    ledger, staging = workspace.ledger, workspace.staging

    def bind(view: str, scopes: list[str], kind: PartKind) -> bool:
        refs = [record.ref for scope in scopes for record in ledger.parts(batch.batch, scope, kind) if record.ref.rows]
        if refs:
            staging.bind(connection, view, refs)
        return bool(refs)

    scopes = reject_scopes(run, batch.generation)
    _bind_raw(workspace, connection, batch)
    if not bind("rejects", scopes, PartKind.REJECTS):
        connection.register("rejects", reject_schema().empty_table())
    if not bind("_clean", [run.run], PartKind.CLEAN):
        connection.execute("create view clean as select 0 as _row where false").fetchall()
    elif bind("_dropped", [batch_scope(run.run)], PartKind.DROPPED):
        same = " and ".join(f"d.{name} = c.{name}" for name in IDENTITY)
        connection.execute(f"create view clean as select c.* from _clean c anti join _dropped d on {same}").fetchall()
    else:
        connection.execute("create view clean as select * from _clean").fetchall()
