"""`preview --batch`: what changed rules would make of a staged batch, compared with what a run made of it."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from loadlock.api import Pipeline
from loadlock.cli.app import run
from loadlock.errors import UsageError
from loadlock.pipeline.read import load_pipeline
from loadlock.workflow.rule_change import RuleChange, rule_change
from loadlock.workflow.start import Options, rerun
from loadlock.workflow.workspace import Workspace

ROWS = """id,name,amount,country
1,Ann,5,DE
2,Bo,900,de
3,Cy,7,XX
4,Di,-1,DE
4,Di again,8,DE
5,Ed,x,FR
6,Flo,9,FR
"""
COLUMNS = """columns:
  id: {type: integer, required: true, unique: true}
  name: {}
  amount: {type: integer, checks: [{range: {min: 0, max: 100}}]}
  country: {rules: [upper], checks: [{in: [DE, FR]}]}
"""
DESTINATION = "destination: {url: 'duckdb:///t.duckdb', table: t, mode: upsert, key: [id]}\n"
WORKSPACE = "w"


def write(folder: Path, *changes: tuple[str, str], rows: str = ROWS, more: str = "") -> Path:
    (folder / "in.csv").write_text(rows, encoding="utf-8")
    text = f"pipeline: p\nsource: {{files: in.csv}}\n{COLUMNS}{more}{DESTINATION}"
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "p.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder after a run by the rules as they were, and the batch."""
    folder = tmp_path_factory.mktemp("delivered")
    return folder, Pipeline.load(write(folder)).run(workspace=folder / WORKSPACE, report=False).batch


@pytest.fixture
def batch(delivered: tuple[Path, str], tmp_path: Path) -> str:
    """The batch, in a copy of that folder."""
    shutil.copytree(delivered[0], tmp_path, dirs_exist_ok=True)
    return delivered[1]


def change(folder: Path, batch: str, *changes: tuple[str, str], **options: Any) -> RuleChange:
    path = write(folder, *changes)
    return rule_change(load_pipeline(path), batch, workspace=folder / WORKSPACE, **options)


