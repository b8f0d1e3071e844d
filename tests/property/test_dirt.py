"""The dirt fuzzer, short form: one random fault in each of some hundred well-formed files. `make dirt` is the long form."""

from __future__ import annotations

import random

import pytest

from loadlock.intake.base import SourceOptions
from loadlock.testing.dirt import Verdict, judge_case, pinned, read_rows
from loadlock.testing.dirt_faults import FAULTS, clean_bytes
from loadlock.testing.dirt_files import random_file
from loadlock.testing.dirt_strict import strict_records

FILES = 150
# some files more than the share asks for: a sample of this size varies
MOST_BAD = 12


@pytest.mark.parametrize("given", [True, False], ids=["dialect given", "dialect found out"])
def test_one_fault_loads_nothing_wrong_and_costs_one_row_at_most(given: bool) -> None:
    bad = [verdict for verdict in (judge_case(seed, given=given) for seed in range(FILES)) if not verdict.good]
    assert len(bad) <= MOST_BAD, bad


def test_files_without_a_fault_are_read_exactly() -> None:
    for seed in range(60):
        file = random_file(random.Random(seed))
        data = clean_bytes(file)
        assert strict_records(data, file.style, file.fields) == list(file.records)
        rows, rejects, report = read_rows(data, pinned(file.style))
        assert ([row for row, _ in rows], rejects) == (list(file.records[1:]), 0)
        assert report.header == list(file.records[0])


@pytest.mark.parametrize("kind", FAULTS)
def test_each_kind_of_fault_changes_the_file(kind: str) -> None:
    rng = random.Random(kind)
    changed = 0
    for _ in range(40):
        file = random_file(rng)
        damaged = FAULTS[kind](rng, file)
        changed += damaged is not None and damaged.data != clean_bytes(file)
    assert changed


def test_a_reader_that_takes_wrong_rows_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def read_wrongly(data: bytes, options: SourceOptions) -> object:
        rows, rejects, report = read_rows(data, options)
        return [((*row[:-1], "wrong"), mark) for row, mark in rows], rejects, report

    monkeypatch.setattr("loadlock.testing.dirt.read_rows", read_wrongly)
    assert not judge_case(1, given=True).good


def test_a_reader_that_loses_rows_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(data: bytes, options: SourceOptions) -> object:
        rows, _, report = read_rows(data, options)
        return rows[:2], 0, report

    monkeypatch.setattr("loadlock.testing.dirt.read_rows", lose)
    assert not judge_case(1, given=True).good


def test_two_rows_kept_out_are_not_good() -> None:
    assert Verdict(kind="x", seed=1, given=True, kept_out=1).good
    assert not Verdict(kind="x", seed=1, given=True, kept_out=2).good
