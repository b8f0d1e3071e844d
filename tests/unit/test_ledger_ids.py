"""The names of runs and batches."""

from __future__ import annotations

import datetime as dt
import hashlib

import pytest

from loadlock.ledger.ids import batch_id, new_run_id

MOMENT = dt.datetime(2026, 11, 23, 6, 45, 0, tzinfo=dt.timezone(dt.timedelta(hours=1)))


def test_a_run_is_named_by_its_start_in_utc_and_random_digits() -> None:
    assert new_run_id(lambda: MOMENT, lambda size: b"\x3f\x9a"[:size]) == "r20261123-054500-3f9a"


def test_names_of_later_runs_sort_behind() -> None:
    later = MOMENT + dt.timedelta(days=40)
    assert new_run_id(lambda: MOMENT, lambda _: b"\xff\xff") < new_run_id(lambda: later, lambda _: b"\x00\x00")


def test_a_batch_is_the_hash_of_name_and_sorted_digests_each_with_a_line_feed() -> None:
    assert batch_id("orders", ["bb", "aa"]) == hashlib.sha256(b"orders\naa\nbb\n").hexdigest()


def test_a_known_batch_keeps_its_name_for_ever() -> None:
    digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert batch_id("größe", [digest]) == "c3ff261ac17d0c42947bdfaffe1c3ab4acfd589cb78621c8a5bae6d01ea391dc"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", ["bb"]), ("b", ["bb"])),
        (("a", ["bb"]), ("a", ["bb", "bb"])),
        (("a", ["bb", "cc"]), ("a", ["bb"])),
        (("a\nbb", ["cc"]), ("a", ["bb"])),
    ],
)
def test_another_name_or_other_files_are_another_batch(
    one: tuple[str, list[str]], other: tuple[str, list[str]]
) -> None:
    assert batch_id(*one) != batch_id(*other)


def test_order_and_case_of_digests_do_not_matter() -> None:
    assert batch_id("a", ["AA", "bb"]) == batch_id("a", ["BB", "aa"])


def test_a_name_that_is_no_valid_text_has_a_batch_too() -> None:
    assert len(batch_id("\udcff", [])) == 64
