"""Bad input: a clear message, the documented exit code, no traceback, nothing half-done."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from loadlock.testing.command import CommandLine, Ended

TO = ("--to", "duckdb:///out.duckdb", "--table", "t")
MEMORY_LIMIT_KIB = 600 << 10


def refused(ended: Ended, code: int, *words: str) -> dict[str, Any]:
    """The error document of a command run with `--json`, after everything that holds for every refusal."""
    assert ended.code == code, ended.said
    assert "Traceback" not in ended.said
    assert "a defect of Loadlock" not in ended.said
    document = dict(ended.document)
    assert document["exit_code"] == code
    assert ended.err.count(str(document["error"]).splitlines()[0]) >= 1, "the message stands on standard error too"
    for word in words:
        assert word in f"{document['error']} {document['hint']}", f"{word!r} is not said: {document}"
    return document


def assert_untouched(loadlock: CommandLine, *, runs: list[str]) -> None:
    """No destination came to be; the ledger holds runs that ended so."""
    left = sorted(path.name for path in loadlock.folder.iterdir() if "out." in path.name)
    assert left == []
    if (loadlock.folder / ".loadlock").exists():
        assert [run["status"] for run in loadlock.json("runs")] == runs


def write(loadlock: CommandLine, name: str, content: str | bytes) -> Path:
    path = loadlock.folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("content", ["", "\n\n", "﻿"], ids=["empty", "blank lines", "a mark"])
def test_a_file_without_a_record_is_no_error_and_says_so(content: str, loadlock: CommandLine) -> None:
    write(loadlock, "empty.csv", content)
    ended = loadlock("load", "empty.csv", *TO, "--json")
    assert ended.code == 0, ended.said
    assert ended.document["balance"]["received"] == ended.document["balance"]["inserted"] == 0
    assert "nothing was delivered" in ended.err
    assert_untouched(loadlock, runs=["verified"])


def test_a_header_alone_makes_an_empty_table(loadlock: CommandLine) -> None:
    write(loadlock, "header.csv", "id,name\n")
    document = loadlock.json("load", "header.csv", "--to", "sqlite:///out.sqlite", "--table", "t", codes=[0])
    assert (document["balance"]["received"], document["receipt"]["equal"]) == (0, True)
    with closing(sqlite3.connect(loadlock.folder / "out.sqlite")) as connection:
        assert connection.execute("select count(*), count(id), count(name) from t").fetchall() == [(0, 0, 0)]


@pytest.mark.parametrize("rows", ["", "x,1\n"], ids=["a header alone", "only rejects"])
def test_a_batch_without_a_clean_row_is_judged_too(loadlock: CommandLine, rows: str) -> None:
    write(loadlock, "a.csv", f"id,n\n{rows}")
    text = (
        "pipeline: p\nsource: a.csv\ncolumns: {id: {type: integer, unique: true}, n: {}}\ndestination: {url: out.csv}\n"
        "checks: [{batch: 'select count(*) > 0 from rows', severity: fail, message: it is empty}]\n"
    )
    write(loadlock, "p.yaml", text)
    ended = loadlock("run", "p.yaml")
    assert (ended.code, "checks stopped the run: it is empty" in ended.err) == (4, True)


def test_an_empty_batch_fails_where_the_pipeline_says_so(loadlock: CommandLine) -> None:
    write(loadlock, "a.csv", "id\n")
    text = "pipeline: p\nsource: {files: a.csv, empty: fail}\ndestination: {url: out.csv}\n"
    write(loadlock, "p.yaml", text)
    refused(loadlock("run", "p.yaml", "--json"), 4, "no record")
    assert_untouched(loadlock, runs=["stopped"])


def test_a_folder_means_its_files(loadlock: CommandLine) -> None:
    (loadlock.folder / "inbox").mkdir()
    refused(loadlock("load", "inbox", *TO, "--json"), 2, "inbox", "holds no files")
    write(loadlock, "inbox/a.csv", "id\n1\n")
    write(loadlock, "inbox/b.csv", "id\n2\n")
    document = loadlock.json("load", "inbox", *TO, codes=[0])
    assert [entry["name"] for entry in document["files"]] == ["a.csv", "b.csv"]


@pytest.mark.parametrize("name", ["missing.csv", "missing-*.csv", "no/such/folder/a.csv"])
def test_a_missing_file_is_named(name: str, loadlock: CommandLine) -> None:
    refused(loadlock("load", name, *TO, "--json"), 2, name)
    assert_untouched(loadlock, runs=[])


@pytest.mark.skipif(os.geteuid() != 0, reason="dropping rights needs root")
@pytest.mark.parametrize("shown", ["a.csv", "inbox"])
def test_a_file_without_permission_is_named(shown: str) -> None:
    # root may read everything: the command runs as nobody, in a folder that nobody may enter
    folder = Path("/var/tmp") / f"loadlock-{os.getpid()}"
    folder.mkdir()
    try:
        (folder / "a.csv").write_text("id\n1\n")
        (folder / "inbox").mkdir()
        for path in (folder / "a.csv", folder / "inbox"):
            path.chmod(0)
        folder.chmod(0o777)
        done = as_nobody(folder, "load", shown, *TO, "--json")
        assert done.returncode == 2, done.stdout + done.stderr
        assert "no permission" in json.loads(done.stdout)["error"]
        assert shown in json.loads(done.stdout)["error"]
        assert "Traceback" not in done.stdout + done.stderr
    finally:
        shutil.rmtree(folder)


def as_nobody(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # everything is imported, by a run that succeeds, before the rights are dropped: the interpreter may lie in root's home
    start = """if True:
        import contextlib, os, pathlib, sys, tempfile
        from loadlock.cli.app import run
        away = open(os.devnull, "w")
        with tempfile.TemporaryDirectory() as warm, contextlib.redirect_stdout(away), contextlib.redirect_stderr(away):
            path = pathlib.Path(warm, "a.csv")
            path.write_text("id\\n1\\n")
            run(["load", str(path), "--to", f"{warm}/out.csv", "--workspace", f"{warm}/ws", "--json"])
            run(["load", f"{warm}/no.csv", "--to", f"{warm}/out.csv", "--workspace", f"{warm}/ws", "--json"])
        os.setgroups([]); os.setuid(65534); sys.exit(run(sys.argv[1:]))
    """
    return subprocess.run(
        [sys.executable, "-c", start, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )


def test_a_workspace_that_cant_be_written_is_named(loadlock: CommandLine) -> None:
    write(loadlock, "a.csv", "id\n1\n")
    write(loadlock, "file", "")
    refused(loadlock("load", "a.csv", *TO, "--workspace", "file/below", "--json"), 1, "file/below")
    refused(loadlock("load", "a.csv", *TO, "--workspace", "/proc/none", "--json"), 1, "/proc/none")
    assert_untouched(loadlock, runs=[])


@pytest.mark.parametrize("name", ["nul.csv", "nul", "nul.json"])
def test_a_file_of_nuls_is_no_data(name: str, loadlock: CommandLine) -> None:
    with (loadlock.folder / name).open("wb") as file:
        file.truncate(20 << 20)
    refused(loadlock("load", name, *TO, "--json"), 2, name, "NUL bytes")
    assert_untouched(loadlock, runs=["failed"])


@pytest.mark.parametrize("name", ["program", "program.csv", "program.ndjson"])
def test_an_executable_is_no_data(name: str, loadlock: CommandLine) -> None:
    shutil.copy("/bin/ls", loadlock.folder / name)
    refused(loadlock("load", name, *TO, "--json"), 2, name, "program")
    assert_untouched(loadlock, runs=["failed"])


def test_a_damaged_gzip_is_named_with_the_place(loadlock: CommandLine) -> None:
    whole = gzip.compress(b"id,name\n" + b"".join(b"%d,n%d\n" % (i, i) for i in range(50_000)))
    write(loadlock, "cut.csv.gz", whole[: len(whole) // 2])
    flipped = bytearray(whole)
    flipped[len(whole) // 3] ^= 0xFF
    write(loadlock, "flipped.csv.gz", bytes(flipped))
    for name in ("cut.csv.gz", "flipped.csv.gz"):
        refused(loadlock("load", name, *TO, "--json"), 2, name, "damaged", "byte")
    assert_untouched(loadlock, runs=["failed", "failed"])


def test_an_encrypted_archive_is_refused(loadlock: CommandLine) -> None:
    path = loadlock.folder / "secret.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "id\n1\n")
    content = bytearray(path.read_bytes())
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + place] |= 1  # the flag that says: encrypted
    path.write_bytes(content)
    refused(loadlock("load", "secret.zip", *TO, "--json"), 2, "a.csv", "encrypted")
    assert_untouched(loadlock, runs=[])


MEASURED = """
import resource, subprocess, sys
command = [sys.executable, "-c", "import sys; from loadlock.cli import main; main(sys.argv[1:])", *sys.argv[1:]]
code = subprocess.run(command).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, flush=True)
sys.exit(code)
"""


@pytest.mark.slow
def test_a_line_without_end_is_one_reject_in_bounded_memory(
    loadlock: CommandLine, request: pytest.FixtureRequest
) -> None:
    size = (1 << 30) if request.config.getoption("--full-faults") else (200 << 20)
    with (loadlock.folder / "long.csv").open("wb") as file:
        file.write(b"id,name\n1,first\n2,")
        for _ in range(size >> 20):
            file.write(b"x" * (1 << 20))
        file.write(b"\n3,last\n")
    # a process of its own asks for the peak: this one has had other children
    command = [sys.executable, "-c", MEASURED, "load", "long.csv", *TO, "--json"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LOADLOCK")}
    done = subprocess.run(command, cwd=loadlock.folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stdout + done.stderr
    document, peak = (json.loads(line) for line in done.stdout.splitlines())
    assert document["balance"]["inserted"] == 2
    assert document["rejects"] == {"record_too_long": 1}
    assert peak < MEMORY_LIMIT_KIB
    (reject,) = loadlock.json("rejects", document["batch"])
    assert (reject["row"], reject["line"], reject["offset"], reject["raw_truncated"]) == (2, 3, 16, True)
    assert reject["length"] == size + len(b"2,")


FIVE_MISTAKES = """\
pipeline: orders
source:
  files: a.csv
  delimeter: ";"
