"""Opening a ledger: fresh, older, newer, damaged, locked, and by several processes."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from loadlock.errors import WorkspaceError
from loadlock.ledger import migrations, schema, sqlite_file
from loadlock.ledger.base import RunRecord
from loadlock.ledger.sql_ledger import SqlLedger, open_ledger
from loadlock.ledger.sqlite_file import FILE, sqlite_engine, writing
from loadlock.model import RunStatus, SourceFile

NEXT = """
from alembic import op
revision = "0002"
down_revision = "0001"
def upgrade():
    op.execute("alter table batches add column note text")
"""


def migrated(path: Path) -> Path:
    """An empty file taken through all migrations."""
    engine = sqlite_engine(path)
    with writing(engine) as connection:
        migrations.upgrade(connection)
    engine.dispose()
    return path


def objects(path: Path) -> set[tuple[str, str, str]]:
    """Tables, indexes and triggers of a database, their SQL without white space and case."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("select type, name, coalesce(sql, '') from sqlite_master").fetchall()
    return {(kind, name, re.sub(r"\s+", "", sql).lower()) for kind, name, sql in rows}


def test_the_migrations_lead_to_the_schema(tmp_path: Path) -> None:
    engine = sqlite_engine(migrated(tmp_path / "migrated.db"))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
    engine.dispose()


def test_a_fresh_ledger_equals_a_migrated_one(tmp_path: Path) -> None:
    open_ledger(tmp_path).close()
    assert objects(tmp_path / FILE) == objects(migrated(tmp_path / "migrated.db"))


def test_the_known_versions_are_the_migrations_in_their_order() -> None:
    scripts = ScriptDirectory(str(migrations.FOLDER)).walk_revisions()
    assert [script.revision for script in scripts][::-1] == list(schema.REVISIONS)


