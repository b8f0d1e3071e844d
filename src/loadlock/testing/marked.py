"""Sections of a page that a command writes: between `<!-- begin: NAME -->` and `<!-- end: NAME -->`."""

from __future__ import annotations

from pathlib import Path

BELOW = "<!-- below: written by other commands -->"


def below(page: Path) -> str:
    """What a page holds from this mark on, for the command that writes all above it; "" where there is none."""
    if not page.exists():
        return ""
    _, mark, rest = page.read_text(encoding="utf-8").partition(BELOW)
    return mark + rest


def written_between(page: Path, name: str, text: str) -> None:
    """Put a section in the place of the one there. Raises ValueError where the page has no such marks."""
    begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
    before, mark, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closing, after = rest.partition(end)
    if not mark or not closing:
        raise ValueError(f"{page} has no section {begin} ... {end}")
    page.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}", encoding="utf-8")
