"""`--log json`: standard error is one JSON object a line, whatever happens."""

from __future__ import annotations

import json
from typing import Any

import pytest

from loadlock.testing.command import CommandLine, Ended

PIPELINE = (
    "pipeline: p\nsource: '*.csv'\ncolumns: {id: {type: integer}}\ndestination: {url: 'duckdb:///o.db', table: t}\n"
)


def lines(ended: Ended) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in ended.err.splitlines()]
    assert all({"at", "level", "event"} <= line.keys() for line in found)
    return found


def test_each_stage_begins_and_ends_in_a_line(loadlock: CommandLine) -> None:
    (loadlock.folder / "p.yaml").write_text(PIPELINE)
    (loadlock.folder / "a.csv").write_text("id\n1\n2\n")
    ended = loadlock("run", "p.yaml", "--log", "json", "--json")
    assert ended.document["status"] == "verified"
    told = lines(ended)
    stages = [(line["event"], line["stage"]) for line in told if "stage" in line]
    assert stages == [
        (f"stage_{word}", stage) for stage in ("intake", "cleanup", "delivery") for word in ("begun", "done")
    ]
    assert [line["rows"] for line in told if line["event"] == "stage_done"] == [2, 2, 2]


@pytest.mark.parametrize("arguments", [["--log=json"], ["--log", "json"]])
def test_an_error_is_a_line_too(loadlock: CommandLine, arguments: list[str]) -> None:
    (error,) = lines(loadlock("run", "absent.yaml", *arguments))
    assert (error["level"], error["event"], error["kind"], error["exit_code"]) == ("error", "error", "UsageError", 2)
    assert "absent.yaml" in error["message"]
