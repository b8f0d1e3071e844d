"""From a pipeline to a compiled plan, with mistakes placed in the pipeline's file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from loadlock.cleanup.compile import compile_plan
from loadlock.cleanup.plan import Plan
from loadlock.errors import PipelineError
from loadlock.pipeline.model import Pipeline
from loadlock.pipeline.read import place


def make_plan(
    pipeline: Pipeline, names: Sequence[str] | None, *, run_time: datetime, decisions: Mapping[str, Any] | None = None
) -> Plan:
    """Compile; `names` are the files' columns where the pipeline declares none. Raises PipelineError with line and column."""
    try:
        return compile_plan(pipeline, names, decisions=decisions or {}, run_time=run_time)
    except PipelineError as exc:
        if not pipeline.text:
            raise
        raise place(exc, pipeline.text) from exc
