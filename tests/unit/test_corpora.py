"""The judging of folders of real files, on small folders of the same form, and on the real ones where they are at hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadlock.testing.corpora import FOLDERS, PRELOAD, FolderResult, survey
from loadlock.testing.corpus_guard import Guard, Limits

ROOT = Path(__file__).parents[2]
CORPORA = Path(os.environ.get("LOADLOCK_CORPORA", ROOT.parent / "shared" / "corpora"))
CASE = {"label": "a case", "original": "MÃ¼ller", "fixed": "Müller", "expect": "pass"}
FILES: dict[str, str | bytes] = {
    "csv-spectrum/csvs/two.csv": 'a,b\n1,"x ""y"", z"\n2,é\n',
    "csv-spectrum/json/two.json": '[{"a": "1", "b": "x \\"y\\", z"}, {"a": "2", "b": "é"}]',
    "csv-spectrum/readme.md": "# nothing\n",
    "json-test-suite/test_parsing/y_number.json": "[1.10]",
    "json-test-suite/test_parsing/n_comma.json": "[1,,2]",
    "json-test-suite/test_parsing/n_deep.json": "[" * 5000,
    "json-test-suite/test_parsing/i_huge.json": "[1e9999]",
    "ftfy/wild.json": json.dumps([CASE, {**CASE, "original": "à la", "fixed": "à la"}, {**CASE, "expect": "fail"}]),
    "duckdb-csv/ragged.csv": "a,b,c\n1,2,3\n\n4,5\n6,7,8\n",
    "messytables/latin.csv": "id,name\n1,Müller\n2,Strauß\n".encode("cp1252"),
    "football/G1 (9).csv": "Div,Date,HT\nG1,01/02/03, Aris \n,,\nG1,02/02/03,AEK\n",
    "covid-daily/05-29-2020.csv": "a,b,c,d\n1,2,3,4\n5,6,7,8\n9,10\n",
}
"""Small files of the same form. The last one needs the setting that the real file of this name needs."""


@pytest.fixture(scope="module")
def guard() -> Iterator[Guard]:
    with Guard(Limits(seconds=60), preload=PRELOAD) as guarded:
        yield guarded


@pytest.fixture
def corpora(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return tmp_path


def read(folder: Path, guard: Guard, *names: str) -> dict[str, FolderResult]:
    chosen = [known for known in FOLDERS if not names or known.name in names]
    return {result.folder.name: result for result in survey(folder, guard, chosen)}


def test_folders_are_counted_and_what_is_known_of_them_holds(corpora: Path, guard: Guard) -> None:
    found = read(corpora, guard)
    assert {name: (len(r.files), r.judged, r.total("staged"), dict(r.codes)) for name, r in found.items()} == {
        "csv-spectrum": (2, 2, 4, {}),
        "json-test-suite": (4, 4, 4, {"invalid_json": 1, "nested_too_deep": 1}),
        "ftfy": (1, 1, 3, {}),
        "duckdb-csv": (1, 0, 2, {"field_count": 1}),
        "messytables": (1, 0, 2, {}),
        "football": (1, 1, 2, {}),
        "covid-daily": (1, 1, 2, {"field_count": 1}),
    }
    assert (found["duckdb-csv"].total("blank"), found["football"].total("blank")) == (1, 1)
    assert [path for result in found.values() for path in (*result.wrong, *result.failures)] == []
    assert len(found["csv-spectrum"].others) == 1


def test_a_file_that_needs_its_setting_is_read_again_with_it(corpora: Path, guard: Guard) -> None:
    (file,) = read(corpora, guard, "covid-daily")["covid-daily"].files
    assert file.again is not None
    assert (file.found["rejected"], file.again.value["rejected"], file.again.value["staged"]) == (1, 0, 3)


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("csv-spectrum/json/two.json", "é", "è", "two.csv, row 2: 'é', not 'è'"),
        ("csv-spectrum/json/two.json", '"b"', '"c"', "the header is ['a', 'b'], not ['a', 'c']"),
        ("csv-spectrum/json/two.json", "[", '[{"a": "0", "b": ""}, ', "2 rows, not 3"),
        ("csv-spectrum/json/two.json", "]", "", "its truth can't be read: JSONDecodeError"),
        ("ftfy/wild.json", '"fixed": "M\\u00fcller"', '"fixed": "Mueller"', "a case: 'Müller'"),
        ("covid-daily/05-29-2020.csv", "9,10", "9,10,11,12,13", "rejects in spite of its setting"),
        ("football/G1 (9).csv", "02/02/03,AEK", "02/02/03", "1 rows of the truth kept out and no setting known"),
    ],
)
def test_an_altered_truth_or_file_is_found_out(
    corpora: Path, guard: Guard, name: str, old: str, new: str, said: str
) -> None:
    path = corpora / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    folder = name.partition("/")[0]
    result = read(corpora, guard, folder)[folder]
    assert any(said in fault for fault in result.wrong), result.wrong


@pytest.mark.parametrize(("old", "new"), [("n_comma", "y_comma"), ("y_number", "n_number")])
def test_a_wrong_verdict_is_found_out(corpora: Path, guard: Guard, old: str, new: str) -> None:
    folder = corpora / "json-test-suite" / "test_parsing"
    (folder / f"{old}.json").rename(folder / f"{new}.json")
    assert any(new in fault for fault in read(corpora, guard, "json-test-suite")["json-test-suite"].wrong)


@pytest.mark.parametrize(
    ("function", "argument", "failure"),
    [
        ("os:abort", (), "crash: the process ended by -6"),
        ("os:_exit", (3,), "crash: the process ended by 3"),
        ("json:loads", ("{",), "crash: JSONDecodeError"),
        ("time:sleep", (30,), "hang: no end after 1 s"),
        ("operator:mul", ("x", 100 << 20), "memory: "),
        ("operator:mul", ("x", 1 << 44), "memory: none left"),
    ],
)
def test_a_guarded_call_that_ends_badly_says_how(function: str, argument: tuple[object, ...], failure: str) -> None:
    with Guard(Limits(seconds=1 if "sleep" in function else 60, mebibytes=64)) as guard:
        assert guard.call(function, *argument).failure.startswith(failure)
        assert guard.call("operator:add", 1, 2).value == 3


def tool(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / "corpora.py"), "--corpora", str(folder), "--no-docs", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_tool_prints_the_table_and_fails_loudly(corpora: Path) -> None:
    (corpora / "football").rename(corpora / "other")
    (corpora / "covid-daily").rename(corpora / "another")
    done = tool(corpora)
    assert done.returncode == 0, done.stderr
    assert "| csv-spectrum | 2 | 4 | none | 0, 0, 0 | 0 | 0 |" in done.stdout
    assert "| duckdb-csv | 1 | 2 | `field_count` 1 | 1, 0, 0 | no truth | 0 |" in done.stdout
    truth = corpora / "csv-spectrum" / "json" / "two.json"
    truth.write_text(truth.read_text(encoding="utf-8").replace("é", "è"), encoding="utf-8")
    done = tool(corpora, "--folder", "csv-spectrum")
    assert done.returncode == 1
    assert "csv-spectrum/two.csv, row 2: 'é', not 'è'" in done.stderr
    assert tool(corpora / "nowhere").returncode == 2


def test_real_folders_hold_no_wrong_value(guard: Guard) -> None:
    """The quick ones; `make corpora` reads all."""
    if not CORPORA.is_dir():
        pytest.skip(f"NO CORPORA: {CORPORA} is not there; set LOADLOCK_CORPORA to the folder of the real files")
    results = read(CORPORA, guard, "csv-spectrum", "ftfy", "beers").values()
    assert results
    assert [fault for result in results for fault in (*result.wrong, *result.failures)] == []
    assert all(result.total("staged") and result.judged for result in results)
