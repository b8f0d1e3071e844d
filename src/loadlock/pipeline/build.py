"""Pipelines built in Python: the same names and shapes as in YAML, and functions in the place of `file.py:function`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from loadlock.pipeline.model import Pipeline
from loadlock.pipeline.read import pipeline_from

Step = str | Mapping[str, Any] | Callable[..., Any]
"""A rule or check: its name, a mapping as in YAML, or a Python function."""


def make_pipeline(
    *,
    name: str,
    files: str | Sequence[str] | None = None,
    columns: Mapping[str, Any] | None = None,
    rules: Sequence[Step] = (),
    checks: Sequence[Step] = (),
    destination: str | Mapping[str, Any] | None = None,
    **others: Any,
) -> Pipeline:
    """A pipeline from the shapes of the YAML file.

    `others` are the file's other keys (`source`, `destinations`, `rejects`, `keep`), and `base_folder`, the folder that
    relative paths start from (default: the current one) and `environment`. Raises PipelineError with all mistakes.

        make_pipeline(name="orders", files="inbox/*.csv", columns={"id": "integer", "name": {"rules": ["trim"]}},
                      destination={"url": "duckdb:///shop.duckdb", "table": "orders"})
    """
    base_folder = Path(others.pop("base_folder", "."))
    environment = others.pop("environment", None)
    source = others.pop("source", None) or {}
    source = dict(source) if isinstance(source, Mapping) else {"files": source}
    if files is not None:
        source["files"] = [str(item) for item in ([files] if isinstance(files, str | Path) else files)]
    document: dict[str, Any] = {"pipeline": name, "source": source or None, "columns": columns}
    document |= {"rules": list(rules) or None, "checks": list(checks) or None, "destination": destination, **others}
    written = {key: value for key, value in document.items() if value is not None}
    return pipeline_from(written, base_folder=base_folder, environment=environment)
