"""The verbs that only look: the quarantine, SQL over a batch, the ledger's lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from loadlock.errors import UsageError
from loadlock.ledger.base import BatchRecord, RunRecord
from loadlock.model import PartKind, PartRef
from loadlock.quarantine.read import ALL, RejectFilter, filter_rejects
from loadlock.rows import FILE, IDENTITY, ROW, reject_schema
from loadlock.workflow.cleaning import batch_scope
from loadlock.workflow.quarantine import Quarantine, quarantine_of, standing_run
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
    """The views over a batch as it stands after this run, replays included."""
    quarantine = Quarantine(workspace, batch, run)
    _bind_raw(workspace, connection, batch)
    _bind_rejects(quarantine, connection)
    selects = [_clean_of(quarantine, connection, number) for number in range(len(quarantine.layers))]
    rows = " union all by name ".join(select for select in selects if select) or "select 0 as _row where false"
    connection.execute(f"create view clean as {rows}").fetchall()


def _bind_rejects(quarantine: Quarantine, connection: Any) -> None:
    """Straight from the parts, but where operators did something: then as it stands, held in memory."""
    import pyarrow as pa

    if quarantine.acts or len(quarantine.layers) > 1:
        tables = [filter_rejects(table, ALL) for table in quarantine.tables()]
        connection.register("rejects", pa.concat_tables(tables) if tables else reject_schema().empty_table())
        return
    parts = quarantine.workspace.ledger.parts
    scopes = reject_scopes(quarantine.run, quarantine.generation)
    refs = [record.ref for scope in scopes for record in parts(quarantine.batch.batch, scope, PartKind.REJECTS)]
    if refs := [ref for ref in refs if ref.rows]:
        quarantine.workspace.staging.bind(connection, "rejects", refs)
    else:
        connection.register("rejects", reject_schema().empty_table())


def _clean_of(quarantine: Quarantine, connection: Any, number: int) -> str | None:
    """The clean rows of one run of the batch, without those that lost or were sent again; None where it has none."""
    import pyarrow as pa

    ledger, staging, run = quarantine.workspace.ledger, quarantine.workspace.staging, quarantine.layers[number].run
    refs = [record.ref for record in ledger.parts(run.batch, run.run, PartKind.CLEAN) if record.ref.rows]
    if not refs:
        return None
    staging.bind(connection, f"_clean_{number}", refs)
    dropped = ledger.parts(run.batch, batch_scope(run.run), PartKind.DROPPED)
    gone = [staging.read(record.ref).select(list(IDENTITY)) for record in dropped]
    gone += [layer.sent.select(list(IDENTITY)) for layer in quarantine.layers[number + 1 :]]
    if not gone:
        return f"select * from _clean_{number}"
    connection.register(f"_gone_{number}", pa.concat_tables(gone))
    same = " and ".join(f"g.{name} = c.{name}" for name in IDENTITY)
    return f"select c.* from _clean_{number} c anti join _gone_{number} g on {same}"
