"""The benchmark itself: does it measure what it says, and does its verdict depend on the rows?"""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest
from bench import intake
from bench.__main__ import all_right, main, read_options
from bench.contestants import Contestant
from bench.job import Job, make_job, write_clean, write_parseable
from bench.measure import Measured, measure
from bench.page import BEGIN, END, markdown, put_between_markers
from bench.rounds import Record

from loadlock import Pipeline
from loadlock.testing.compare import compare
from loadlock.testing.maker import BENCH_COLUMNS

RECORDS = 3_000
TAKE_MEMORY = "import time; held = b'x' * 150_000_000; time.sleep(0.6)"
PARENT = f"import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', {TAKE_MEMORY!r}]) + 3)"


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    return make_job(tmp_path_factory.mktemp("job"), records=RECORDS, seed=8)


def test_the_peak_is_that_of_all_processes_of_a_command(tmp_path: Path) -> None:
    found = measure([sys.executable, "-c", PARENT], cwd=tmp_path)

    assert 140 < found.peak_mib < 400
    assert found.exit_code == 3


def test_output_errors_and_cpu_time_of_a_command_are_kept(tmp_path: Path) -> None:
    script = "import sys; sum(range(10**7)); print('out'); print('talk', file=sys.stderr)"
    found = measure([sys.executable, "-c", script], cwd=tmp_path)

    assert (found.output, found.errors) == ("out\n", "talk\n")
    assert found.cpu_seconds > 0.02


def test_a_command_may_write_bytecode_and_sees_no_setting_of_loadlock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("LOADLOCK_WORKSPACE", "elsewhere")
    script = "import os, sys; print(sys.dont_write_bytecode, [name for name in os.environ if 'LOADLOCK' in name])"

    assert measure([sys.executable, "-c", script], cwd=tmp_path).output == "False []\n"


