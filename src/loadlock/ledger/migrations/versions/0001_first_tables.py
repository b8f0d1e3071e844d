"""The first tables: batches, files, runs, parts, file reports, chunks, reject counts, events."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _what_is_taken_in()
    _what_runs()
    _what_runs_made()
    _events()


def _what_is_taken_in() -> None:
    op.create_table(
        "batches",
        sa.Column("number", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("batch", sa.String(64), nullable=False),
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("created", sa.String(27), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("staged", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_batches"),
    )
    op.create_index("ix_batches_batch", "batches", ["batch"], unique=True)
    op.create_table(
        "files",
        sa.Column("batch", sa.String(64), nullable=False),
        sa.Column("file_index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("batch", "file_index", name="pk_files"),
        sa.ForeignKeyConstraint(["batch"], ["batches.batch"], name="fk_files"),
    )
    op.create_index("ix_files_sha256", "files", ["sha256"])
    op.create_table(
        "file_reports",
        sa.Column("batch", sa.String(64), nullable=False),
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("file_index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("batch", "generation", "file_index", name="pk_file_reports"),
        sa.ForeignKeyConstraint(["batch"], ["batches.batch"], name="fk_file_reports"),
    )


def _what_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("number", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("run", sa.String(64), nullable=False),
        sa.Column("batch", sa.String(64), nullable=False),
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("target", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("started", sa.String(27), nullable=False),
        sa.Column("finished", sa.String(27)),
        sa.Column("plan_digest", sa.String(64), nullable=False),
        sa.Column("pipeline_text", sa.Text(), nullable=False),
        sa.Column("pipeline_path", sa.Text()),
        sa.Column("destinations", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(32)),
        sa.Column("cause", sa.Text()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("document", sa.Text()),
        sa.PrimaryKeyConstraint("number", name="pk_runs"),
        sa.ForeignKeyConstraint(["batch"], ["batches.batch"], name="fk_runs"),
    )
    op.create_index("ix_runs_run", "runs", ["run"], unique=True)
    op.create_index("ix_runs_batch_number", "runs", ["batch", "number"])
    op.create_index("ix_runs_target_status_batch", "runs", ["target", "status", "batch"])


def _what_runs_made() -> None:
    op.create_table(
        "parts",
        sa.Column("batch", sa.String(64), nullable=False),
        sa.Column("scope", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.Column("byte_count", sa.BigInteger(), nullable=False),
        sa.Column("file_index", sa.Integer()),
        sa.Column("info", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("batch", "scope", "kind", "seq", name="pk_parts"),
        sa.ForeignKeyConstraint(["batch"], ["batches.batch"], name="fk_parts"),
    )
    op.create_table(
        "chunks",
        sa.Column("run", sa.String(64), nullable=False),
        sa.Column("destination", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("chunk", sa.String(64), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("run", "destination", "chunk", name="pk_chunks"),
        sa.ForeignKeyConstraint(["run"], ["runs.run"], name="fk_chunks"),
    )
    op.create_table(
        "reject_counts",
        sa.Column("number", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("run", sa.String(64), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("column_name", sa.Text(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_reject_counts"),
        sa.ForeignKeyConstraint(["run"], ["runs.run"], name="fk_reject_counts"),
    )
    op.create_index("ix_reject_counts_run", "reject_counts", ["run"])


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("number", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("run", sa.String(64)),
        sa.Column("batch", sa.String(64)),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_events"),
    )
    op.create_index("ix_events_run_number", "events", ["run", "number"])
    op.create_index("ix_events_batch_number", "events", ["batch", "number"])
    if op.get_context().dialect.name == "sqlite":
        for change in ("update", "delete"):
            op.execute(
                f"create trigger events_no_{change} before {change} on events"
                " begin select raise(abort, 'events are only ever added'); end"
            )