def test_opening_needs_no_alembic(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from loadlock.ledger.sql_ledger import open_ledger\n"
        f"for _ in range(2): open_ledger(pathlib.Path({str(tmp_path)!r})).close()\n"
        "assert 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_older_ledger_is_upgraded_and_a_copy_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = open_ledger(tmp_path / "space")
    ledger.begin_batch("b1", "orders", [])
    ledger.close()
    folder = tmp_path / "migrations"
    shutil.copytree(migrations.FOLDER, folder)
    (folder / "versions" / "0002_next.py").write_text(NEXT)
    monkeypatch.setattr(schema, "REVISIONS", ("0001", "0002"))
    monkeypatch.setattr(schema, "HEAD", "0002")
    monkeypatch.setattr(migrations, "FOLDER", folder)

    upgraded = open_ledger(tmp_path / "space")
    assert upgraded.batch("b1") is not None
    upgraded.close()
    with closing(sqlite3.connect(tmp_path / "space" / FILE)) as connection:
        assert connection.execute("select batch, note from batches").fetchall() == [("b1", None)]
        assert connection.execute("select version_num from alembic_version").fetchall() == [("0002",)]
    with closing(sqlite3.connect(tmp_path / "space" / f"{FILE}.bak-0001")) as connection:
        assert connection.execute("select version_num from alembic_version").fetchall() == [("0001",)]
        assert connection.execute("select batch from batches").fetchall() == [("b1",)]


def test_a_failed_upgrade_leaves_the_ledger_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_ledger(tmp_path / "space").close()
    before = objects(tmp_path / "space" / FILE)
    folder = tmp_path / "migrations"
    shutil.copytree(migrations.FOLDER, folder)
    (folder / "versions" / "0002_next.py").write_text(
        NEXT + '    op.execute("alter table nowhere add column note text")\n'
    )
    monkeypatch.setattr(schema, "REVISIONS", ("0001", "0002"))
    monkeypatch.setattr(schema, "HEAD", "0002")
    monkeypatch.setattr(migrations, "FOLDER", folder)
    with pytest.raises(WorkspaceError, match="nowhere"):
        open_ledger(tmp_path / "space")
    assert objects(tmp_path / "space" / FILE) == before


def test_a_newer_ledger_is_left_alone(tmp_path: Path) -> None:
    open_ledger(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        connection.execute("update alembic_version set version_num = '9999'")
        connection.commit()
    with pytest.raises(WorkspaceError, match="newer version of Loadlock") as caught:
        open_ledger(tmp_path)
    assert caught.value.hint is not None
    assert "Update Loadlock" in caught.value.hint


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        connection.execute("create table mine (a)")
    with pytest.raises(WorkspaceError, match="no ledger of Loadlock"):
        open_ledger(tmp_path)
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        assert connection.execute("select name from sqlite_master").fetchall() == [("mine",)]


def test_a_file_that_is_no_database_is_said_to_be_damaged(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database at all\n" * 100)
    with pytest.raises(WorkspaceError, match="is damaged or no ledger"):
        open_ledger(tmp_path)


def test_a_damaged_page_is_said_to_be_damage(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    for number in range(50):
        ledger.begin_batch(f"b{number}", "orders", [SourceFile(index=0, path="p", name="n", size_bytes=1, sha256="aa")])
    ledger.close()
    content = bytearray((tmp_path / FILE).read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(WorkspaceError, match="is damaged"):
        open_ledger(tmp_path).batches()


def test_a_workspace_that_is_a_file_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "space").write_text("a file")
    with pytest.raises(WorkspaceError, match="can't make the workspace"):
        open_ledger(tmp_path / "space")


def test_a_ledger_file_that_is_a_folder_can_not_be_opened(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(WorkspaceError, match="can't be opened"):
        open_ledger(tmp_path)


def test_a_ledger_locked_too_long_says_so(tmp_path: Path) -> None:
    open_ledger(tmp_path).close()
    ledger = SqlLedger(sqlite_engine(tmp_path / FILE, busy_seconds=0.05), place="ledger.db")
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as other:
        other.execute("begin immediate")
        with pytest.raises(WorkspaceError, match="locked by another process"):
            ledger.begin_batch("b1", "orders", [])
        assert ledger.batches() == []
    ledger.begin_batch("b1", "orders", [])
    ledger.close()


def test_a_full_disk_says_so_and_changes_nothing(tmp_path: Path) -> None:
    open_ledger(tmp_path).close()
    engine = sqlite_engine(tmp_path / FILE)
    ledger = SqlLedger(engine, place="ledger.db")
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("pragma page_count").scalar()
    # a connection of the pool, kept small for the test
    with engine.connect() as connection:
        connection.exec_driver_sql(f"pragma max_page_count = {pages}")
        connection.commit()
    with pytest.raises(WorkspaceError, match="disk is full"):
        ledger.event("note", data={"long": "x" * 500_000})
    assert ledger.events() == []
    ledger.close()


def test_events_are_only_ever_added(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    ledger.event("note")
    ledger.close()
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        for statement in ("update events set kind = 'other'", "delete from events"):
            with pytest.raises(sqlite3.IntegrityError, match="only ever added"):
                connection.execute(statement)


def test_processes_may_make_and_use_a_ledger_at_the_same_time(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from loadlock.ledger.sql_ledger import open_ledger\n"
        f"ledger = open_ledger(pathlib.Path({str(tmp_path)!r}))\n"
        "for number in range(10): ledger.event('note', data={'who': sys.argv[1], 'number': number})\n"
        "ledger.close()"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(number)]) for number in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    ledger = open_ledger(tmp_path)
    for who in "012":
        assert [event.data["number"] for event in ledger.events() if event.data["who"] == who] == list(range(10))
    ledger.close()


def test_two_ledgers_of_one_file_merge_their_states(tmp_path: Path) -> None:
    """A writer that began as a reader would fail here: the other one changed what it had read."""
    ledgers = [open_ledger(tmp_path) for _ in range(2)]
    ledgers[0].begin_batch("b1", "orders", [])
    ledgers[0].begin_run(RunRecord(run="r1", batch="b1", pipeline="orders", status=RunStatus.RECEIVED, started="x"))

    def save(which: int) -> None:
        for number in range(40):
            ledgers[which].save_state("r1", {f"{which}-{number}": number})

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(save, range(2)))
    found = ledgers[0].run("r1")
    assert found is not None
    assert len(found.state) == 80
    for ledger in ledgers:
        ledger.close()


def test_commits_are_flushed_to_the_disk_and_keys_are_held(tmp_path: Path) -> None:
    engine = sqlite_file.sqlite_engine(tmp_path / FILE)
    with engine.connect() as connection:
        found = [
            connection.exec_driver_sql(f"pragma {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    engine.dispose()
    assert found == ["wal", 2, 1]