@pytest.mark.parametrize(("null", "words"), [("", ("true", "false")), ("NULL", ("1", "0"))])
def test_the_baselines_file_is_what_should_load(job: Job, tmp_path: Path, null: str, words: tuple[str, str]) -> None:
    path = tmp_path / "clean.csv"
    write_clean(job, path, null=null, words=words)

    rows = pa_csv.read_csv(
        path,
        read_options=pa_csv.ReadOptions(column_names=BENCH_COLUMNS),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(BENCH_COLUMNS, pa.string()),
            null_values=[null],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    found = compare(job.truth, rows)
    assert (found.right, found.is_right) == (job.counts["load"], True)


def test_only_misquoted_rows_are_taken_from_the_copy_for_polars(job: Job, tmp_path: Path) -> None:
    path = tmp_path / "parseable.csv"
    taken = write_parseable(job, path)

    rejects = job.counts["rejects"]
    before, after = job.source.read_bytes(), path.read_bytes()
    assert taken == rejects["open_quote"] + rejects["stray_quote"] > 0
    assert b"never closed" in before
    assert b"never closed" not in after
    assert before.count(b"REF-") - after.count(b"REF-") == taken
    assert set(after.split(b"\n")) <= set(before.split(b"\n"))


def test_the_job_is_run_with_its_own_pipeline_into_other_destinations(job: Job) -> None:
    spec = Pipeline.load(job.pipeline("two", ["postgresql://u@h/one", "duckdb:////tmp/two.duckdb"])).spec

    assert [one.url for one in spec.destinations] == ["postgresql://u@h/one", "duckdb:////tmp/two.duckdb"]
    assert spec.columns is not None
    assert tuple(column.name for column in spec.columns) == BENCH_COLUMNS


def measured(seconds: float) -> Measured:
    return Measured(seconds=seconds, cpu_seconds=1.0, peak_mib=100.0, exit_code=0, output="", errors="")


def test_a_ratio_is_that_to_the_baseline_of_the_same_round() -> None:
    one = Contestant(name="x", destination="postgres", does="", errs="", command=lambda arena: [])
    record = Record(contestant=one, runs=[measured(2.0), measured(9.0), measured(4.0)], baseline=[1.0, 3.0, 1.0])

    assert record.ratios == [2.0, 3.0, 4.0]
    assert record.to_json()["ratio"] == 3.0


def verdict(**changes: int) -> dict[str, int]:
    counts = {"right": 99, "wrong": 0, "missing": 0, "extra": 0, "rejects_right": 1, "reject_mismatch": 0}
    return {**counts, **changes}


def record(destination: str, **changes: Any) -> dict[str, Any]:
    found = {
        "name": "Loadlock",
        "destination": destination,
        "does": "all",
        "errs": "",
        "seconds": 2.5,
        "ratio": 2.5,
        "cpu_seconds": 1.0,
        "peak_mib": 300.0,
        "all_seconds": [2.5],
        "all_ratios": [2.5],
        "read_back": 0.4,
        "verdict": verdict(),
        "digests": ["ab"],
    }
    return {**found, **changes}


def results() -> dict[str, Any]:
    everywhere = {"records": 5, "seconds": 1.0, "peak_mib": 1.0, "digest": "cd"}
    return {
        "date": "2026-01-01",
        "command": "python -m bench",
        "seed": 1,
        "rows": 100,
        "rounds": 1,
        "megabytes": 1.0,
        "counts": {"load": 99},
        "machine": {"cores": 2, "memory_gib": 1.0, "processor": "p", "system": "s", "load_before": 0.0},
        "versions": {"python": "3"},
        "records": [record("postgres"), record("mariadb")],
        "memory": {"rows": 500, "destination": "postgres", "peak_mib": 401.0, "seconds": 1.0, "cpu_seconds": 1.0},
        "everywhere": {**everywhere, "receipts": {"postgres": "cd"}, "verdicts": {"postgres": verdict()}},
    }


@pytest.mark.parametrize(
    "spoil",
    [
        lambda found: found["records"][1]["verdict"].update(wrong=1),
        lambda found: found["records"][0]["verdict"].update(reject_mismatch=1),
        lambda found: found["records"][1].update(digests=["ef"]),
        lambda found: found["everywhere"]["verdicts"]["postgres"].update(missing=1),
        lambda found: found["everywhere"]["receipts"].update(postgres="ef"),
    ],
)
def test_one_wrong_row_reject_or_digest_is_not_all_right(spoil: Any) -> None:
    found = results()
    assert all_right(found)

    spoil(found)
    assert not all_right(found)


def test_targets_are_said_to_be_met_only_where_they_are() -> None:
    found = results()
    assert "| whole job ≤ 3.0 x bare COPY | 2.50 x | yes |" in markdown(found)
    assert "| whole job ≤ 2.0 x bare COPY | 2.50 x | **no** |" in markdown(found)
    assert "| read-back ≤ 0.5 x bare COPY | 0.40 x | yes |" in markdown(found)
    assert "| peak memory ≤ 400 MiB at 500 rows, postgres | 401 MiB | **no** |" in markdown(found)

    slow = copy.deepcopy(found)
    slow["records"][0] |= {"ratio": 3.01, "read_back": 0.51}
    slow["records"].append(record("postgres", name="Loadlock, upsert", ratio=3.5))
    slow["records"][1]["digests"] = ["ef"]
    assert "| whole job ≤ 3.0 x bare COPY | 3.01 x | **no** |" in markdown(slow)
    assert "| read-back ≤ 0.5 x bare COPY | 0.51 x | **no** |" in markdown(slow)
    assert "| upsert, half of the rows updates, ≤ 3.0 x bare COPY | 3.50 x | **no** |" in markdown(slow)
    assert "| equal digests in postgres, mariadb, postgres (upsert) | ab, ef | **no** |" in markdown(slow)


def test_results_replace_what_stands_between_the_markers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    put_between_markers(page, "new\n")

    assert page.read_text() == f"before\n{BEGIN}\nnew\n{END}\nafter\n"


def test_a_page_without_markers_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("no place\n")

    with pytest.raises(ValueError, match="no place for the results"):
        put_between_markers(page, "new")
    assert page.read_text() == "no place\n"


def test_the_pages_markers_are_there() -> None:
    text = (Path(__file__).parents[2] / "docs" / "performance.md").read_text(encoding="utf-8")

    assert text.count(BEGIN) == text.count(END) == 1


def test_quick_changes_only_what_is_not_given() -> None:
    options = read_options(["--quick", "--rows", "7"])

    assert (options.rows, options.rounds, options.memory_rows) == (7, 1, 0)


def test_an_unknown_peer_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read_options(["--peers", "polars,petl"])

    assert ended.value.code == 2
    assert "unknown: petl; known: polars, duckdb, pandas" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.mysql
@pytest.mark.usefixtures("postgres_server", "mysql_server")  # skips where there are none; the benchmark starts its own
def test_a_quick_benchmark_measures_everyone_and_finds_loadlock_right(tmp_path: Path) -> None:
    assert main(["--quick", "--rows", "5000", "--demo-records", "0", "--out", str(tmp_path)]) == 0

    found = json.loads((tmp_path / "results.json").read_text())
    names = [(one["destination"], one["name"]) for one in found["records"]]
    scripts = [name for _, name in names if "script" in name]
    ours = [name for name in names if name[1].startswith("Loadlock")]
    assert [name for name in ours if name[0] != "mysql"] == [
        ("postgres", "Loadlock"),
        ("postgres", "Loadlock, upsert"),
        ("mariadb", "Loadlock"),
        ("duckdb", "Loadlock"),
    ]
    assert all(one["read_back"] > 0 for one in found["records"] if (one["destination"], one["name"]) in ours[:3])
    assert [name.split()[0] for name in scripts] == ["Polars", "DuckDB", "pandas"]
    for one in found["records"]:
        perfect = one["verdict"]["right"] == found["counts"]["load"]
        assert perfect == ("script" not in one["name"]), one["name"]
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("name", list(intake.FILES))
def test_the_files_of_the_intake_benchmark_are_what_their_names_say(name: str, tmp_path: Path) -> None:
    text = intake.make_file(name, tmp_path, 600).read_text(encoding="utf-8")
    lines = text.splitlines()
    assert len(lines) == 601 + (60 if name == "newlines" else 0)
    assert (text.count('"') > 600 * 28) == (name == "quoted")
    assert (",one more" in text and 'RE "F-' in text) == (name in ("malformed", "rejects"))
