"""The results as Markdown, and their place in docs/performance.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- bench: begin (written by `make bench`) -->", "<!-- bench: end -->"
FEW_ROWS = 500_000
NUMBERS = ("seconds", "ratio", "client CPU s", "peak MiB", "right", "wrong", "missing", "too many")
TARGET_MIB = 400
RATIOS = (
    ("whole job", "Loadlock", "postgres", "ratio", 3.0, "bare COPY"),
    ("whole job", "Loadlock", "postgres", "ratio", 2.0, "bare COPY"),
    ("upsert, half of the rows updates,", "Loadlock, upsert", "postgres", "ratio", 3.0, "bare COPY"),
    ("read-back", "Loadlock", "postgres", "read_back", 0.5, "bare COPY"),
    ("whole job", "Loadlock", "mariadb", "ratio", 1.5, "MariaDB's own LOAD DATA"),
    ("whole job", "Loadlock", "mysql", "ratio", 1.5, "MySQL's own LOAD DATA"),
)
"""Targets: what, whose, where, the figure, its limit, the baseline."""


def put_between_markers(page: Path, text: str, markers: tuple[str, str] = (BEGIN, END)) -> None:
    """Replace what stands between the two markers of a page; a ValueError where it has none."""
    begin, end = markers
    before, begun, rest = page.read_text(encoding="utf-8").partition(begin)
    _, ended, after = rest.partition(end)
    if not (begun and ended):
        raise ValueError(f"{page} has no place for the results: {begin} ... {end}")
    page.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}", encoding="utf-8")


def markdown(results: Mapping[str, Any]) -> str:
    """All results as a piece of Markdown."""
    blocks = [_head(results), "\n".join(_targets(results))]
    titles = {"postgres": "Into PostgreSQL", "mariadb": "Into MariaDB", "mysql": "Into MySQL", "duckdb": "Into DuckDB"}
    for destination, title in titles.items():
        records = [one for one in results["records"] if one["destination"] == destination]
        if records:
            blocks += [f"### {title}", "\n".join(_table(records))]
    if everywhere := results["everywhere"]:
        blocks += ["### The same everywhere", _everywhere(everywhere)]
    return "\n\n".join(blocks) + "\n"


def _head(results: Mapping[str, Any]) -> str:
    machine, counts = results["machine"], results["counts"]
    shown = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    rounds = f"{results['rounds']} rounds in turn, medians" if results["rounds"] > 1 else "one round"
    warning = (
        " **So few records that fixed costs decide: the ratios say little.**" if results["rows"] < FEW_ROWS else ""
    )
    return (
        f"Measured on {results['date']} by `{results['command']}`: {results['rows']:,} records ({results['megabytes']:.0f} MB,"
        f" seed {results['seed']}), of which {counts['load']:,} should load; {rounds}; ratios against the baseline of the same"
        f" round.{warning}\n\n"
        f"{machine['cores']} cores ({machine['processor']}), {machine['memory_gib']} GiB, {machine['system']}; load average"
        f" before the first run {machine['load_before']}. Servers on the same machine over loopback, fsync on. {shown}."
    )


def _targets(results: Mapping[str, Any]) -> list[str]:
    rows = ["| target | measured | met |", "| --- | --- | --- |"]
    for what, measured, is_met in targets(results):
        rows.append(f"| {what} | {measured} | {'yes' if is_met else '**no**'} |")
    return rows


def targets(results: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """(target, as measured, whether it is met), for those that were measured."""
    found: list[tuple[str, str, bool]] = []
    mine = {_label(one): one for one in results["records"] if one["name"].startswith("Loadlock")}
    for what, name, destination, figure, limit, base in RATIOS:
        for one in results["records"]:
            if (one["name"], one["destination"]) == (name, destination) and one[figure] is not None:
                found.append((f"{what} ≤ {limit} x {base}", f"{one[figure]:.2f} x", one[figure] <= limit))
    peaks = [(results["rows"], one["peak_mib"], f", {destination}") for destination, one in mine.items()]
    if memory := results["memory"]:
        peaks.append((memory["rows"], memory["peak_mib"], f", {memory['destination']}"))
    for rows, peak, where in peaks:
        found.append((f"peak memory ≤ {TARGET_MIB} MiB at {rows:,} rows{where}", f"{peak:.0f} MiB", peak <= TARGET_MIB))
    for destination, one in mine.items():
        verdict, load = one["verdict"], results["counts"]["load"]
        is_met = verdict["right"] == load and not (verdict["wrong"] or verdict["extra"] or verdict["reject_mismatch"])
        told = f"{verdict['right']:,} of {load:,}; {verdict['rejects_right']:,} rejects, {verdict['reject_mismatch']} mismatched"
        found.append((f"rows and rejects right, {destination}", told, is_met))
    if len(mine) > 1:
        different = {digest for one in mine.values() for digest in one["digests"]}
        found.append((f"equal digests in {', '.join(mine)}", ", ".join(sorted(different)), len(different) == 1))
    return found


def _label(one: Mapping[str, Any]) -> str:
    """Where a run of Loadlock went, and how if not by replacing."""
    _, _, mode = one["name"].partition(", ")
    return f"{one['destination']} ({mode})" if mode else str(one["destination"])


def _table(records: Sequence[Mapping[str, Any]]) -> list[str]:
    columns = ("tool", "what it does of the job", *NUMBERS, "what it gets wrong")
    rows = [f"| {' | '.join(columns)} |", f"| --- | --- |{' ---: |' * len(NUMBERS)} --- |"]
    for one in records:
        verdict = one["verdict"]
        counts = " | ".join(f"{verdict[name]:,}" for name in ("right", "wrong", "missing", "extra"))
        rows.append(
            f"| {one['name']} | {one['does']} | {one['seconds']:.1f} | {_ratio(one)} | {one['cpu_seconds']:.1f}"
            f" | {one['peak_mib']:.0f} | {counts} | {one['errs']} |"
        )
    return rows


def _ratio(one: Mapping[str, Any]) -> str:
    """The median, and the span of the rounds where there are several."""
    if one["ratio"] is None:
        return "–"
    lowest, highest = min(one["all_ratios"]), max(one["all_ratios"])
    span = f" ({lowest:.2f}–{highest:.2f})" if highest - lowest >= 0.005 else ""
    return f"{one['ratio']:.2f}{span}"


def _everywhere(found: Mapping[str, Any]) -> str:
    head = (
        f"{found['records']:,} demo records (seven files, CSV and JSON, several encodings) by one run into all destinations,"
        f" {found['seconds']:.1f} s, peak {found['peak_mib']:.0f} MiB. Digest of the clean rows: `{found['digest']}`."
    )
    rows = [
        head,
        "",
        "| destination | digest of what was read back | right | wrong | missing | too many | rejects mismatched |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, verdict in found["verdicts"].items():
        counts = " | ".join(f"{verdict[key]:,}" for key in ("right", "wrong", "missing", "extra", "reject_mismatch"))
        rows.append(f"| {name} | `{found['receipts'][name]}` | {counts} |")
    return "\n".join(rows)
