"""Runs the dirt fuzzer over thousands of files and writes what came out into docs/dirt.md.

make dirt                                      # 10,000 files, each read twice
python tools/dirt.py --files 500 --no-docs     # a look
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from loadlock.testing.dirt import Verdict, judge_case  # noqa: E402

PAGE = ROOT / "docs" / "dirt.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
TARGET = 0.95
_AT_ONCE = 50


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge the files; 0 where both columns reach the target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1_000_000, help="of the first file; the others follow")
    parser.add_argument("--no-docs", action="store_true", help="leave docs/dirt.md as it is")
    options = parser.parse_args(arguments)
    seeds = range(options.seed, options.seed + options.files)
    given, found = (_judged(seeds, given=given) for given in (True, False))
    text = _page(given, found, options.seed)
    print(text)
    if not options.no_docs:
        _put(text)
    return 0 if all(_share(verdicts) >= TARGET for verdicts in (given, found)) else 1


def _judged(seeds: range, *, given: bool) -> list[Verdict]:
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(partial(judge_case, given=given), seeds, chunksize=_AT_ONCE))


def _share(verdicts: Sequence[Verdict]) -> float:
    return sum(verdict.good for verdict in verdicts) / max(len(verdicts), 1)


def _page(given: list[Verdict], found: list[Verdict], seed: int) -> str:
    lines = [
        f"{len(given):,} files, seeds from {seed:,}.",
        "",
        "| fault | files | good, dialect given | good, dialect found out |",
        "| --- | ---: | ---: | ---: |",
    ]
    kinds = Counter(verdict.kind for verdict in given)
    for kind in sorted(kinds):
        cells = (f"{_share([v for v in verdicts if v.kind == kind]):.1%}" for verdicts in (given, found))
        lines.append(f"| {kind} | {kinds[kind]:,} | {' | '.join(cells)} |")
    lines.append(f"| **all** | **{len(given):,}** | **{_share(given):.1%}** | **{_share(found):.1%}** |")
    numbers = (
        ("files with a wrong row", lambda verdict: verdict.wrong > 0),
        ("files with more than one row kept out", lambda verdict: not verdict.wrong and verdict.kept_out > 1),
        ("damaged rows loaded with a mark", lambda verdict: verdict.marked > 0),
        ("faults that leave another well-formed file", lambda verdict: verdict.silent),
    )
    lines += ["", "| of these | dialect given | dialect found out |", "| --- | ---: | ---: |"]
    for name, test in numbers:
        lines.append(f"| {name} | {sum(map(test, given)):,} | {sum(map(test, found)):,} |")
    for title, verdicts in (("given", given), ("found out", found)):
        lines += ["", f"### What failed with the dialect {title}", ""]
        lines += ["| reason | fault | files | wrong rows in | rows kept out in |", "| --- | --- | ---: | ---: | ---: |"]
        lines += _failures(verdicts)
    return "\n".join(lines) + "\n"


def _failures(verdicts: Iterable[Verdict]) -> list[str]:
    bad = [verdict for verdict in verdicts if not verdict.good]
    groups = Counter((_reason(verdict), verdict.kind) for verdict in bad)
    lines = []
    for (reason, kind), count in sorted(groups.items(), key=lambda entry: (-entry[1], entry[0])):
        members = [verdict for verdict in bad if (_reason(verdict), verdict.kind) == (reason, kind)]
        wrong = sum(verdict.wrong > 0 for verdict in members)
        lines.append(f"| {reason} | {kind} | {count} | {wrong} | {count - wrong} |")
    return lines


def _reason(verdict: Verdict) -> str:
    """The cause, without what differs from file to file."""
    cause = re.sub(r"encoding .*", "taken for another encoding", verdict.cause)
    cause = re.sub(r"refused: .*", "the file was refused", cause)
    return re.sub(r"(delimiter|header|preamble|quote|escape) .*", r"\1 taken for another", cause)


def _put(text: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{text}{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
