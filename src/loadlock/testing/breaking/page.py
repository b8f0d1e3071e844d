"""The page of the fault matrix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from loadlock.testing.breaking.trial import Result

HEAD = """# Reliability: the fault matrix

Made by `make faults`; do not edit by hand. Each number is a count of runs that were broken on purpose and came right.

In every trial a run of a small batch (three files, rows that each stage rejects) into a table or file that holds other rows
is broken in one way at one named place of the code (`loadlock.faults`; an undisturbed run writes down the places that it
passes, so a new place is tried without anybody naming it). Then the run is resumed. A trial is right when

- the exit code and the message are those of the fault, and no traceback is shown;
- a second process that read the target all the time saw the old rows or the new rows and nothing else (a DuckDB file admits
  one process: it is read after the fault and after the end);
- `resume` ends with the digest, the balance and the counts of rejects of a run that nothing happened to, the read-back is
  equal, and the target holds the same rows;
- one control row tells of the delivery; no staging table, receipt, session, hidden file or unfinished part is left.

"""


def page(results: Sequence[Result]) -> str:
    """The whole page."""
    struck = [one for one in results if not one.skipped]
    wrong = [one for one in struck if one.fault]
    samples = sum(one.samples for one in struck)
    lines = [
        f"**{len(struck):,} faults injected, {len(struck) - len(wrong):,} survived, {len(wrong):,} not.**",
        f"Readers looked {samples:,} times.",
        "",
        *_table(struck),
        "",
        "## Ways to break a run",
        "",
        *_ways(struck),
        *_skipped(results),
        *_wrong(wrong),
    ]
    return HEAD + "\n".join(lines).rstrip() + "\n"


def _table(struck: Sequence[Result]) -> list[str]:
    groups = sorted({one.group for one in struck})
    lines = [f"| destination | mode | {' | '.join(groups)} | all |", f"| --- | --- |{' ---: |' * (len(groups) + 1)}"]
    cells = sorted({(one.place, one.mode) for one in struck})
    for place, mode in cells:
        found = [one for one in struck if (one.place, one.mode) == (place, mode)]
        counts = [_count([one for one in found if one.group == group]) for group in groups]
        lines.append(f"| {place} | {mode} | {' | '.join(counts)} | {_count(found)} |")
    sums = [_count([one for one in struck if one.group == group]) for group in groups]
    lines.append(f"| **all** | | {' | '.join(sums)} | **{_count(struck)}** |")
    return lines


def _count(results: Sequence[Result]) -> str:
    """`12`, or `10 of 12` where two were wrong."""
    right = sum(not one.fault for one in results)
    if not results:
        return ""
    return str(right) if right == len(results) else f"{right} of {len(results)}"


def _ways(struck: Sequence[Result]) -> list[str]:
    lines = ["| way | faults | exit codes of the broken run | places |", "| --- | ---: | --- | ---: |"]
    for way in sorted({one.way for one in struck}):
        found = [one for one in struck if one.way == way]
        codes = Counter(one.code for one in found if one.code is not None)
        shown = ", ".join(f"{code} ({times})" for code, times in sorted(codes.items()))
        places = len({one.point.partition(":")[0] for one in found})
        lines.append(f"| {way} | {_count(found)} | {shown} | {places} |")
    return lines


def _skipped(results: Sequence[Result]) -> list[str]:
    skipped = Counter((one.place, one.way, one.skipped) for one in results if one.skipped)
    if not skipped:
        return []
    lines = ["", "## Not tried", "", "| destination | way | times | why |", "| --- | --- | ---: | --- |"]
    return lines + [f"| {place} | {way} | {times} | {why} |" for (place, way, why), times in sorted(skipped.items())]


def _wrong(wrong: Sequence[Result]) -> list[str]:
    if not wrong:
        return []
    lines = ["", "## Wrong", ""]
    for one in wrong:
        lines.append(f"- {one.place} {one.mode}, {one.way}, {one.point}: {one.fault.splitlines()[0][:300]}")
    return lines
