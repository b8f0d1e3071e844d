"""`rerun` of a batch whose rejects operators corrected, accepted and discarded: what they decided holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from loadlock.testing.command import CommandLine

ROWS = """\
id,name,born,country
1,Ann,1990-02-28,DE
2,Bo,1990-02-30,DE
3,"Cy,1985-01-01,FR
4,Di,1979-12-31,XX
5,Ed,1960-06-06,Germany
6,Flo,,IT
7,Gus,1970-01-01,IT,extra
8,Gwendolyn,1999-09-09,IT
"""
PIPELINE = """\
pipeline: people
source: {{files: in.csv}}
columns:
  id: {{type: integer, required: true}}
  name: {{rules: [trim]}}
  born: {{type: date, required: true}}
  country: {{checks: [{{in: [DE, FR, IT]}}]}}
destination: {{url: "{url}", table: people, {way}}}
"""
UPSERT, REPLACE = "mode: upsert, key: [id]", "mode: replace"
CHANGED = ("[trim]", "[trim, upper]")
AFTER = [(1, "ANN", "DE"), (2, "BO", "DE"), (3, "CY", "FR"), (4, "DI", "XX"), (8, "GWENDOLYN", "IT")]
"""What a rerun with the changed rule is to leave: 5 stays open, 6 and 7 are discarded."""


@pytest.fixture(params=["duckdb", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres"))
    return f"duckdb:///{tmp_path / 'out.db'}"


def people(url: str) -> list[tuple[Any, ...]]:
    query = "select id, name, country from people order by id"
    if url.startswith("duckdb"):
        with duckdb.connect(url.removeprefix("duckdb:///"), read_only=True) as base:
            return base.execute(query).fetchall()
    with psycopg.connect(url) as server:
        return server.execute(query).fetchall()


def worked_on(loadlock: CommandLine, url: str, way: str) -> str:
    """A delivered batch of which rejects are corrected (one of them malformed), accepted and discarded (one malformed)."""
    (loadlock.folder / "in.csv").write_text(ROWS, encoding="utf-8")
    (loadlock.folder / "p.yaml").write_text(PIPELINE.format(url=url, way=way), encoding="utf-8")
    batch = str(loadlock.json("run", "p.yaml", codes=[3])["batch"])
    fix = loadlock.folder / "fix.csv"
    assert loadlock("rejects", batch, "--export", fix).code == 0
    text = fix.read_text(encoding="utf-8-sig")
    fix.write_text(text.replace(",2,Bo,1990-02-30", ",2,Bo,1990-02-28").replace('"3,""Cy', '"3,Cy'), encoding="utf-8")
    assert loadlock.json("correct", batch, fix)["act"]["rejects"] == 2
    loadlock.json("accept", batch, "--where", "id='4'", "--why", "theirs")
    given_up = loadlock.json("discard", batch, "--where", "id='6' or raw like '7,%'", "--why", "nobody knows")
    assert given_up["act"]["rejects"] == 2
    return batch


def change(loadlock: CommandLine, old: str = CHANGED[0], new: str = CHANGED[1]) -> None:
    pipeline = loadlock.folder / "p.yaml"
    pipeline.write_text(pipeline.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


def states(loadlock: CommandLine, batch: str) -> dict[int, str]:
    shown = (loadlock.json("rejects", batch, "--state", state) for state in ("open", "resolved", "discarded"))
    return {reject["row"]: reject["state"] for rejects in shown for reject in rejects}


@pytest.mark.parametrize("way", [UPSERT, REPLACE], ids=["upsert", "replace"])
@pytest.mark.parametrize("replayed", [True, False], ids=["replayed", "not replayed"])
def test_a_rerun_keeps_what_operators_decided(loadlock: CommandLine, url: str, way: str, replayed: bool) -> None:
    batch = worked_on(loadlock, url, way)
    if replayed:
        loadlock.json("replay", batch, codes=[3])
        assert loadlock("verify", batch).code == 0
    change(loadlock)
    seen = loadlock.json("preview", "p.yaml", "--batch", batch, codes=[0])
    freed = 0 if replayed else 3
    assert (seen["leave"]["rows"], seen["enter"]["rows"], seen["withdrawn"]) == (freed, 0, 0)
    assert seen["values"]["rows"] == 5 - freed
    done = loadlock.json("rerun", batch, codes=[3])
    assert people(url) == AFTER
    balance = done["balance"]
    after = {name: seen["after"][name] for name in ("staged", "clean", "discarded", "rejected")}
    assert after == {"staged": 8, "clean": 5, "discarded": 2, "rejected": 1}
    assert seen["before"] == {**seen["after"], "clean": 5 - freed, "rejected": 1 + freed}
    assert (balance["received"], balance["staged"], balance["clean"], balance["discarded"]) == (8, 8, 5, 2)
    assert balance["rejected"] == {"intake": 0, "cleanup": 1, "delivery": 0}
    assert balance["inserted"] + balance["updated"] + balance["unchanged"] == 5
    assert loadlock.json("show", done["run"])["balance"] == balance
    assert {**done["files"][0]["balance"], "deleted": 0} == {**balance, "deleted": 0}
    assert done["rejects"] == {"not_in": 1}
    assert states(loadlock, batch) == {5: "open", 6: "discarded", 7: "discarded", 3: "resolved"}
    assert loadlock("verify", batch).code == 0


def test_a_discarded_row_that_the_rules_would_pass_stays_out_until_that_is_undone(
    loadlock: CommandLine, tmp_path: Path
) -> None:
    url = f"duckdb:///{tmp_path / 'out.db'}"
    batch = worked_on(loadlock, url, UPSERT)
    loadlock.json("discard", batch, "--where", "id='5'", "--why", "no country")
    change(loadlock, "IT]", "IT, Germany]")
    assert loadlock("rerun", batch, fault="cleanup.judged=kill").code == -9
    done = loadlock.json("resume", loadlock.json("runs")[0]["run"], codes=[0])
    assert [row[0] for row in people(url)] == [1, 2, 3, 4, 8]
    assert (done["balance"]["discarded"], done["rejects"]) == (3, {})
    out = loadlock.json("rejects", batch, "--state", "discarded")
    assert [reject["problems"][0]["code"] for reject in out if reject["row"] == 5] == ["discarded"]
    loadlock.json("corrections", "undo", batch)
    balance = loadlock.json("show", done["run"])["balance"]
    assert (balance["discarded"], balance["rejected"]["cleanup"]) == (2, 1)
    replayed = loadlock.json("replay", batch, "--all", codes=[0])
    assert [row[0] for row in people(url)] == [1, 2, 3, 4, 5, 8]
    balance = replayed["balance"]
    assert (balance["received"], balance["clean"], balance["discarded"]) == (8, 6, 2)
    assert sum(balance["rejected"].values()) == 0
    assert loadlock("verify", batch).code == 0
    with duckdb.connect(url.removeprefix("duckdb:///")) as base:
        base.execute("update people set name = 'a stranger' where id = 1").fetchall()
    assert loadlock("verify", batch).code == 6


def test_what_was_decided_on_rows_does_not_meet_others_when_the_file_is_read_in_another_way(
    loadlock: CommandLine, tmp_path: Path
) -> None:
    url = f"duckdb:///{tmp_path / 'out.db'}"
    batch = worked_on(loadlock, url, REPLACE)
    change(loadlock, "{files: in.csv}", "{files: in.csv, encoding: utf-8}")
    told = loadlock("rerun", batch)
    assert told.code == 3, told.said
    assert "was on rows as they were read before" in told.said
    assert [row[0] for row in people(url)] == [1, 8]
