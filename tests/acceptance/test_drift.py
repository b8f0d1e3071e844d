"""Files of a batch with other columns than the pipeline's, by the contract `drift: reject`."""

from __future__ import annotations

from typing import Any

from loadlock.testing.command import CommandLine

PIPELINE = """
pipeline: people
source: {files: "*.FORMAT", drift: reject}
columns:
  id: {type: integer, required: true}
  name: {aliases: [Name]}
destination: people.csv
"""


def write(loadlock: CommandLine, files: dict[str, str], kind: str) -> None:
    for name, text in files.items():
        (loadlock.folder / name).write_text(text, encoding="utf-8")
    (loadlock.folder / "people.yaml").write_text(PIPELINE.replace("FORMAT", kind), encoding="utf-8")


def rejected(loadlock: CommandLine, batch: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = loadlock.json("rejects", batch)
    return found


def test_rows_of_a_file_with_other_columns_are_rejects(loadlock: CommandLine) -> None:
    files = {
        "a.csv": "id,name\n1,Ann\n2,Bo\n",
        "b.csv": "Name,ID\nCy,3\n",
        "c.csv": "id,name,city\n4,Di,Oslo\n",
        "d.csv": "id,surname\n5,Ek\n6,Fo\n",
    }
    write(loadlock, files, "csv")
    run = loadlock("run", "people.yaml", "--json")
    assert run.code == 3
    assert (loadlock.folder / "people.csv").read_text(encoding="utf-8") == "id,name\n1,Ann\n2,Bo\n3,Cy\n"
    assert run.document["balance"]["rejected"] == {"intake": 0, "cleanup": 3, "delivery": 0}
    found = rejected(loadlock, run.document["batch"])
    assert [(row["file"], row["row"], row["problems"][0]["code"]) for row in found] == [
        ("c.csv", 1, "drift"),
        ("d.csv", 1, "drift"),
        ("d.csv", 2, "drift"),
    ]
    assert found[0]["problems"][0]["message"] == (
        "the file's columns are not the pipeline's: the pipeline doesn't name its city"
    )
    assert found[1]["problems"][0]["message"].endswith(
        "it has no column for name; the pipeline doesn't name its surname"
    )
    assert found[1]["values"] == {"id": "5", "surname": "Ek"}
    assert found[1]["raw"] == "5,Ek"


def test_records_of_a_json_file_with_other_keys_are_rejects(loadlock: CommandLine) -> None:
    more = '{"id": 3}\n{"id": 2, "name": "Bo", "city": "Oslo"}\n{"id": 4, "name": "Cy"}\n'
    files = {"a.ndjson": '{"id": 1, "name": "Ann"}\n', "b.ndjson": more}
    write(loadlock, files, "ndjson")
    run = loadlock("run", "people.yaml", "--json")
    assert run.code == 3
    assert (loadlock.folder / "people.csv").read_text(encoding="utf-8") == "id,name\n1,Ann\n3,\n4,Cy\n"
    (found,) = rejected(loadlock, run.document["batch"])
    assert found["problems"][0]["message"] == "the pipeline doesn't name what the record has: city"
    assert (found["file"], found["raw"]) == ("b.ndjson", '{"id": 2, "name": "Bo", "city": "Oslo"}')


def test_a_preview_shows_the_rejects(loadlock: CommandLine) -> None:
    write(loadlock, {"a.csv": "id,name\n1,Ann\n", "b.csv": "id,name,x\n2,Bo,3\n"}, "csv")
    shown = loadlock("preview", "people.yaml", "--json")
    assert [reject["problems"][0]["code"] for reject in shown.document["rejects"]] == ["drift"]


def test_records_whose_keys_are_data_stop_the_run_with_advice(loadlock: CommandLine) -> None:
    records = "".join(f'{{"id": {number}, "by_day": {{"k{number}": 1}}}}\n' for number in range(2_001))
    (loadlock.folder / "a.ndjson").write_text(records, encoding="utf-8")
    run = loadlock("load", "a.ndjson", "--to", "a.csv")
    assert run.code == 4
    assert "more than 2,000 different keys" in run.err
    assert loadlock("load", "a.ndjson", "--to", "a.csv", "--option", "depth=0").code == 0
