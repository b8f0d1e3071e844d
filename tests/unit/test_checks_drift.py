"""The check `drift`: a batch is compared with the one that its pipeline delivered before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import loadlock
from loadlock.errors import PipelineError, StoppedError

PIPELINE = """
pipeline: daily
source: in.csv
columns: {id: integer, city: text}
checks: [{drift: {rows: 50, missing: 10}%s}]
destination: {url: out.csv, mode: replace}
"""


def run(folder: Path, rows: int, *, empty: int = 0, more: str = "", text: str = PIPELINE) -> Any:
    lines = [f"{number},{'' if number < empty else 'Rome'}" for number in range(rows)]
    (folder / "in.csv").write_text("\n".join(["id,city", *lines]) + "\n")
    (folder / "daily.yaml").write_text(text % more if "%s" in text else text)
    return loadlock.Pipeline.load(folder / "daily.yaml").run()


def test_a_batch_unlike_the_one_before_stops_the_run(tmp_path: Path) -> None:
    assert run(tmp_path, 100).status == "verified"
    assert run(tmp_path, 149, empty=10).status == "verified"
    with pytest.raises(StoppedError, match=r"74 rows, 50\.3 % fewer than the 149 of batch .*\(50 % allowed\)"):
        run(tmp_path, 74, empty=5)
    with pytest.raises(StoppedError, match=r"40\.0 % of city are missing, 6\.7 % in batch"):
        run(tmp_path, 150, empty=60)
    assert (tmp_path / "out.csv").read_text().count("\n") == 150


def test_a_batch_is_compared_with_delivered_ones_only_and_may_just_warn(tmp_path: Path) -> None:
    run(tmp_path, 100)
    with pytest.raises(StoppedError):
        run(tmp_path, 10)
    warned = run(tmp_path, 11, more=", severity: warn")
    assert warned.status == "verified"
    assert [found["value"] for found in warned.document["warnings"]] == ["11"]
    assert run(tmp_path, 12).status == "verified"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("checks: [{drift: {rows: 5}, when: id > 1}]", "a check over the batch has no `when:`"),
        ("checks: [{drift: {missing: 5, columns: [nothing]}}]", "there is no column 'nothing'"),
        ("checks: [drift]", "give `rows`, `missing`, `values` or several of them"),
    ],
)
def test_a_comparison_that_can_not_work_is_a_mistake(text: str, words: str, tmp_path: Path) -> None:
    written = PIPELINE.replace("checks: [{drift: {rows: 50, missing: 10}%s}]", text)
    with pytest.raises(PipelineError, match=words):
        run(tmp_path, 1, text=written)


SPREAD = """
pipeline: spread
source: in.csv
columns: {city: {type: text, mask: true}, amount: "decimal(9,2)", day: date}
checks: [{drift: {values: 20, columns: [%s]}}]
destination: {url: out.csv, mode: replace}
"""


def spread(folder: Path, columns: str, rows: list[str]) -> Any:
    (folder / "in.csv").write_text("\n".join(["city,amount,day", *rows]) + "\n")
    (folder / "p.yaml").write_text(SPREAD % columns)
    return loadlock.Pipeline.load(folder / "p.yaml").run()


def lines(*, shift: int = 0, city: str = "Rome", day: int = 1, rows: int = 400) -> list[str]:
    cities = ("Oslo", "Rome", "Bonn", city)
    return [f"{cities[n % 4]},{n % 97 + shift}.50,2026-{day:02}-{n % 28 + 1:02}" for n in range(rows)]


def test_values_that_lie_elsewhere_than_before_stop_the_run(tmp_path: Path) -> None:
    columns = "city, amount, day"
    assert spread(tmp_path, columns, lines()).status == "verified"
    assert spread(tmp_path, columns, [*reversed(lines(rows=392)), ",,"]).status == "verified"
    with pytest.raises(StoppedError, match=r"^checks stopped the run: 25\.0 % of the values of city lie elsewhere"):
        spread(tmp_path, columns, lines(city="Lima", rows=800))
    with pytest.raises(StoppedError, match=r"3[0-9]\.\d % of the values of amount lie elsewhere than in batch"):
        spread(tmp_path, columns, lines(shift=34))
    with pytest.raises(StoppedError, match=r"9\d\.\d % of the values of day"):
        spread(tmp_path, columns, lines(day=7))
    assert spread(tmp_path, "amount", lines(day=7, city="Lima")).status == "verified"


def test_of_masked_columns_no_value_is_kept_to_compare(tmp_path: Path) -> None:
    spread(tmp_path, "city", lines())
    found = [path for path in (tmp_path / ".loadlock").rglob("*") if path.is_file() and "ledger" in path.name]
    assert found
    assert not any(b'"Rome"' in path.read_bytes() for path in found)


@pytest.mark.parametrize("name", ["n", "value", "rows"])
def test_a_column_may_have_the_name_of_what_counts_it(name: str, tmp_path: Path) -> None:
    text = SPREAD.replace("city:", f"{name}: {{from: city, type: text}}, city:") % f"{name}, city"
    (tmp_path / "p.yaml").write_text(text)
    pipeline = loadlock.Pipeline.load(tmp_path / "p.yaml")
    (tmp_path / "in.csv").write_text("\n".join(["city,amount,day", *lines()]) + "\n")
    assert pipeline.run().status == "verified"
    (tmp_path / "in.csv").write_text("\n".join(["city,amount,day", *lines(city="Lima")]) + "\n")
    with pytest.raises(StoppedError, match=rf"25\.0 % of the values of {name} lie elsewhere"):
        pipeline.run()
