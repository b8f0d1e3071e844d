"""Tries the encoding detection on made tables: `python -m loadlock.testing.encoding_trial --seeds 2 4 --out docs/encodings.md`.

    outcomes = [try_table(table) for table in make_tables(seed=2)]
    print(page(outcomes, seeds=[2]))

Even seeds are for judging, odd ones for tuning (see `encoding_tables`).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadlock.intake.base import SourceOptions
from loadlock.intake.encoding import EncodingFound, detect
from loadlock.testing.encoding_tables import Table, make_tables
from loadlock.testing.encoding_words import COUNTRIES, UNICODE

_CERTAIN = frozenset({*UNICODE, "iso2022_jp"})
_MEBIBYTE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the detection made of one table."""

    country: str
    script: str
    encoding: str
    rows: int
    sparse: int | None
    found: str
    how: str
    right: bool
    """Whether the text is the one that was written: encodings that read it alike are equally right."""
    marked: bool
    """As of low confidence."""
    size: int
    cpu_seconds: float


def try_table(table: Table) -> Outcome:
    """Detect one table's encoding."""
    began = time.process_time()
    found = detect(table.source(), SourceOptions())
    spent = time.process_time() - began
    return Outcome(
        country=table.country,
        script=table.script,
        encoding=table.encoding,
        rows=table.rows,
        sparse=table.sparse,
        found=found.name,
        how=found.how,
        right=_text(table.data, found) == table.text,
        marked=found.low_confidence,
        size=len(table.data),
        cpu_seconds=spent,
    )


def _text(data: bytes, found: EncodingFound) -> str | None:
    try:
        return data[found.bom_bytes :].decode(found.name)
    except UnicodeDecodeError:
        return None


@dataclass(frozen=True, kw_only=True)
class Target:
    """A share that must be reached, of the outcomes that it is about."""

    name: str
    least: float
    about: Callable[[Outcome], bool]
    good: Callable[[Outcome], bool]

    def share(self, outcomes: Iterable[Outcome]) -> tuple[int, int]:
        """How many are good, of how many."""
        chosen = [outcome for outcome in outcomes if self.about(outcome)]
        return sum(map(self.good, chosen)), len(chosen)


TARGETS = (
    Target(name="right text, all tables", least=0.97, about=lambda _: True, good=lambda o: o.right),
    Target(
        name="right text, sparse tables in Latin scripts", least=0.95, good=lambda o: o.right,
        about=lambda o: o.sparse is not None and o.script == "latin" and o.encoding not in _CERTAIN,
    ),
    Target(
        name="other sparse tables: right, or marked as of low confidence", least=1.0, good=lambda o: o.right or o.marked,
        about=lambda o: o.sparse is not None and o.script != "latin" and o.encoding not in _CERTAIN,
    ),
    Target(
        name="UTF-8, UTF-16, UTF-32 and ISO-2022-JP: right", least=1.0, good=lambda o: o.right,
        about=lambda o: o.encoding in _CERTAIN,
    ),
)  # fmt: skip
MOST_MS = 10.0
"""CPU milliseconds a MiB that the detection may take."""


def milliseconds(outcomes: Sequence[Outcome]) -> float:
    """CPU time for each MiB of the tables."""
    return 1000 * sum(o.cpu_seconds for o in outcomes) / (sum(o.size for o in outcomes) / _MEBIBYTE)


def page(outcomes: Sequence[Outcome], seeds: Sequence[int]) -> str:
    """The result as a page for docs/."""
    tables = f"{len(outcomes):,} tables, {sum(o.size for o in outcomes) / _MEBIBYTE:,.0f} MiB"
    about = (
        f"Made by `make encodings`: tables with names and places of {len(COUNTRIES)} countries, in each encoding that their"
        " data files come in, with 5 to 10,000 rows; and tables of 10,000 rows of which 1, 5 or 50 hold non-ASCII letters"
        " (sparse). *Right* means that the decoded text is the one that was written. Neither the words nor the seeds were"
        " used for tuning."
    )
    lines = [
        "# How well encodings are found out",
        "",
        about,
        "",
        f"{tables}, seeds {', '.join(map(str, seeds))}, files without any hint.",
        "",
        "| what | reached | at least |",
        "| --- | --- | --- |",
    ]
    for target in TARGETS:
        good, count = target.share(outcomes)
        lines.append(f"| {target.name} | {good:,} of {count:,} ({good / count:.1%}) | {target.least:.0%} |")
    lines.append(f"| CPU time for each MiB | {milliseconds(outcomes):.1f} ms | at most {MOST_MS:.0f} ms |")
    lines += ["", *_by_encoding(outcomes), "", *_wrong(outcomes)]
    return "\n".join(lines) + "\n"


def _by_encoding(outcomes: Sequence[Outcome]) -> list[str]:
    lines = [
        "## By encoding",
        "",
        "| encoding | full tables right | sparse right | sparse wrong, marked | wrong, unmarked |",
    ]
    lines.append("| --- | --- | --- | --- | --- |")
    for encoding in sorted({o.encoding for o in outcomes}):
        own = [o for o in outcomes if o.encoding == encoding]
        full, sparse = [o for o in own if o.sparse is None], [o for o in own if o.sparse is not None]
        marked = sum(not o.right and o.marked for o in sparse)
        unmarked = sum(not o.right and not o.marked for o in own)
        cells = (_of(full), _of(sparse), f"{marked or ''}", f"{unmarked or ''}")
        lines.append(f"| {encoding} | {' | '.join(cells)} |")
    return lines


def _of(outcomes: Sequence[Outcome]) -> str:
    return f"{sum(o.right for o in outcomes)} of {len(outcomes)}"


def _wrong(outcomes: Sequence[Outcome]) -> list[str]:
    wrong = [o for o in outcomes if not o.right]
    lines = ["## What was wrong", "", "| country | encoding | rows with non-ASCII letters | taken for | marked |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for o in wrong:
        rows = f"{o.sparse} of {o.rows:,}" if o.sparse is not None else f"{o.rows:,}"
        lines.append(f"| {o.country} | {o.encoding} | {rows} | {o.found} | {'yes' if o.marked else 'no'} |")
    return lines if wrong else ["Nothing was wrong."]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Exit code 1 where a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m loadlock.testing.encoding_trial", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--out", type=Path, help="file to write; standard output unless told")
    given = parser.parse_args(arguments)
    outcomes = [try_table(table) for seed in given.seeds for table in make_tables(seed=seed)]
    text = page(outcomes, given.seeds)
    if given.out is None:
        sys.stdout.write(text)
    else:
        given.out.write_text(text, encoding="utf-8")
    missed = [target.name for target in TARGETS if (share := target.share(outcomes))[0] < target.least * share[1]]
    if missed:
        sys.stderr.write(f"missed: {'; '.join(missed)}\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
