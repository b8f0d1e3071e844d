"""Made tables in many encodings read as the text that was written, or are marked as doubtful."""

from __future__ import annotations

from functools import cache

import pytest

from loadlock.testing.encoding_tables import Table, make_table, make_tables, tones_apart
from loadlock.testing.encoding_trial import TARGETS, Outcome, page, try_table
from loadlock.testing.encoding_words import COUNTRIES, UNICODE

SEED = 6
"""Even: its words and numbers were not used to tune the detection."""


@cache
def outcomes() -> tuple[Outcome, ...]:
    return tuple(try_table(table) for table in make_tables(seed=SEED, full=(5, 50), sparse=(5,)))


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_the_targets_are_reached_on_words_that_were_not_used_for_tuning(target: object) -> None:
    chosen = next(entry for entry in TARGETS if entry is target)
    good, count = chosen.share(outcomes())
    assert count > 20
    assert good >= chosen.least * count


def test_no_table_outside_latin_scripts_is_wrong_and_unmarked() -> None:
    wrong = [outcome for outcome in outcomes() if not outcome.right and not outcome.marked]
    assert [outcome for outcome in wrong if outcome.script != "latin"] == []


def test_the_tables_are_in_all_encodings_that_are_looked_for_and_of_more_than_twelve_countries() -> None:
    made = {outcome.encoding for outcome in outcomes()}
    assert made >= {
        "cp1252",
        "iso8859-5",
        "koi8-u",
        "mac-roman",
        "cp737",
        "cp1258",
        "iso2022_jp",
        "big5",
        "cp949",
        *UNICODE,
    }
    assert len(COUNTRIES) >= 12


def test_a_made_table_is_the_same_again_and_differs_by_seed() -> None:
    first = make_table("Poland", "cp1250", seed=6, rows=20)
    assert first == make_table("Poland", "cp1250", seed=6, rows=20)
    assert first.data != make_table("Poland", "cp1250", seed=8, rows=20).data
    assert first.data.decode("cp1250") == first.text


def words(table: Table) -> set[str]:
    return {word for word in table.text.replace(";", " ").replace(",", " ").split() if not word.isascii()}


def test_odd_and_even_seeds_share_no_words() -> None:
    odd, even = (make_table("Germany", "utf-8", seed=seed, rows=500) for seed in (1, 2))
    assert not {word for word in words(odd) & words(even) if len(word) > 3 and word.isalpha()} - {"customer’s"}


def test_a_sparse_table_has_as_many_lines_beyond_ascii_as_it_says() -> None:
    table = make_table("Turkey", "cp1254", seed=6, rows=10_000, sparse=5)
    assert sum(not line.isascii() for line in table.text.splitlines()) == 5


def test_vietnamese_tones_stand_behind_their_letters_in_cp1258() -> None:
    assert tones_apart("Nguyễn").encode("cp1258").decode("cp1258") == tones_apart("Nguyễn") != "Nguyễn"


def test_the_page_names_each_target_and_what_was_wrong() -> None:
    text = page(outcomes(), [SEED])
    assert all(target.name in text for target in TARGETS)
    assert "| cp1252 |" in text
    wrong = [outcome for outcome in outcomes() if not outcome.right]
    assert text.count("| yes |") + text.count("| no |") == len(wrong)
