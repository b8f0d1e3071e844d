"""A look into the files: rows before and after cleanup, personal data masked, nothing written."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadlock.api import Pipeline
from loadlock.cli.app import run


def pipeline(folder: Path, **sections: object) -> Pipeline:
    (folder / "in.csv").write_text("id,mail,amount\n1,ann@example.com,5\n2,bo@example.com,0\n", encoding="utf-8")
    return Pipeline.build("p", files="in.csv", base_folder=folder, destination="out.csv", **sections)  # type: ignore[arg-type]


def test_masked_columns_show_no_value(tmp_path: Path) -> None:
    found = pipeline(tmp_path, columns={"id": {}, "address": {"from": "mail", "mask": True}}).preview()
    assert found.rows[0]["before"] == {"id": "1", "mail": "***", "amount": "5"}
    assert found.rows[0]["after"] == {"id": "1", "address": "***"}


def test_a_masked_column_hides_the_json_record_it_stands_in(tmp_path: Path) -> None:
    (tmp_path / "in.ndjson").write_text('{"id": 1, "mail": "ann@example.com"}\n', encoding="utf-8")
    shown = Pipeline.build(
        "p", files="in.ndjson", base_folder=tmp_path, destination="out.csv", columns={"id": {}, "mail": {"mask": True}}
    )
    assert "ann@example.com" not in str(shown.preview().rows)


def test_sql_may_name_columns_of_the_files_that_are_not_declared(tmp_path: Path) -> None:
    shown = pipeline(tmp_path, columns={"id": {}}, checks=[{"sql": "try_cast(amount as integer) > 0"}])
    assert [reject["row"] for reject in shown.preview().rejects] == [2]
    assert shown.run(workspace=tmp_path / "w").balance["rejected"]["cleanup"] == 1


def test_values_that_are_no_text_are_shown_plainly(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.csv").write_text("day,name\n2024-03-01,\n", encoding="utf-8")
    text = "pipeline: p\nsource: in.csv\ncolumns: {day: date, name: {rules: [null_if]}}\ndestination: out.csv\n"
    (tmp_path / "p.yaml").write_text(text, encoding="utf-8")
    assert run(["preview", str(tmp_path / "p.yaml")]) == 0
    out = " ".join(capfd.readouterr().out.split())
    assert "name '' → null null_if" in out


MASKED = {
    "id": {},
    "mail": {"mask": True, "type": "integer"},
    "amount": {"mask": True, "checks": [{"in": ["1"]}]},
}


def test_rejects_in_a_preview_show_no_value_of_masked_columns(tmp_path: Path) -> None:
    found = pipeline(tmp_path, columns=MASKED).preview()
    assert [problem["message"] for problem in found.rejects[0]["problems"]] == [
        "'***' is no whole number",
        "'***' is none of 1",
    ]
    assert found.rejects[0]["values"] == {"id": "1", "mail": "***", "amount": "***"}
    assert "example.com" not in str(found.rejects)


def test_messages_of_rejects_hide_masked_values_and_the_quarantine_keeps_them(tmp_path: Path) -> None:
    result = pipeline(tmp_path, columns=MASKED, rejects={"budget": {"rows": 9}}).run(workspace=tmp_path / "w")
    [first, *_] = result.rejects().to_pylist()
    assert "example.com" not in str([problem["message"] for problem in first["problems"]])
    assert first["problems"][0]["value"] == "ann@example.com"


def test_python_checks_and_errors_hide_masked_values(tmp_path: Path) -> None:
    (tmp_path / "checks.py").write_text(
        "def fails(value):\n    raise ValueError(f'bad {value}')\n\ndef says(value):\n    return f'no {value} here'\n"
    )
    columns = {
        "id": {},
        "mail": {"mask": True, "checks": [{"python": "checks.py:fails"}, {"python": "checks.py:says"}]},
        "amount": {"mask": True, "rules": [{"python": "checks.py:fails"}]},
    }
    rejects = pipeline(tmp_path, columns=columns).preview().rejects
    assert rejects
    told = str([problem["message"] for reject in rejects for problem in reject["problems"]])
    assert "***" in told
    assert "example.com" not in told


def test_the_profile_of_a_masked_column_names_no_value(tmp_path: Path) -> None:
    columns = {"id": {"type": "integer"}, "amount": {"type": "integer", "mask": True}}
    profiled = {
        tally.name: (tally.low, tally.high) for tally in pipeline(tmp_path, columns=columns).preview().tallies.columns
    }
    assert profiled == {"id": ("1", "2"), "amount": (None, None)}
