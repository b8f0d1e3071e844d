"""`preview`: rows chosen so that each rule and each problem is seen at work, side by side, also as a page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from loadlock.api import Pipeline
from loadlock.cli.app import run
from loadlock.testing.command import CommandLine
from loadlock.workflow import sample_intake
from loadlock.workflow.preview import Preview

COLUMNS: dict[str, Any] = {
    "id": {"type": "integer", "unique": True},
    "name": {"rules": ["trim", "upper"]},
    "amount": {"type": "decimal(9,2)", "rules": [{"number": {"decimal": ","}}], "checks": [{"range": {"min": 0}}]},
}


def rows(**at: str) -> str:
    """1,000 plain rows but for those given by their number."""
    lines = [at.get(f"row{number}", f'{number},BO,"1,50"') for number in range(1, 1001)]
    return "id,name,amount\n" + "\n".join(lines) + "\n"


LATE = rows(
    row700='700, BO,"1,50"', row800='800,bo,"1,50"', row900='900,BO,"-3,00"', row950="950,BO", row990='7,BO,"1,50"'
)


def look(folder: Path, text: str, name: str = "in.csv", **options: Any) -> Preview:
    (folder / name).write_text(text, encoding="utf-8")
    sections = {key: options.pop(key) for key in ("columns", "source", "checks") if key in options}
    built = Pipeline.build(
        "p", files=name, base_folder=folder, destination="out.csv", **{"columns": COLUMNS, **sections}
    )
    return built.preview(**options)


def shown(found: Preview) -> dict[int, list[str]]:
    return {row["row"]: [mark["name"] for mark in row["shows"]] for row in found.rows}


def test_each_rule_and_each_problem_is_seen_wherever_it_stands(tmp_path: Path) -> None:
    found = look(tmp_path, LATE)
    names = shown(found)
    assert (names[700], names[800], names[900]) == (["trim", "number"], ["upper", "number"], ["number", "range"])
    (bad,) = [row for row in found.rows if row["row"] == 900]
    assert (bad["fate"], bad["before"]["amount"], str(bad["after"]["amount"])) == ("rejected", "-3,00", "-3.00")
    assert bad["shows"][1]["message"] == "'-3.00' must be at least 0"


def test_problems_are_counted_over_all_stages_with_rejects_of_each(tmp_path: Path) -> None:
    found = look(tmp_path, LATE)
    assert {(one["stage"], one["code"], one["column"]): one["rows"] for one in found.problems} == {
        ("intake", "field_count", None): 1,
        ("cleanup", "out_of_bounds", "amount"): 1,
        ("cleanup", "not_unique", "id"): 1,
    }
    assert sorted(reject["row"] for reject in found.rejects) == [900, 950, 990]
    assert (found.received, found.looked_at, found.whole) == (1000, 999, True)


def test_no_more_rows_than_asked_for(tmp_path: Path) -> None:
    assert len(look(tmp_path, LATE, rows=2).rows) == 2
    assert look(tmp_path, LATE, rows=0).rows == []
    assert len(look(tmp_path, LATE).rows) == 10


def test_a_row_that_shows_several_things_stands_for_all_of_them(tmp_path: Path) -> None:
    text = rows(row5='5, BO,"1,50"', row6='6,bo,"1,50"', row7='7, bo,"1,50"')
    assert 7 in shown(look(tmp_path, text, rows=1))


def test_of_large_files_the_beginning_is_looked_at_unless_all_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_intake, "ALL_BYTES", 100_000)
    monkeypatch.setattr(sample_intake, "FILE_BYTES", 100_000)
    lines = ["id,name,amount", *(f'{number},{"x" * 400},"1,50"' for number in range(10_000)), '1,bo,"1,50"']
    text = "\n".join(lines) + "\n"
    some, whole = look(tmp_path, text), look(tmp_path, text, whole=True)
    assert (some.whole, some.received < 10_000, some.problems) == (False, True, [])
    assert (whole.whole, whole.received, whole.problems[0]["code"]) == (True, 10_001, "not_unique")


def test_nested_records_are_shown_flat(tmp_path: Path) -> None:
    text = '{"id": 1, "who": {"name": " ann"}}\n{"id": 2}\n'
    found = look(tmp_path, text, "in.ndjson", columns={"id": {}, "name": {"from": "who.name", "rules": ["trim"]}})
    (first, _) = found.rows
    assert (first["before"]["who.name"], first["after"]["name"], first["reads"]["name"]) == (" ann", "ann", "who.name")


def test_what_would_stop_a_run_is_said(tmp_path: Path) -> None:
    found = look(
        tmp_path,
        LATE,
        columns={**COLUMNS, "colour": {}},
        checks=[{"batch": "select count(*) > 5000 from rows", "severity": "fail", "message": "too few rows"}],
    )
    assert found.stops == ["no file has a column for colour", "too few rows"]


def test_columns_that_evolve_are_shown(tmp_path: Path) -> None:
    found = look(tmp_path, "id,more\n1,x\n", columns={"id": {}}, source={"drift": "evolve"})
    assert found.rows[0]["after"] == {"id": "1", "more": "x"}


def test_a_masked_column_is_hidden_in_what_is_shown_at_work(tmp_path: Path) -> None:
    columns = {"id": {}, "name": {"mask": True, "rules": ["upper"], "checks": [{"length": {"max": 3}}]}}
    found = look(tmp_path, "id,name\n1,secret\n", columns=columns)
    assert "secret" not in json.dumps(found.to_json(), default=str).lower()
    assert found.rows[0]["shows"][0]["before"] == "***"


def test_people_see_before_and_after_side_by_side(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.csv").write_text(LATE, encoding="utf-8")
    text = "pipeline: p\nsource: in.csv\ncolumns:\n  id: {unique: true}\n  name: {rules: [trim, upper]}\ndestination: out.csv\n"
    (tmp_path / "p.yaml").write_text(text, encoding="utf-8")
    page = tmp_path / "page.html"
    assert run(["preview", str(tmp_path / "p.yaml"), "--rows", "3", "--html", str(page)]) == 0
    out = capfd.readouterr().out
    assert "all 1,000 records of in.csv" in out
    assert " ".join(next(line for line in out.splitlines() if "' BO'" in line).split()) == "name ' BO' → 'BO' trim"
    assert "name trim 999 1 0 ' BO' → 'BO'" in " ".join(out.split())
    html = page.read_text(encoding="utf-8")
    assert "<code> BO</code></td><td><code>BO</code>" in html


def test_values_cannot_put_anything_into_the_page(loadlock: CommandLine) -> None:
    (loadlock.folder / "in.csv").write_text("id,name\n1, <script>alert(1)</script>\n", encoding="utf-8")
    columns = "{id: {}, name: {rules: [trim], checks: [{length: {max: 2}}]}}"
    text = f"pipeline: p\nsource: in.csv\ncolumns: {columns}\ndestination: out.csv\n"
    (loadlock.folder / "p.yaml").write_text(text, encoding="utf-8")
    assert loadlock("preview", "p.yaml", "--html", "page.html").code == 0
    html = (loadlock.folder / "page.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;" in html
    assert "<script" not in html


def test_a_change_of_rules_has_a_page_too(loadlock: CommandLine) -> None:
    (loadlock.folder / "in.csv").write_text("id,name\n1,bo\n2,<b>\n", encoding="utf-8")
    columns = "{id: {type: integer}, name: {checks: [{length: {max: 2}}]}}"
    text = f"pipeline: p\nsource: in.csv\ncolumns: {columns}\ndestination: out.csv\n"
    (loadlock.folder / "p.yaml").write_text(text, encoding="utf-8")
    batch = loadlock.json("run", "p.yaml", codes=[3])["batch"]
    (loadlock.folder / "p.yaml").write_text(text.replace("max: 2", "max: 3, min: 3"), encoding="utf-8")
    document = loadlock.json("preview", "p.yaml", "--batch", batch[:12], "--html", "page.html", codes=[0])
    assert (document["leave"]["rows"], document["enter"]["rows"]) == (1, 1)
    html = (loadlock.folder / "page.html").read_text(encoding="utf-8")
    assert "rows leave the quarantine" in html
    assert "&lt;b&gt;" in html
