"""Source options given on the command line: `NAME=VALUE`, under the names of the pipeline's `source:`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loadlock.errors import PipelineError, UsageError
from loadlock.pipeline.model import Source
from loadlock.pipeline.read import pipeline_from
from loadlock.registry import components, options_of

_WORDS = {"true": True, "false": False, "null": None}
_LISTS = frozenset({"tolerate", "null_words", "explode"})
_FLATTEN = frozenset({"separator", "depth", "arrays", "explode", "null_text"})


def source_with_options(files: Sequence[str], pairs: Sequence[str]) -> Source:
    """The source that reads `files` with these options. Raises UsageError for what is unknown or of the wrong type."""
    written: dict[str, Any] = {"files": list(files), **options_written(pairs)}
    try:
        document = {"pipeline": "load", "source": written, "destination": {"url": "out.csv"}}
        # LOADLOCK_PROFILE is for pipeline files: here there are no profiles to choose from
        return pipeline_from(document, base_folder=Path.cwd(), environment={}).source
    except PipelineError as exc:
        told = "; ".join(f"{mistake.path.removeprefix('source.')}: {mistake.message}" for mistake in exc.mistakes)
        raise UsageError(f"--option {told}", hint=" ".join(mistake.remedy for mistake in exc.mistakes)) from exc


def options_written(pairs: Sequence[str]) -> dict[str, Any]:
    """The options as they are written in a pipeline's `source:`."""
    written: dict[str, Any] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        name = name.strip().removeprefix("flatten.")
        if not sign or not name:
            raise UsageError(f"--option {pair!r} is not NAME=VALUE", hint="Write it as --option delimiter=';'.")
        if name in _FLATTEN:
            written.setdefault("flatten", {})[name] = _value(name, value)
        else:
            written[name] = _value(name, value)
    return written


def _format_lists() -> dict[str, str]:
    """Options of formats that take a list, and their types."""
    options = (one for found in components("formats").values() for one in options_of(found))
    return {one.name: one.type for one in options if one.type.startswith("tuple[")}


def _value(name: str, text: str) -> Any:
    kind = _format_lists().get(name, "")
    if name in _LISTS or kind:
        words = [word.strip() for word in text.split(",") if word.strip()]
        return [int(word) if "int" in kind and word.isdecimal() else word for word in words]
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    return int(text) if re.fullmatch(r"\d{1,12}", text) and name not in ("delimiter", "quote", "escape") else text
