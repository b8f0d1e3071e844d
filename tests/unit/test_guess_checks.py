"""`guess`: rules and checks beside the type, each for something that the values show, and none that a seen value breaks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from loadlock.cleanup.profile import as_regex, profile
from loadlock.errors import LoadlockError
from loadlock.pipeline.guess import ProposedColumn, propose
from loadlock.pipeline.options import source_with_options
from loadlock.pipeline.read import pipeline_from_text
from loadlock.testing.command import CommandLine
from loadlock.workflow.guessing import guess
from loadlock.workflow.preview import preview

CORPORA = Path(__file__).parents[3] / "shared" / "corpora"


def proposed(values: Sequence[str | None], name: str = "c") -> ProposedColumn:
    table = pa.table({name: pa.array(values, pa.string())})
    (found,) = propose(profile([table]), name="p", files=["f"]).columns
    return found


def test_few_values_that_come_again_become_a_list_that_warns() -> None:
    found = proposed(["new", "open", "closed", "open"] * 20)
    assert found.checks == ({"in": ["open", "closed", "new"], "severity": "warn"},)
    assert "3 different values: open (40), closed (20), new (20); another one gives a warning" in found.reasons


def test_values_that_differ_in_case_only_become_one() -> None:
    found = proposed(["DE"] * 30 + ["de"] * 3 + ["FR"] * 10)
    assert (found.rules, found.checks) == (("upper",), ({"in": ["DE", "FR"], "severity": "warn"},))
    assert "'DE' and 'de' differ in case only: upper" in found.reasons
    mixed = proposed(["New York"] * 30 + ["new york"] * 3)
    assert mixed.rules == ()
    assert "differ in case only: upper, lower or map would make them one" in mixed.reasons[0]


def test_words_that_may_mean_null_stand_in_the_list_and_empty_texts_become_null() -> None:
    found = proposed(["a", "b"] * 30 + ["NA", "", " "])
    assert found.rules == ("trim", {"null_if": [""]})
    assert found.checks == ({"in": ["a", "b", "NA"], "severity": "warn"},)


def test_codes_get_their_pattern_and_what_is_otherwise_is_named() -> None:
    found = proposed([f"AB-{n:04d}" for n in range(99)] + ["?1"])
    assert found.checks == ({"matches": "[A-Z]{2}\\-[0-9]{4}|\\?[0-9]", "severity": "warn"},)
    many = proposed([f"{'A' * (n % 5 + 1)}{n * 97}" for n in range(1, 200)] + ["x y"])
    assert many.checks == ()
    few = proposed([f"AB-{n:04d}" for n in range(300)] + ["?1", "no", "oh", "no way"])
    (check,) = few.checks
    assert re.fullmatch(check["matches"], "XY-1234")
    assert not re.fullmatch(check["matches"], "no way")
    assert "301 of 304 values look like 'AB-0000', '?1'; 3 values do not" in " ".join(few.reasons)


@pytest.mark.parametrize(
    ("pattern", "exact", "regex"),
    [
        ("AA-9999", True, "[A-Z]{2}\\-[0-9]{4}"),
        ("A-9", False, "[A-Z]+\\-[0-9]+"),
        ("9.9aa", True, "[0-9]\\.[0-9][a-z]{2}"),
        ("((9))", True, "\\(\\([0-9]\\)\\)"),
    ],
)
def test_a_pattern_is_written_as_a_regular_expression(pattern: str, exact: bool, regex: str) -> None:
    assert as_regex(pattern, exact=exact) == regex


@pytest.mark.parametrize(
    ("values", "name", "mask", "said"),
    [
        (["ann@example.com"] * 3, "c", True, "personal data (e-mail addresses)"),
        (["+49 30 1234567", "+49 40 7654321"], "c", True, "personal data (telephone numbers)"),
        (["DE89 3704 0044 0532 0130 00"], "c", True, "personal data (bank accounts)"),
        (["Ann", "Bo"], "first_name", False, "by its name perhaps personal data"),
        (["Ann", "Bo"], "beer_name", False, ""),
        ([None, ""], "email", False, ""),
    ],
)
def test_personal_data_is_hidden_where_it_is_beyond_doubt(
    values: Sequence[str | None], name: str, mask: bool, said: str
) -> None:
    found = proposed(values, name)
    assert found.mask == mask
    assert said in " ".join(found.reasons)
    assert ("personal data" in " ".join(found.reasons)) == bool(said)


def test_addresses_get_their_check_only_if_all_are_sound() -> None:
    assert proposed(["ann@example.com", "bo@example.com", ""]).checks == ("email",)
    assert proposed(["ann@example.com", "bo@example.com", "none"]).checks == ()


@pytest.mark.parametrize(
    ("values", "rule"),
    [(["a\u200bb", "c"], "strip_invisible"), (["A &amp; B", "c"], "html_unescape"), (["cafÃ©", "c"], "fix_encoding")],
)
def test_what_must_be_mended_gets_its_rule(values: Sequence[str | None], rule: str) -> None:
    assert proposed(values).rules == (rule,)


def test_numbers_that_are_never_negative_warn_of_one_that_is() -> None:
    check = ({"range": {"min": 0}, "severity": "warn"},)
    assert proposed([str(n % 7) for n in range(40)]).checks == check
    assert proposed([str(n % 7 - 1) for n in range(40)]).checks == ()
    assert proposed([f"{n}.50" for n in range(40)]).checks == check


def test_a_key_needs_no_range() -> None:
    found = proposed([str(n) for n in range(40)], "order_id")
    assert (found.unique, found.checks) == (True, ())


DIRTY = "id|code|state|mail|note\n" + "".join(
    f"{n}|AB-{n:04d}|{('new', 'NEW', 'open', '')[n % 4]}|u{n}@example.com|{('', 'x &amp; y', ' z')[n % 3]}\n"
    for n in range(100)
)


def test_the_proposal_runs_with_the_options_that_were_given_and_rejects_nothing(loadlock: CommandLine) -> None:
    (loadlock.folder / "in.txt").write_text("some words\n" + DIRTY, encoding="utf-8")
    options = ("--option", "delimiter=|", "--option", "preamble=1", "--option", "format=csv")
    assert loadlock("guess", "in.txt", "-o", "p.yaml", *options).code == 0
    text = (loadlock.folder / "p.yaml").read_text(encoding="utf-8")
    assert '  delimiter: "|"\n  preamble: 1\n  format: csv\n' in text
    seen = loadlock.json("preview", "p.yaml", codes=[0])
    assert (seen["looked_at"], seen["problems"], seen["stops"]) == (100, [], [])
    assert not [check for check in seen["tallies"]["checks"] if check["found"]]


@pytest.mark.parametrize(
    ("folder", "warned"), [("beers", []), ("covid-daily", [("fips", 1)]), ("ftfy", []), ("movies", [])]
)
def test_proposals_for_real_dirt_reject_nothing_and_warn_of_what_they_name(
    folder: str, warned: list[tuple[str, int]], tmp_path: Path
) -> None:
    """What intake can't read is another matter."""
    if not (CORPORA / folder).exists():
        pytest.skip(f"NO CORPUS: {CORPORA / folder} is not here")
    source = source_with_options([str(CORPORA / folder)], ())
    found = guess(source, base_folder=tmp_path, pipeline_folder=tmp_path, name="p")
    pipeline = pipeline_from_text(found.yaml, base_folder=tmp_path, environment={})
    seen = preview(pipeline, rows=0, whole=True)
    assert {problem["stage"] for problem in seen.problems} <= {"intake"}
    assert [(warning["column"], warning["rows"]) for warning in seen.tallies.warnings()] == warned


@pytest.mark.parametrize("folder", ["csv-spectrum", "messytables", "duckdb-csv", "football"])
def test_proposals_for_odd_files_reject_only_what_they_name(folder: str, tmp_path: Path) -> None:
    """A few of each folder, the smallest ones; `make guesses` takes all. A file may be refused with a reason."""
    if not (CORPORA / folder).exists():
        pytest.skip(f"NO CORPUS: {CORPORA / folder} is not here")
    files = sorted((CORPORA / folder).rglob("*.[ct]sv"), key=lambda path: (path.stat().st_size, path.name))[2:14:4]
    ran = 0
    for file in files:
        source = source_with_options([str(file)], ())
        try:
            text = guess(source, base_folder=tmp_path, pipeline_folder=tmp_path, name="p").yaml
        except LoadlockError:
            continue
        seen = preview(pipeline_from_text(text, base_folder=tmp_path, environment={}), rows=0, whole=True)
        named = [int(word.replace(",", "")) for word in re.findall(r"# Note: ([0-9,]+) of these rows at most", text)]
        assert seen.tallies.rejected <= sum(named), file
        ran += 1
    assert ran >= 2