def contents(folder: Path) -> dict[str, str]:
    """Every file below a folder by its bytes; the ledger by what its tables hold."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.name == "ledger.db":
            with sqlite3.connect(path) as ledger:
                found[str(path)] = hashlib.sha256("\n".join(ledger.iterdump()).encode()).hexdigest()
        elif path.is_file() and not path.name.startswith("ledger.db"):
            found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def test_it_says_who_leaves_who_enters_and_what_changes(tmp_path: Path, batch: str) -> None:
    found = change(tmp_path, batch, ("max: 100", "max: 1000"), ("[DE, FR]", "[DE]"), ("[upper]", "[lower, upper]"))
    document = found.to_json()
    assert document["changed"] == ["columns.amount.checks", "columns.country.rules", "columns.country.checks"]
    assert document["leave"] == {
        "rows": 1,
        "codes": [{"code": "out_of_bounds", "column": "amount", "rows": 1}],
        "examples": [
            {
                "file": "in.csv",
                "row": 2,
                "problems": [
                    {
                        "code": "out_of_bounds",
                        "column": "amount",
                        "value": "900",
                        "message": "'900' must be at least 0 and at most 100",
                    }
                ],
                "after": {"id": 2, "name": "Bo", "amount": 900, "country": "DE"},
            }
        ],
    }
    assert (document["enter"]["rows"], document["enter"]["codes"]) == (
        1,
        [{"code": "not_in", "column": "country", "rows": 1}],
    )
    assert document["enter"]["examples"][0]["before"] == {"id": 6, "name": "Flo", "amount": 9, "country": "FR"}
    assert document["values"]["cells"] == 0
    assert (document["before"]["rejected"], document["after"]["rejected"]) == (4, 4)
    assert document["withdrawn"] == 1
    assert document["stops"] == []


def test_values_that_change_are_counted_by_column_with_examples(tmp_path: Path, batch: str) -> None:
    found = change(
        tmp_path, batch, ("[upper]", "[lower]"), ("name: {}", "name: {rules: [upper]}"), ("[DE, FR]", "[de, fr]")
    )
    assert (found.difference.leave, found.difference.enter) == (0, 0)
    assert (found.difference.changed_rows, found.difference.cells) == (3, 6)
    names = found.difference.columns["name"]
    assert (names.cells, names.examples) == (3, (("Ann", "ANN"), ("Di again", "DI AGAIN"), ("Flo", "FLO")))
    assert found.difference.columns["country"].examples == (("DE", "de"), ("FR", "fr"))


def test_nothing_is_touched(tmp_path: Path, batch: str) -> None:
    write(tmp_path, ("max: 100", "max: 1000"))
    before = contents(tmp_path)
    change(tmp_path, batch, ("max: 100", "max: 1000"))
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("changes", "inserted_over"),
    [
        ([("max: 100", "max: 1000")], 0),
        ([("[DE, FR]", "[DE]")], 0),
        ([("min: 0", "min: -5")], 1),
        ([(", unique: true", "")], 0),
        ([("[upper]", "[lower]"), ("[DE, FR]", "[de]")], 0),
        ([("name: {}", "name: {checks: [{length: {max: 2}}]}")], 0),
    ],
    ids=["wider range", "shorter list", "other winner", "no longer unique", "other values", "new check"],
)
def test_a_rerun_does_what_the_preview_said(
    tmp_path: Path, batch: str, changes: list[tuple[str, str]], inserted_over: int
) -> None:
    """`inserted_over`: rows that come out of the quarantine and take the place of another with their key."""
    found = change(tmp_path, batch, *changes)
    done = rerun(
        batch, Options(workspace=tmp_path / WORKSPACE, report=False), pipeline=load_pipeline(tmp_path / "p.yaml")
    )
    assert found.after["clean"] == done.balance["clean"]
    assert found.after["rejected"] == done.balance["rejected"]["cleanup"]
    assert found.after["superseded"] == done.balance["superseded"]
    assert found.after["rejected"] == found.before["rejected"] - found.difference.leave + found.difference.enter
    assert found.difference.rows("rejected", "clean") == done.balance["inserted"] + inserted_over
    assert found.difference.changed_rows == done.balance["updated"] - inserted_over


def test_rows_that_a_filter_leaves_out_are_told_from_rejects(tmp_path: Path, batch: str) -> None:
    rule = "rules: [{filter: \"country = 'FR'\"}]\n"
    path = write(tmp_path)
    path.write_text(path.read_text().replace("destination:", f"{rule}destination:"), encoding="utf-8")
    found = rule_change(load_pipeline(path), batch, workspace=tmp_path / WORKSPACE)
    assert found.after["skipped"] > found.before["skipped"] == 0
    assert found.to_json()["left_out"]["more"] == found.difference.rows("clean", "left_out") > 0


def test_a_masked_column_shows_no_value(tmp_path: Path, batch: str) -> None:
    document = change(
        tmp_path, batch, ("max: 100}", "max: 1000}"), ("name: {}", "name: {mask: true, rules: [upper]}")
    ).to_json()
    assert "Ann" not in str(document["values"])
    assert document["leave"]["examples"][0]["after"]["name"] == "***"


def test_a_column_that_became_secret_hides_its_old_messages(tmp_path: Path, batch: str) -> None:
    document = change(tmp_path, batch, ("checks: [{range: {min: 0, max: 100}}]", "mask: true")).to_json()
    (problem,) = document["leave"]["examples"][0]["problems"]
    assert (problem["value"], "900" in problem["message"]) == ("***", False)


def test_columns_and_types_that_differ_are_named(tmp_path: Path, batch: str) -> None:
    document = change(
        tmp_path,
        batch,
        ("name: {}", "label: {from: name}"),
        ("amount: {type: integer", 'amount: {type: "decimal(9,2)"'),
    ).to_json()
    assert (document["values"]["columns_gone"], document["values"]["columns_new"]) == (["name"], ["label"])
    (amount,) = document["values"]["columns"]
    assert (amount["type_before"], amount["type_after"]) == ("integer", "decimal(9,2)")
    assert amount["examples"][0] == {"before": "5", "after": "5.00"}


def test_what_would_stop_the_rerun_is_said_beforehand(tmp_path: Path, batch: str) -> None:
    budget = ("destination:", "rejects: {budget: {rows: 1}}\nchecks: [{sql: amount > 5, severity: fail}]\ndestination:")
    stops = change(tmp_path, batch, budget).stops
    assert "more than the budget of 1 rows" in stops[0]
    assert len(stops) == 2


def test_exploded_records_are_compared_row_by_row(tmp_path: Path) -> None:
    (tmp_path / "in.ndjson").write_text(
        '{"id": 1, "tags": ["a", "bb"]}\n{"id": 2, "tags": ["a", "ccc"]}\n', encoding="utf-8"
    )

    def of(longest: int) -> Pipeline:
        return Pipeline.build(
            "p",
            files="in.ndjson",
            base_folder=tmp_path,
            source={"flatten": {"explode": ["tags"]}},
            columns={"id": {}, "tags": {"checks": [{"length": {"max": longest}}]}},
            destination="out.csv",
        )

    batch = of(1).run(workspace=tmp_path / WORKSPACE, report=False).batch
    found = rule_change(of(2).spec, batch, workspace=tmp_path / WORKSPACE)
    assert (found.difference.leave, found.difference.enter, found.before["rejected"]) == (1, 0, 2)
    assert found.difference.left_examples[0]["after"] == {"id": "1", "tags": "bb"}
    assert found.difference.left_examples[0]["sub"] == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (("files: in.csv", "files: in.csv, delimiter: ';'"), "reads the source in another way"),
        (("pipeline: p", "pipeline: p # {"), None),
    ],
)
def test_another_way_of_reading_is_no_change_of_rules(
    tmp_path: Path, batch: str, changed: tuple[str, str], said: str | None
) -> None:
    if said is None:
        assert change(tmp_path, batch, changed).changed == []
        return
    with pytest.raises(UsageError, match=said):
        change(tmp_path, batch, changed)


def test_the_run_to_compare_with_can_be_named(tmp_path: Path, batch: str) -> None:
    wide = ("max: 100", "max: 1000")
    write(tmp_path, wide)
    second = rerun(
        batch, Options(workspace=tmp_path / WORKSPACE, report=False), pipeline=load_pipeline(tmp_path / "p.yaml")
    )
    assert change(tmp_path, batch, wide).run == second.run
    first = change(tmp_path, batch, wide, against=_other_run(tmp_path, second.run))
    assert first.difference.leave == 1
    with pytest.raises(UsageError, match="no run"):
        change(tmp_path, batch, wide, against="r1999")


def _other_run(folder: Path, run_id: str) -> str:
    with Workspace.open(folder / WORKSPACE) as workspace:
        return next(record.run for record in workspace.ledger.runs() if record.run != run_id)


def test_people_read_the_counts_first(tmp_path: Path, batch: str, capfd: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, ("max: 100", "max: 1000"))
    assert run(["preview", str(path), "--batch", batch[:12], "--workspace", str(tmp_path / WORKSPACE)]) == 0
    shown = capfd.readouterr().out
    assert "1 of 4 rows leave the quarantine, 0 enter it; 0 values in 0 delivered rows change" in shown
    assert "out_of_bounds amount: '900' must be at least 0 and at most 100" in shown
    assert f"to do it: loadlock rerun {batch[:12]}" in shown


def test_a_run_to_compare_with_needs_its_batch(tmp_path: Path) -> None:
    assert run(["preview", str(write(tmp_path)), "--against", "r1"]) == 2
