"""The ledger's tables. The migrations lead to exactly this; a test compares both.

Portable SQL but for the triggers that keep the events append-only, which are SQLite's.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    event,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

REVISIONS = ("0001",)
"""Versions of the schema, oldest first; the last one is this file's. Equal to the files in `migrations/versions`."""
HEAD = REVISIONS[-1]

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s",
    }
)
_WRAPPED = "json:"


class _LongText(TypeDecorator[Any]):
    """Text of any length; MySQL's own TEXT ends at 64 KiB."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name in ("mysql", "mariadb"):
            from sqlalchemy.dialects.mysql import LONGTEXT

            return dialect.type_descriptor(LONGTEXT())
        return dialect.type_descriptor(Text())


class AnyText(_LongText):
    """Text that may hold what databases refuse: names of files that are no valid UTF-8, NUL. Such text lies as JSON."""

    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        if value is None or (not value.startswith(_WRAPPED) and "\0" not in value and _encodes(value)):
            return value
        return _WRAPPED + json.dumps(value)

    def process_result_value(self, value: str | None, dialect: Any) -> str | None:
        return json.loads(value.removeprefix(_WRAPPED)) if value is not None and value.startswith(_WRAPPED) else value


class JsonText(_LongText):
    """A JSON document as text, ASCII only, in the order given."""

    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str | None:
        return None if value is None else json.dumps(value)

    def process_result_value(self, value: str | None, dialect: Any) -> Any:
        return None if value is None else json.loads(value)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_ID = String(64)
_TIME = String(27)
_NUMBER = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts up only a primary key that is called INTEGER."""

batches = Table(
    "batches",
    metadata,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("batch", _ID, nullable=False),
    Column("pipeline", AnyText, nullable=False),
    Column("status", String(16), nullable=False),
    Column("created", _TIME, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("staged", Boolean(create_constraint=False), nullable=False),
    Index("ix_batches_batch", "batch", unique=True),
)

files = Table(
    "files",
    metadata,
    Column("batch", _ID, ForeignKey("batches.batch"), primary_key=True),
    Column("file_index", Integer, primary_key=True, autoincrement=False),
    Column("path", AnyText, nullable=False),
    Column("name", AnyText, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", _ID, nullable=False),
    Index("ix_files_sha256", "sha256"),
)

runs = Table(
    "runs",
    metadata,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("run", _ID, nullable=False),
    Column("batch", _ID, ForeignKey("batches.batch"), nullable=False),
    Column("pipeline", AnyText, nullable=False),
    Column("target", _ID, nullable=False),
    Column("status", String(16), nullable=False),
    Column("started", _TIME, nullable=False),
    Column("finished", _TIME),
    Column("plan_digest", _ID, nullable=False),
    Column("pipeline_text", AnyText, nullable=False),
    Column("pipeline_path", AnyText),
    Column("destinations", JsonText, nullable=False),
    Column("digest", String(32)),
    Column("cause", AnyText),
    Column("state", JsonText, nullable=False),
    Column("document", JsonText),
    Index("ix_runs_run", "run", unique=True),
    Index("ix_runs_batch_number", "batch", "number"),
    Index("ix_runs_target_status_batch", "target", "status", "batch"),
)
"""`target` = hash of the pipeline's name and the set of destinations: what `delivered_*` look for."""

parts = Table(
    "parts",
    metadata,
    Column("batch", _ID, ForeignKey("batches.batch"), primary_key=True),
    Column("scope", _ID, primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("location", AnyText, nullable=False),
    Column("row_count", BigInteger, nullable=False),
    Column("byte_count", BigInteger, nullable=False),
    Column("file_index", Integer),
    Column("info", JsonText, nullable=False),
)

file_reports = Table(
    "file_reports",
    metadata,
    Column("batch", _ID, ForeignKey("batches.batch"), primary_key=True),
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("file_index", Integer, primary_key=True, autoincrement=False),
    Column("report", JsonText, nullable=False),
)

chunks = Table(
    "chunks",
    metadata,
    Column("run", _ID, ForeignKey("runs.run"), primary_key=True),
    Column("destination", Integer, primary_key=True, autoincrement=False),
    Column("chunk", _ID, primary_key=True),
    Column("seq", Integer, nullable=False),
    Column("row_count", BigInteger, nullable=False),
    Column("digest", String(32), nullable=False),
)

reject_counts = Table(
    "reject_counts",
    metadata,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("run", _ID, ForeignKey("runs.run"), nullable=False),
    Column("stage", String(16), nullable=False),
    Column("code", AnyText, nullable=False),
    Column("column_name", AnyText, nullable=False),
    Column("row_count", BigInteger, nullable=False),
    Index("ix_reject_counts_run", "run"),
)

events = Table(
    "events",
    metadata,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("at", _TIME, nullable=False),
    Column("run", _ID),
    Column("batch", _ID),
    Column("kind", _ID, nullable=False),
    Column("data", JsonText, nullable=False),
    Index("ix_events_run_number", "run", "number"),
    Index("ix_events_batch_number", "batch", "number"),
)
"""Append-only. No foreign keys: what happened stays written when a batch is forgotten."""

TRIGGERS = tuple(
    f"create trigger events_no_{change} before {change} on events"
    " begin select raise(abort, 'events are only ever added'); end"
    for change in ("update", "delete")
)
"""SQLite only; elsewhere rights are the means."""

for _trigger in TRIGGERS:
    event.listen(events, "after_create", DDL(_trigger).execute_if(dialect="sqlite"))  # type: ignore[no-untyped-call]
