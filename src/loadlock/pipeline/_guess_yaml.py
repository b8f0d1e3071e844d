"""Writes a proposal as YAML that a person reads: short flow mappings, reasons as comments."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loadlock.pipeline.guess import Proposal, ProposedColumn

_WIDTH = 118
_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./*+\-]*(?: [A-Za-z0-9_./*+\-]+)*")
_WORDS = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n", "~"))
_ITEMS = re.compile(r'"(?:[^"\\]|\\.)*"|(?P<comma>, )')
"""Texts in quotes, which are passed over, and the commas between items."""
_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def write(proposal: Proposal) -> str:
    """The whole file."""
    return "\n".join(_lines(proposal)) + "\n"


def _lines(proposal: Proposal) -> Iterator[str]:
    yield from _comment(
        f"Proposed by `loadlock guess` from {proposal.rows:,} rows. Change what is not so, then try it with `loadlock preview`."
    )
    for note in proposal.notes:
        yield from _comment(f"Note: {note}.")
    yield f"pipeline: {scalar(proposal.name)}"
    yield from _source(proposal)
    if proposal.columns:
        yield "columns:"
    for column in proposal.columns:
        yield from _column(column)
    yield "destination:"
    for key, value in proposal.destination.items():
        yield f"  {key}: {flow(value)}"


def _source(proposal: Proposal) -> Iterator[str]:
    if proposal.found:
        yield from _comment(
            "What was found out about the files is not pinned: take the first # of its line away to pin it."
        )
    yield "source:"
    files = proposal.files
    yield f"  files: {scalar(files[0])}" if len(files) == 1 else "  files:"
    yield from (f"    - {scalar(file)}" for file in files if len(files) > 1)
    if proposal.format:
        yield f"  format: {scalar(proposal.format)}"
    for key, value in proposal.options.items():
        yield f"  {key}: {flow(value)}"
    for option, value, evidence in proposal.found:
        setting = f"{option}: {flow(value)}"
        yield f"  # {setting:<24} # found{': ' + _one_line(evidence) if evidence else ''}"


def _column(column: ProposedColumn) -> Iterator[str]:
    for reason in column.reasons:
        yield from _comment(reason, indent="  ")
    yield from _wrapped(f"  {scalar(column.name)}: {flow(column.written())}")


def _wrapped(line: str) -> Iterator[str]:
    """A long line in several, each broken behind a comma between two items."""
    while len(line) > _WIDTH and (at := _break(line)):
        yield line[:at].rstrip()
        line = "    " + line[at:]
    yield line


def _break(line: str) -> int | None:
    """The last place within the width where a comma outside of quotes ends an item, else the first behind it."""
    places = [match.end() for match in _ITEMS.finditer(line) if match["comma"]]
    within = [place for place in places if 8 < place <= _WIDTH]
    return within[-1] if within else next((place for place in places if place > _WIDTH), None)


def _comment(text: str, indent: str = "") -> list[str]:
    text = _one_line(text)
    return textwrap.wrap(
        text,
        width=_WIDTH,
        initial_indent=f"{indent}# ",
        subsequent_indent=f"{indent}#   ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _one_line(text: str) -> str:
    """No line break of any kind: a comment must not end before its end."""
    return _BREAKS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def flow(value: Any) -> str:
    """A value in YAML's flow form."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value)


def scalar(value: Any) -> str:
    """A plain text where that can't be mistaken, else in double quotes (JSON's quoting is YAML's)."""
    if isinstance(value, str):
        if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
            return value
        return _BREAKS.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(value, ensure_ascii=False))
    return json.dumps(value)
