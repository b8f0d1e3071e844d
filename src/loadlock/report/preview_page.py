"""The page of a preview: rows before and after side by side, or what changed rules would make of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadlock._version import __version__
from loadlock.report.page import shown_value, template_of, write_page


def write_preview(document: Mapping[str, Any], path: Path, *, pipeline: str) -> None:
    """Write the page of the document of `preview` (with `--batch` or without)."""
    write_page(render_preview(document, pipeline=pipeline), path)


def render_preview(document: Mapping[str, Any], *, pipeline: str) -> str:
    """The page as text. Values of the data are escaped; nothing is loaded from outside."""
    change = "against" in document
    template = template_of("change.html" if change else "sample.html")
    rows = [] if change else [_row(entry) for entry in document["rows"]]
    page: str = template.render(
        d=document,
        rows=rows,
        pipeline=pipeline,
        show=shown_value,
        version=__version__,
        rules=document["tallies"]["rules"],
    )
    return page


def _row(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A row with its cells: column, where it is read from, before, after, what changed it, what is wrong."""
    after = entry["after"]
    cells = [_cell(entry, column, value) for column, value in after.items()]
    others = [mark for mark in entry["shows"] if mark["column"] not in after]
    return {"sub": 0, **entry, "cells": cells, "others": others}


def _cell(entry: Mapping[str, Any], column: str, after: Any) -> dict[str, Any]:
    own = [mark for mark in entry["shows"] if mark["column"] == column]
    source = entry["reads"].get(column)
    before = None if source is None else entry["before"].get(source)
    same = before is after is None or (before is not None and after is not None and str(before) == str(after))
    return {
        "column": column,
        "source": None if source in (None, column) else source,
        "given": source is not None,
        "before": before,
        "after": after,
        "changed": not same,
        "rules": [mark for mark in own if mark["kind"] == "rule"],
        "problems": [mark for mark in own if mark["kind"] == "problem"],
    }
