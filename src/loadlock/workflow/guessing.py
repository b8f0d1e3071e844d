"""`guess`: profile whole files and propose a pipeline."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadlock.cleanup.flatten import flatten
from loadlock.cleanup.profile import profile
from loadlock.intake.files import Keep, Location, is_address
from loadlock.intake.read import read_file
from loadlock.model import FileReport
from loadlock.pipeline.guess import propose, to_yaml
from loadlock.pipeline.model import Flatten, Source
from loadlock.rows import JSON_RECORD, PROVENANCE, SUB
from loadlock.workflow.inputs import find_inputs, open_inputs

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class Guess:
    """A proposed pipeline, with the evidence as comments."""

    yaml: str
    reports: list[FileReport]


def guess(
    source: Source,
    *,
    base_folder: Path,
    pipeline_folder: Path,
    name: str | None = None,
    pinned: Mapping[str, Any] | None = None,
) -> Guess:
    """Profile the whole files and propose a pipeline that runs as it is, from `pipeline_folder`.

    `pinned`: the options of `source` that were given, as they are written in a pipeline.
    """
    found_files = find_inputs(source, base_folder)
    reports: list[FileReport] = []

    def tables(keep: Keep) -> Iterator[pa.Table]:
        for file in open_inputs(found_files, source, keep):
            result = read_file(file, source.options)
            for part in result.parts:
                yield _flat(part.rows, source.flatten)
            reports.append(result.report())

    with closing(Keep.in_folder()) as keep:
        found = profile(tables(keep))
    proposal = propose(
        found,
        name=name or _name(found_files),
        files=_seen_from(pipeline_folder, base_folder, source.files),
        reports=reports,
        options=pinned,
    )
    return Guess(yaml=to_yaml(proposal), reports=reports)


def _flat(table: pa.Table, spec: Flatten) -> pa.Table:
    if JSON_RECORD in table.column_names:
        table = flatten(table, spec, None).table
    return table.select([column for column in table.column_names if column not in (*PROVENANCE, SUB)])


def _seen_from(folder: Path, base_folder: Path, files: Sequence[str]) -> list[str]:
    """The files as written, relative to the folder where the pipeline will lie."""
    seen = []
    for written in files:
        whole = base_folder / written
        as_written = is_address(written) or Path(written).is_absolute()
        seen.append(written if as_written else os.path.relpath(whole, folder))
    return seen


def _name(files: Sequence[Location]) -> str:
    return "".join(c if c.isalnum() else "_" for c in files[0].name.split(".")[0].lower()).strip("_") or "batch"
