"""The Python API: the same verbs and names as the command line."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import loadlock
from loadlock import LoadlockError, Pipeline, RunStatus
from loadlock.rows import reject_schema

TEXT = """
pipeline: orders
source: {files: a.csv}
columns:
  id: {type: integer, required: true}
  name: {rules: [trim]}
destination: {url: "duckdb:///out.duckdb", table: t}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.csv").write_text("id,name\n1, Ann\nx,Bob\n3,cy\n", encoding="utf-8")
    (tmp_path / "orders.yaml").write_text(TEXT, encoding="utf-8")
    return tmp_path


def rows(folder: Path) -> list[tuple[object, ...]]:
    with duckdb.connect(str(folder / "out.duckdb")) as connection:
        return connection.execute("select * from t order by 1").fetchall()


def test_a_pipeline_file_is_loaded_and_run(folder: Path) -> None:
    result = Pipeline.load(folder / "orders.yaml").run()
    assert (result.status, result.exit_code, result.noop) == (RunStatus.VERIFIED, 3, False)
    assert result.balance == result.balance | {"received": 3, "clean": 2, "inserted": 2}
    assert result.receipt is not None
    assert (result.receipt["equal"], result.receipt["level"]) == (True, "content")
    assert (len(result.digest), len(result.batch)) == (32, 64)
    assert result.workspace == (folder / ".loadlock").resolve()
    assert Path(result.document["report"]).is_file()
    assert rows(folder) == [(1, "Ann"), (3, "cy")]


def test_rejects_come_as_arrow(folder: Path) -> None:
    rejects = Pipeline.load(folder / "orders.yaml").run().rejects()
    assert rejects.schema == reject_schema()
    (reject,) = rejects.to_pylist()
    assert (reject["_row"], reject["_line"], reject["stage"]) == (2, 3, "cleanup")
    assert [problem["code"] for problem in reject["problems"]] == ["not_integer"]
    assert reject["raw"].rstrip(b"\n") == b"x,Bob"


def test_again_is_a_no_op_and_force_is_not(folder: Path) -> None:
    pipeline = Pipeline.load(folder / "orders.yaml")
    first = pipeline.run()
    again = pipeline.run()
    assert (again.noop, again.run, again.exit_code) == (True, first.run, 0)
    forced = pipeline.run(force=True)
    assert (forced.noop, forced.digest) == (False, first.digest)
    assert len(rows(folder)) == 4


def test_no_report_where_none_is_wanted_and_a_workspace_where_it_is_named(folder: Path) -> None:
    result = Pipeline.load(folder / "orders.yaml").run(workspace=folder / "named", report=False)
    assert result.document["report"] is None
    assert (folder / "named" / "ledger.db").is_file()
    assert not (folder / ".loadlock").exists()


@loadlock.rule
def shout(value: str | None) -> str | None:
    return None if value is None else value.upper()


@loadlock.rule(kind="column")
def wide(values: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(values, values, "-")


@loadlock.rule(kind="table")
def named(table: pa.Table) -> pa.Table:
    joined = pc.binary_join_element_wise(table["name"], pc.cast(table["id"], pa.string()), "#")
    return table.set_column(table.column_names.index("name"), "name", joined)


@loadlock.check
def short(value: str | None) -> bool:
    return value is None or len(value) < 3


def build(folder: Path, **sections: object) -> Pipeline:
    return Pipeline.build(
        "built",
        files="a.csv",
        columns={"id": {"type": "integer"}, "name": {"rules": ["trim"]}},
        destination={"url": "duckdb:///out.duckdb", "table": "t"},
        base_folder=folder,
        **sections,
    )


@pytest.mark.parametrize(
    ("rules", "names"),
    [
        ([{"python": shout, "column": "name"}], ["ANN", "CY"]),
        ([{"python": wide, "column": "name"}], ["Ann-Ann", "cy-cy"]),
        ([{"python": named}], ["Ann#1", "cy#3"]),
    ],
    ids=["value", "column", "table"],
)
def test_decorated_functions_are_rules(rules: list[object], names: list[str], folder: Path) -> None:
    result = build(folder, rules=rules).run()
    assert result.balance["inserted"] == 2
    assert [name for _, name in rows(folder)] == names


def test_a_decorated_function_is_a_check(folder: Path) -> None:
    result = build(folder, checks=[{"python": short, "column": "name", "message": "too long"}]).run()
    assert rows(folder) == [(3, "cy")]
    codes = [problem["code"] for reject in result.rejects().to_pylist() for problem in reject["problems"]]
    assert sorted(codes) == ["not_integer", "python_check", "python_check"]  # all problems of a row are told


def test_a_rule_that_raises_costs_its_row(folder: Path) -> None:
    def picky(value: str) -> str:
        if value == "cy":
            raise RuntimeError("no")
        return value

    result = build(folder, rules=[{"python": loadlock.rule(picky), "column": "name"}]).run()
    assert result.document["rejects"] == {"not_integer": 1, "python_error": 1}
    assert rows(folder) == [(1, "Ann")]


def test_a_kind_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="value, column, table"):
        loadlock.rule(kind="row")


def test_preview_shows_and_touches_nothing(folder: Path) -> None:
    before = sorted(path.name for path in folder.rglob("*"))
    preview = Pipeline.load(folder / "orders.yaml").preview(rows=2)
    assert [(entry["fate"], entry["after"]) for entry in preview.rows] == [
        ("clean", {"id": 1, "name": "Ann"}),
        ("rejected", {"id": None, "name": "Bob"}),
    ]
    assert [reject["row"] for reject in preview.rejects] == [2]
    assert sorted(path.name for path in folder.rglob("*")) == before


def test_errors_are_of_one_tree_and_say_where(folder: Path) -> None:
    (folder / "wrong.yaml").write_text(TEXT.replace("integer", "integr").replace("trim", "trimm"), encoding="utf-8")
    with pytest.raises(loadlock.PipelineError) as wrong:
        Pipeline.load(folder / "wrong.yaml")
    assert [(mistake.line, mistake.path) for mistake in wrong.value.mistakes] == [
        (5, "columns.id.type"),
        (6, "columns.name.rules[0]"),
    ]
    with pytest.raises(loadlock.PipelineError, match="integr"):
        Pipeline.build("p", files="a.csv", columns={"id": {"type": "integr"}}, destination="out.csv")
    with pytest.raises(loadlock.UsageError, match=r"missing\.yaml"):
        Pipeline.load(folder / "missing.yaml")
    (folder / "a.csv").unlink()
    with pytest.raises(loadlock.SourceError, match=r"a\.csv"):
        Pipeline.load(folder / "orders.yaml").run()
    for name in ("PipelineError", "SourceError", "UsageError", "StoppedError", "VerifyError", "LockedError"):
        assert issubclass(getattr(loadlock, name), LoadlockError)


def test_a_stopped_run_names_itself_and_is_resumed(folder: Path) -> None:
    stopped = build(folder, rejects={"budget": {"rows": 0}})
    with pytest.raises(loadlock.StoppedError, match="nothing was published") as error:
        stopped.run()
    assert error.value.run is not None
    with pytest.raises(loadlock.StoppedError):
        loadlock.resume(error.value.run, workspace=folder / ".loadlock")
    assert not (folder / "out.duckdb").exists()


def test_resume_of_a_finished_run_is_a_no_op(folder: Path) -> None:
    first = Pipeline.load(folder / "orders.yaml").run()
    again = loadlock.resume(first.run, workspace=first.workspace)
    assert (again.noop, again.digest) == (True, first.digest)
