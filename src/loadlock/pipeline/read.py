"""Reads a pipeline from YAML or a mapping and checks it: all mistakes at once, each with its place and what to write."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from loadlock.errors import Mistake, PipelineError, UsageError
from loadlock.pipeline import _sql, secrets, written
from loadlock.pipeline._names import add_rule_columns, check_names, rule_pairs, spread_checks
from loadlock.pipeline._profiles import with_profile
from loadlock.pipeline._read_columns import read_columns
from loadlock.pipeline._read_destinations import read_destinations
from loadlock.pipeline._read_source import read_source
from loadlock.pipeline._read_steps import read_steps
from loadlock.pipeline._reading import Reading
from loadlock.pipeline.model import Budget, Pipeline
from loadlock.pipeline.yaml_positions import Document, parse

MAX_BYTES = 1 << 20
_RULE_KEYS = written.RULE
_CHECK_KEYS = {**written.CHECK, **written.VERDICT}


def load_pipeline(path: Path, *, environment: Mapping[str, str] | None = None, profile: str | None = None) -> Pipeline:
    """The pipeline in the file at `path`; the Python and lookup files that it names are read too, nothing is run.

    `profile` (else LOADLOCK_PROFILE of `environment`, which is the process's own if left out) chooses one of
    `profiles:`. Raises PipelineError with all mistakes, UsageError if there is no such file.
    """
    text = _read_text(path)
    return pipeline_from_text(text, base_folder=path.parent, environment=environment, profile=profile, source=str(path))


def pipeline_from_text(
    text: str,
    *,
    base_folder: Path,
    environment: Mapping[str, str] | None = None,
    profile: str | None = None,
    source: str = "the pipeline",
) -> Pipeline:
    """The pipeline written in `text` (YAML); as `load_pipeline`."""
    document = parse(text)
    if document.value is None and not document.mistakes:
        empty = Mistake(
            message="the file is empty", remedy="Write `pipeline:`, `source:` and `destination:`.", line=1, column=1
        )
        raise PipelineError([empty], source=source)
    if document.value is None:
        raise PipelineError(list(document.mistakes), source=source)
    return _read(document, base_folder, text, environment, profile, source)


def pipeline_from(
    document: Mapping[str, Any],
    *,
    base_folder: Path,
    text: str = "",
    environment: Mapping[str, str] | None = None,
    profile: str | None = None,
    source: str = "the pipeline",
) -> Pipeline:
    """The pipeline in a mapping of the YAML's shape. With the `text` it was parsed from, mistakes have their places."""
    places = parse(text) if text else Document(value=None)
    return _read(replace(places, value=document, mistakes=()), base_folder, text, environment, profile, source)


def place(error: PipelineError, text: str) -> PipelineError:
    """The same error with line and column, found in `text` by each mistake's path, where they are missing."""
    document = parse(text)
    placed = [_placed(mistake, document) for mistake in error.mistakes]
    return PipelineError(written.in_order(placed), source=error.source)


def _placed(mistake: Mistake, document: Document) -> Mistake:
    found = document.place(mistake.path) if mistake.line is None and mistake.path else None
    return replace(mistake, line=found.line, column=found.column) if found else mistake


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"can't read the pipeline {path}: {reason}", hint="Name a pipeline file (YAML).") from None
    if len(content) > MAX_BYTES:
        raise UsageError(f"{path} has more than {MAX_BYTES:,} bytes", hint="Is this a pipeline, or data?")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        wrong = Mistake(message="this is not UTF-8", remedy="Save the file as UTF-8.", line=line, column=column)
        raise PipelineError([wrong], source=str(path)) from None


def _read(
    document: Document,
    base_folder: Path,
    text: str,
    environment: Mapping[str, str] | None,
    profile: str | None,
    source: str,
) -> Pipeline:
    environment = os.environ if environment is None else environment
    notes = written.Notes(document=document, mistakes=list(document.mistakes))
    chosen = profile or environment.get("LOADLOCK_PROFILE") or None
    if isinstance(document.value, Mapping):
        document = notes.document = with_profile(document, chosen, notes)
    reading = Reading(notes=notes, base_folder=base_folder, environment=environment)
    pipeline = _assemble(document.value, reading, text)
    for path, message, remedy in _sql.faults(reading.expressions, reading.queries):
        notes.wrong(path, message, remedy)
    notes.raise_if_any(source)
    return pipeline


def _assemble(value: Any, reading: Reading, text: str) -> Pipeline:
    notes = reading.notes
    found = written.take(value, "", written.PIPELINE, notes)
    name = found["pipeline"]
    if isinstance(value, Mapping) and "pipeline" not in value:
        notes.wrong("", "the pipeline has no name", "Write `pipeline: name` in the first line.")
    elif name is not None and not name.strip():
        notes.wrong("pipeline", "the name is empty", "Write a name, as in `pipeline: orders`.")
    source = read_source(found["source"], "source", reading) if found["source"] is not None else None
    rules = read_steps(found["rules"], "rules", "rules", reading, beside=_RULE_KEYS)
    columns = add_rule_columns(read_columns(found["columns"], "columns", reading), rules)
    checks = read_steps(found["checks"], "checks", "checks", reading, beside=_CHECK_KEYS)
    columns, row_checks = spread_checks(columns, checks, reading)
    keep = _section(found["keep"], "keep", written.KEEP, reading)
    pipeline = Pipeline(
        name=name or "pipeline",
        columns=columns,
        rules=rule_pairs(rules, reading),
        checks=row_checks,
        budget=_budget(found["rejects"], reading),
        keep_duplicates=keep["duplicates"],
        keep_unique=keep["unique"],
        destinations=read_destinations(found, reading),
        supersedes=found["supersedes"],
        base_folder=str(reading.base_folder),
        text=text,
        lookups=reading.lookups,
    )
    if source is not None:
        pipeline = replace(pipeline, source=source)
    check_names(pipeline, rules, checks, reading)
    return pipeline


def _section(value: Any, path: str, keys: Mapping[str, written.Key], reading: Reading) -> dict[str, Any]:
    return written.take({} if value is None else value, path, keys, reading.notes)


def _budget(value: Any, reading: Reading) -> Budget:
    """A budget that names only rows has no limit in percent, and the other way round."""
    rejects = _section(value, "rejects", written.REJECTS, reading)
    if rejects["budget"] is None:
        return Budget()
    found = _section(rejects["budget"], "rejects.budget", written.BUDGET, reading)
    if found["percent"] is not None and found["percent"] > 100:
        reading.notes.wrong("rejects.budget.percent", "more than 100 percent", "Write 0 to 100.")
    if found["rows"] is None and found["percent"] is None:
        return Budget(floor=found["floor"])
    return Budget(rows=found["rows"], percent=found["percent"], floor=found["floor"])


def check_environment(pipeline: Pipeline, environment: Mapping[str, str]) -> None:
    """Raise UsageError for the first destination whose `${NAME}` is not set; reads nothing else."""
    for spec in pipeline.destinations:
        secrets.resolve(spec.url, environment)
