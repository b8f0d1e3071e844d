"""Reads every file of the folders of real dirty files, each in a guard, and writes what came out to docs/corpora.md.

make corpora                                        # all folders, and the example pipelines over four of them
python tools/corpora.py --folder ftfy --no-docs     # a look

The folders are looked for in `LOADLOCK_CORPORA`, else in `../shared/corpora` beside the project. Ends with 1 where a value
was read wrongly, a row that is known to be right was kept out, or a reader crashed; with 2 where no folder is at hand.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from loadlock.testing.corpora import FOLDERS, PRELOAD, Fate, FolderResult, Guard, survey  # noqa: E402

PAGE = ROOT / "docs" / "corpora.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
JOBS = {"beers": "beers", "covid": "covid-daily", "football": "football", "movies": "movies"}
"""Pipeline below examples/ → the folder that it is run over."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Read all folders, print and write the page; 0 where nothing is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(os.environ.get("LOADLOCK_CORPORA", ROOT.parent / "shared" / "corpora"))
    parser.add_argument("--corpora", type=Path, default=default)
    parser.add_argument("--folder", action="append", help="only this one; may be repeated")
    parser.add_argument("--no-docs", action="store_true", help="leave docs/corpora.md as it is")
    options = parser.parse_args(arguments)
    wanted = [folder for folder in FOLDERS if not options.folder or folder.name in options.folder]
    with Guard(preload=PRELOAD, paths=[ROOT]) as guard:
        results = list(survey(options.corpora.resolve(), guard, wanted))
        jobs = dict(run_pipelines([result.folder.name for result in results], options.corpora.resolve(), guard))
    if not results:
        print(f"no corpora in {options.corpora}: set LOADLOCK_CORPORA to their folder", file=sys.stderr)
        return 2
    text = page(results, jobs)
    print(text)
    faults = [
        *faults_of(results),
        *(f"pipeline {name}: {fault}" for name, fate in jobs.items() for fault in _job(fate)),
    ]
    print("\n".join(faults), file=sys.stderr)
    if not options.no_docs:
        before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{text}{END}{rest.split(END)[1]}", encoding="utf-8")
    return 1 if faults else 0


def run_pipelines(folders: Iterable[str], base: Path, guard: Guard) -> Iterator[tuple[str, Fate]]:
    """Each example pipeline whose folder is among these, compared with an independent reading of the same files."""
    for name, folder in JOBS.items():
        if folder in folders:
            with tempfile.TemporaryDirectory() as out:
                yield name, guard.call("tools.corpora:run_job", name, str(base / folder), out)


def run_job(name: str, folder: str, out: str) -> dict[str, Any]:
    """One of the demo's jobs over the real files."""
    from demo.corpora import JOBS as DEMO_JOBS

    return DEMO_JOBS[name][1](Path(folder), Path(out))


def _job(fate: Fate) -> list[str]:
    """What is wrong about a pipeline's run."""
    if fate.failure:
        return [fate.failure]
    return [] if fate.value["right"] else [f"{fate.value['wrong']:,} wrong; {fate.value['found']}"]


def faults_of(results: Iterable[FolderResult]) -> list[str]:
    """All that is wrong, with its folder."""
    return [f"{result.folder.name}/{fault}" for result in results for fault in (*result.failures, *result.wrong)]


def page(results: Sequence[FolderResult], jobs: Mapping[str, Fate]) -> str:
    """The measured part of the page."""
    return (
        "\n".join([*_folders(results), *_unlike(results), *_pipelines(jobs), *_settings(results), *_refused(results)])
        + "\n"
    )


def _folders(results: Sequence[FolderResult]) -> Iterator[str]:
    yield "| folder | files | rows staged | rejects by code | blank, comment, preamble lines | wrong values loaded | crashes |"
    yield "| --- | ---: | ---: | --- | ---: | --- | ---: |"
    for result in results:
        lines = ", ".join(f"{result.total(name):,}" for name in ("blank", "comments", "preamble"))
        cells = [result.folder.name, f"{len(result.files):,}", f"{result.total('staged'):,}", _codes(result.codes)]
        yield f"| {' | '.join([*cells, lines, _wrong(result), str(len(result.failures))])} |"


def _codes(codes: Mapping[str, int]) -> str:
    return ", ".join(f"`{code}` {count:,}" for code, count in sorted(codes.items())) or "none"


def _wrong(result: FolderResult) -> str:
    if not result.judged:
        return "no truth"
    beyond = f"; {len(result.files) - result.judged} files: no truth" if result.judged < len(result.files) else ""
    return f"{len(result.wrong)}{beyond}"


def _unlike(results: Sequence[FolderResult]) -> Iterator[str]:
    yield from (
        "",
        "| folder | the truth | rows unlike Python's `csv` | most memory, MiB |",
        "| --- | --- | ---: | ---: |",
    )
    for result in results:
        is_csv = any(not file.path.endswith(".json") for file in result.files)
        peak = max((file.fate.peak_mebibytes for file in result.files), default=0)
        yield f"| {result.folder.name} | {result.folder.known} | {result.total('unlike') if is_csv else ''} | {peak} |"


def _pipelines(jobs: Mapping[str, Fate]) -> Iterator[str]:
    yield from ("", "## Through a whole pipeline", "")
    yield "| pipeline | found in the database | rejects by code | wrong rows loaded |"
    yield "| --- | --- | --- | ---: |"
    for name, fate in jobs.items():
        value = fate.value or {"found": fate.failure, "codes": {}, "wrong": ""}
        link = f"[{name}](../examples/{name}/{name}.yaml)"
        yield f"| {link} | {value['found']} | {_codes(value['codes'])} | {value['wrong']} |"


def _settings(results: Sequence[FolderResult]) -> Iterator[str]:
    yield from ("", "## Files that need a setting", "")
    yield "| file | rejects without it | setting | rejects with it |"
    yield "| --- | --- | --- | --- |"
    for result in results:
        for file in result.files:
            if file.again is not None:
                setting = ", ".join(f"`{name}: [{', '.join(value)}]`" for name, value in (file.setting or {}).items())
                after = _codes((file.again.value or {}).get("codes", {}))
                yield f"| {result.folder.name}/{file.path} | {_codes(file.found['codes'])} | {setting} | {after} |"


def _refused(results: Sequence[FolderResult]) -> Iterator[str]:
    refused = [(result.folder.name, file) for result in results for file in result.files if file.found.get("refused")]
    yield from ("", "## Files refused as a whole", "")
    yield from ([f"- {folder}/{file.path}" for folder, file in refused] or ["None."])


if __name__ == "__main__":
    sys.exit(main())
