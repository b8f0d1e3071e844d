"""Lets `guess` propose pipelines for folders of real dirty files, takes each over its files, and writes docs/guesses.md.

python tools/guesses.py                    # all folders
python tools/guesses.py --folder movies --no-docs

The folders are looked for in `LOADLOCK_CORPORA`, else in `../shared/corpora` beside the project. Ends with 1 where a proposal
does not compile or rejects a row that it was derived from without naming it, with 2 where no folder is at hand.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from loadlock.errors import LoadlockError  # noqa: E402
from loadlock.pipeline.model import Pipeline  # noqa: E402
from loadlock.pipeline.options import source_with_options  # noqa: E402
from loadlock.pipeline.read import pipeline_from_text  # noqa: E402
from loadlock.workflow.guessing import guess  # noqa: E402
from loadlock.workflow.preview import Preview, preview  # noqa: E402

PAGE = ROOT / "docs" / "guesses.md"
BEGIN, END = "<!-- proposed: begin (written by `make guesses`) -->", "<!-- proposed: end -->"
WHOLE = {
    "beers": "the same table dirty and clean, in two files",
    "covid-daily": "20 daily reports with 4 headers",
    "football/belgium": "match results, a file a season, with changing headers",
    "football/greece": "the same of another league",
    "ftfy": "cases of text that was decoded wrongly",
    "movies": "nested JSON with texts, numbers and null in one column",
}
"""Folder of files of one kind → what it holds: one proposal for all of them."""
SINGLE = ("csv-spectrum", "duckdb-csv", "messytables", "json-test-suite")
"""Folders of files that have nothing to do with each other: a proposal for each file."""
ENDINGS = (".csv", ".tsv", ".json", ".ndjson")
MOST_LINES = 100
"""Files of a folder up to which each has its line."""
EXCERPT = 34
"""Lines of a proposal that the page shows."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A proposal and what became of the files under it."""

    text: str
    pipeline: Pipeline
    seen: Preview

    @property
    def rejected(self) -> int:
        """Rows that intake could read and the proposal rejects."""
        return self.seen.tallies.rejected

    @property
    def named(self) -> int:
        """Rows that the proposal says it will reject, at most."""
        notes = [line for line in self.text.splitlines() if "of these rows at most will be rejected" in line]
        return sum(int(line.split()[2].replace(",", "")) for line in notes)

    @property
    def at_intake(self) -> int:
        """Records that no rule can read."""
        return self.seen.received - self.seen.looked_at

    @property
    def types(self) -> str:
        """Proposed types with how many columns have them."""
        counts = Counter(str(column.type).partition("(")[0] for column in self.pipeline.columns or ())
        return ", ".join(f"{count} {kind}" for kind, count in counts.most_common())


def main(arguments: Sequence[str] | None = None) -> int:
    """Try all folders, print and write the page; 0 where nothing is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(os.environ.get("LOADLOCK_CORPORA", ROOT.parent / "shared" / "corpora"))
    parser.add_argument("--corpora", type=Path, default=default)
    parser.add_argument("--folder", action="append", help="only this one; may be repeated")
    parser.add_argument("--no-docs", action="store_true", help="leave docs/guesses.md as it is")
    options = parser.parse_args(arguments)
    base = options.corpora.resolve()
    wanted = [name for name in (*WHOLE, *SINGLE) if not options.folder or name in options.folder]
    here = [name for name in wanted if (base / name).exists()]
    if not here:
        print(f"no corpora in {base}: set LOADLOCK_CORPORA to their folder", file=sys.stderr)
        return 2
    faults: list[str] = []
    sections = [section for name in here for section in _section(base / name, name, faults)]
    text = "\n".join(sections) + "\n"
    print(text)
    print("\n".join(faults), file=sys.stderr)
    if not options.no_docs:
        before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{text}{END}{rest.split(END)[1]}", encoding="utf-8")
    return 1 if faults else 0


def _section(folder: Path, name: str, faults: list[str]) -> Iterator[str]:
    print(name, file=sys.stderr)
    yield f"## {name}\n"
    if name in WHOLE:
        tried = _tried(folder, name)
        faults += _faults(tried, name)
        yield f"{WHOLE[name][0].upper()}{WHOLE[name][1:]}. {_outcome(tried)}\n"
        yield "```yaml\n" + _excerpt(tried.text, folder, name) + "\n```\n"
        return
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in ENDINGS)
    lines = [_line(file, folder, faults) for file in files]
    if len(lines) > MOST_LINES:
        refused = sum("| refused: " in line for line in lines)
        ran = f"For {len(lines) - refused:,} of {len(lines):,} files a pipeline is proposed that runs"
        yield f"{ran}; {refused:,} are refused with a reason.\n"
        return
    yield "| file | rows | columns proposed | rejected |\n| --- | ---: | --- | ---: |"
    yield from [*lines, ""]


def _line(file: Path, folder: Path, faults: list[str]) -> str:
    """One file of a folder of files that have nothing to do with each other."""
    name = str(file.relative_to(folder)).replace("|", "\\|")
    try:
        tried = _tried(file, "p")
    except LoadlockError as error:
        said = str(error).replace(str(folder), "").replace("|", "\\|")
        return f"| {name} | | refused: {said[:140]} | |"
    faults += _faults(tried, str(file))
    return f"| {name} | {tried.seen.looked_at:,} | {tried.types or 'none'} | {tried.rejected + tried.at_intake:,} |"


def _tried(path: Path, name: str) -> Tried:
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        proposal = guess(source_with_options([str(path)], ()), base_folder=here, pipeline_folder=here, name=name)
        pipeline = pipeline_from_text(proposal.yaml, base_folder=here, environment={})
        return Tried(text=proposal.yaml, pipeline=pipeline, seen=preview(pipeline, rows=0, whole=True))


def _faults(tried: Tried, name: str) -> list[str]:
    over = tried.rejected - tried.named
    return [f"{name}: {over:,} rows are rejected that the proposal does not name"] if over > 0 else []


def _outcome(tried: Tried) -> str:
    seen = tried.seen
    warned = sum(int(warning["rows"]) for warning in seen.tallies.warnings())
    said = [f"Of {seen.received:,} records {tried.at_intake:,} can't be read by any rule"]
    said.append(f"{tried.rejected:,} are rejected by what is proposed")
    said.append(f"{warned:,} values give a warning")
    return f"{', '.join(said)}. Proposed: {tried.types}."


def _excerpt(text: str, folder: Path, name: str) -> str:
    lines = text.replace(str(folder), f"corpora/{name}").splitlines()
    cut = [line if len(line) <= 160 else f"{line[:157]}..." for line in lines[:EXCERPT]]
    more = [f"# ... and {len(lines) - EXCERPT} lines more"] if len(lines) > EXCERPT else []
    return "\n".join([*cut, *more])


if __name__ == "__main__":
    sys.exit(main())