columns:
  id: {type: integr}
  name: {rules: [trimm]}
  amount: {type: "decimal(2,12)"}
destination:
  url: out.csv
  mode: upsert
  key: [nix]
"""


def test_five_mistakes_in_a_pipeline_are_all_named_with_place_and_remedy(loadlock: CommandLine) -> None:
    write(loadlock, "a.csv", "id,name,amount\n1,a,2\n")
    write(loadlock, "p.yaml", FIVE_MISTAKES)
    ended = loadlock("run", "p.yaml", "--json")
    document = refused(ended, 2, "5 mistakes")
    places = [(mistake["line"], mistake["column"]) for mistake in document["mistakes"]]
    assert places == [(4, 3), (6, 14), (7, 18), (8, 18), (12, 3)]
    assert all(len(mistake["remedy"]) > 10 for mistake in document["mistakes"])
    for line, column in places:
        assert f"line {line}, column {column}: " in ended.err
    assert "'delimiter'" in ended.err
    assert "'integer'" in ended.err
    assert not (loadlock.folder / ".loadlock").exists()


SECRET = "pa55-w0rd-of-nobody"


def with_password(url: str, user: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{user}:{SECRET}@{parts.hostname}:{parts.port}").geturl()


def assert_nowhere(folder: Path, said: str) -> None:
    """The secret is in no message and in no file of the workspace, also not in parts of it."""
    assert SECRET not in said
    for path in folder.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), f"the password stands in {path}"


@pytest.mark.postgres
def test_a_wrong_password_of_postgresql_is_refused_without_telling_it(loadlock: CommandLine, postgres: str) -> None:
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as connection:
        # the server trusts everybody: a role that may not log in is refused as one with a wrong password is
        connection.execute(b"create role stranger nologin")
        try:
            assert_refused_login(loadlock, with_password(postgres, "stranger"), "stranger")
        finally:
            connection.execute(b"drop role stranger")


@pytest.mark.mysql
def test_a_wrong_password_of_mariadb_is_refused_without_telling_it(loadlock: CommandLine, mysql: str) -> None:
    assert_refused_login(loadlock, with_password(mysql, "root"), "root")


def assert_refused_login(loadlock: CommandLine, url: str, user: str) -> None:
    write(loadlock, "a.csv", "id\n1\n")
    ended = loadlock("load", "a.csv", "--to", url, "--table", "t", "--json")
    document = refused(ended, 1, user)
    assert_nowhere(loadlock.folder, ended.said)
    assert loadlock.json("runs")[0]["status"] == "failed"
    loadlock.json("report", document["run"])
    write(loadlock, "p.yaml", f"pipeline: p\nsource: {{files: a.csv}}\ndestination: {{url: '{url}', table: t}}\n")
    verbose = loadlock("run", "p.yaml", "-v")
    assert verbose.code == 1
    (loadlock.folder / "p.yaml").unlink()
    assert_nowhere(loadlock.folder, verbose.said)
    doctor = loadlock("doctor", "--json")
    assert SECRET not in doctor.said


def test_a_secret_from_the_environment_is_named_by_its_variable_only(loadlock: CommandLine) -> None:
    write(loadlock, "a.csv", "id\n1\n")
    write(loadlock, "p.yaml", "pipeline: p\nsource: {files: a.csv}\ndestination: {url: '${SHOP_DB}', table: t}\n")
    refused(loadlock("run", "p.yaml", "--json"), 2, "SHOP_DB", "not set")
    ended = loadlock("run", "p.yaml", "--json", SHOP_DB=f"postgresql://me:{SECRET}@127.0.0.1:1/none?connect_timeout=1")
    assert ended.code in (1, 7), ended.said
    assert_nowhere(loadlock.folder, ended.said)


@pytest.mark.parametrize("scheme", ["duckdb", "sqlite"])
def test_a_column_that_the_table_lacks_stops_before_anything_is_touched(scheme: str, loadlock: CommandLine) -> None:
    target = loadlock.folder / "shop.db"
    fill(target, scheme, "create table t (id varchar(20))")
    write(loadlock, "a.csv", "id,name,town\n1,a,b\n")
    ended = loadlock("load", "a.csv", "--to", f"{scheme}:///shop.db", "--table", "t", "--json")
    refused(ended, 4, "'name'", "'town'", "2 findings")
    assert rows_of(target, scheme, "t") == []
    assert loadlock.json("runs")[0]["status"] == "stopped"


def fill(path: Path, scheme: str, sql: str) -> None:
    if scheme == "sqlite":
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(sql)
        return
    import duckdb

    with duckdb.connect(str(path)) as database:
        database.execute(sql).fetchall()


def rows_of(path: Path, scheme: str, table: str) -> list[tuple[Any, ...]]:
    query = f"select * from {table}"
    if scheme == "sqlite":
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute(query).fetchall()
    import duckdb

    with duckdb.connect(str(path)) as database:
        return database.execute(query).fetchall()


@pytest.mark.parametrize("scheme", ["duckdb", "sqlite"])
def test_a_failed_delivery_leaves_no_database_behind(scheme: str, loadlock: CommandLine) -> None:
    write(loadlock, "a.csv", "id\n1\n")
    to = f"{{url: '{scheme}:///out.db', table: t, create: false}}"
    write(loadlock, "p.yaml", f"pipeline: p\nsource: {{files: a.csv}}\ndestination: {to}\n")
    refused(loadlock("run", "p.yaml", "--json"), 1, "does not exist", "create: true")
    assert_untouched(loadlock, runs=["failed"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("load", "a.csv", "--to", "mongo://host/shop", "--table", "t"), ("mongo://", "postgresql://")),
        (("load", "a.csv", "--to", "out.xyz"), (".xyz", ".parquet")),
        (("load", "a.csv", *TO, "--option", "delimeter=;"), ("delimeter", "'delimiter'")),
        (("load", "a.csv", *TO, "--option", "header=many"), ("header",)),
        (("load", "a.csv", *TO, "--option", "delimiter"), ("NAME=VALUE",)),
        (("load", "a.csv", *TO, "--mode", "replce"), ("replce", "replace")),
        (("load", "a.csv", *TO, "--mode", "upsert"), ("needs a key", "--key")),
        (("load", "a.csv", *TO, "--mode", "upsert", "--key", "nix"), ("nix",)),
        (("load", "a.csv", "--to", "duckdb:///out.duckdb"), ("needs a table", "--table")),
        (("load", "a.csv", *TO, "--engine", "abacus"), ("abacus", "local")),
        (("load", "a.csv", *TO, "--colour"), ("--colour",)),
        (("load", "a.csv", *TO, "--wait", "long"), ("--wait", "long")),
        (("load", "a.csv"), ("--to",)),
        (("load",), ("FILES",)),
        (("lod", "a.csv"), ("lod",)),
        (("run", "missing.yaml"), ("missing.yaml",)),
        (("run", "a.csv"), ("mapping",)),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) else None,
)
def test_wrong_usage_says_what_to_write(
    arguments: tuple[str, ...], words: tuple[str, ...], loadlock: CommandLine
) -> None:
    write(loadlock, "a.csv", "id\n1\n")
    refused(loadlock(*arguments, "--json"), 2, *words)
    left = [path.name for path in loadlock.folder.iterdir() if "out." in path.name]
    assert left == []
    if (loadlock.folder / ".loadlock").exists():
        assert all(run["status"] in ("failed", "stopped") for run in loadlock.json("runs"))


def test_nothing_of_a_workspace_is_needed_to_say_that_there_is_none(loadlock: CommandLine) -> None:
    for command in (("runs",), ("batches",), ("show", "r1"), ("rejects", "ab"), ("sql", "ab", "select 1")):
        refused(loadlock(*command, "--json"), 1, "no workspace")
    assert list(loadlock.folder.iterdir()) == []


def test_the_command_itself_says_its_version_and_knows_no_traceback(loadlock: CommandLine) -> None:
    fresh = CommandLine(folder=loadlock.folder, fresh=True)
    version = fresh("--version")
    assert (version.code, version.out.startswith("loadlock")) == (0, True)
    refused(fresh("load", "missing.csv", *TO, "--json"), 2, "missing.csv")


def test_a_reader_that_goes_away_is_no_defect(loadlock: CommandLine) -> None:
    write(loadlock, "a.csv", "id\n" + "\n".join(map(str, range(20_000))))
    document = loadlock.json("load", "a.csv", *TO)
    command = [sys.executable, "-m", "loadlock.cli", "sql", document["batch"], "select * from raw", "--json"]
    start = [sys.executable, "-c", "import sys; from loadlock.cli import main; main(sys.argv[1:])", *command[3:]]
    with subprocess.Popen(start, cwd=loadlock.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        said = process.stderr.read()
    assert b"Traceback" not in said
    assert b"Exception" not in said
    assert process.returncode in (0, 1, -signal.SIGPIPE)
