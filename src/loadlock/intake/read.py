"""Which format a file has, and reading it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from loadlock.errors import SourceError
from loadlock.intake._totals import Totals
from loadlock.intake.base import ByteSource, Format, RawPart, ReadResult, SourceOptions
from loadlock.intake.encoding import bom_of, wide_by_nuls
from loadlock.model import FileReport
from loadlock.registry import component, components

_EXTENSION_WEIGHT = 0.05
"""What the extension adds to the score of a format: it decides between equals; each format weighs it by itself too."""
_NUL_SHARE = 0.01
_SURE = 0.9
"""From this score on a format that reads binary files is chosen before any format of text is asked."""
_HTML = re.compile(rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|table)\b", re.IGNORECASE | re.DOTALL)
_PACKED = re.compile(r"(\.(gz|bz2|xz|zst))+$")
"""Endings that compression adds to a name."""
_MAGIC = (
    (b"\x7fELF", "a program (ELF)"),
    (b"MZ", "a program (Windows)"),
    (b"\xfe\xed\xfa", "a program (Mach-O)"),
    (b"\xcf\xfa\xed\xfe", "a program (Mach-O)"),
    (b"%PDF-", "a PDF document"),
    (b"\x89PNG\r\n\x1a\n", "an image (PNG)"),
    (b"\xff\xd8\xff", "an image (JPEG)"),
    (b"GIF8", "an image (GIF)"),
    (b"PK\x03\x04", "a zip archive or an office document"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an office document"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"{\\rtf", "a rich text document"),
)


def read_file(source: ByteSource, options: SourceOptions) -> ReadResult:
    """Choose the format and read the file. An empty file gives no rows and no error."""
    result, totals = choose_format(source, options).read(source, options), Totals()

    def parts() -> Iterator[RawPart]:
        for part in result.parts:
            totals.look(part.rows)
            yield part

    def report() -> FileReport:
        found = result.report()
        return replace(found, notes=[*found.notes, *totals.notes()])

    return ReadResult(parts=parts(), report=report)


def choose_format(source: ByteSource, options: SourceOptions) -> Format:
    """The pinned format, else the one that suits the file's head and extension best.

    UsageError for an unknown pinned name; SourceError for what is no data file at all, named as what it seems to be.
    """
    head = source.head()
    if options.format is not None:
        chosen: Format = component("formats", options.format)()
        if not _reads_binary(chosen):
            _refuse_binary(head, source.file.path, pinned=True)
        return chosen
    if binary := _binary_format(head, source.file.name):
        return binary
    _refuse_binary(head, source.file.path, pinned=False)
    text = _readable(head, options)
    _refuse_html(text, source.file.path)
    found: list[tuple[float, Any]] = [
        (_score(format_class(), text, source.file.name), format_class)
        for format_class in components("formats").values()
    ]
    score, best = max(found, key=lambda pair: pair[0])
    if score <= 0 and head:
        raise SourceError(
            f"{source.file.path} looks like none of the known formats ({', '.join(components('formats'))})",
            hint="Say which it is: --option format=csv.",
        )
    suited: Format = best()
    return suited


def _reads_binary(candidate: Format) -> bool:
    return bool(getattr(candidate, "reads_binary", False))


def _binary_format(head: bytes, name: str) -> Format | None:
    """The format of binary files that knows this head for sure."""
    for format_class in components("formats").values():
        candidate: Format = format_class()
        if _reads_binary(candidate) and candidate.sniff(head, name) >= _SURE:
            return candidate
    return None


def _score(candidate: Format, head: bytes, name: str) -> float:
    extension = "." + _PACKED.sub("", name.lower()).rpartition(".")[2]
    named = extension in candidate.extensions
    return candidate.sniff(head, name) + (_EXTENSION_WEIGHT if named else 0.0)


def _readable(head: bytes, options: SourceOptions) -> bytes:
    """The head in UTF-8 where it is UTF-16 or UTF-32; else as it is."""
    name, mark = bom_of(head)
    wide = options.encoding if (options.encoding or "").lower().startswith(("utf-16", "utf-32", "utf_16")) else None
    wide = wide or (name if name and name != "utf-8" else wide_by_nuls(head))
    return head[mark:].decode(wide, "replace").encode("utf-8", "replace") if wide else head[mark:]


def _refuse_html(head: bytes, path: str) -> None:
    if _HTML.match(head.removeprefix(b"\xef\xbb\xbf")[:65536]):
        raise SourceError(
            f"{path} is an HTML page, and tables in pages are not read",
            hint="Export the data as CSV or Excel. A page in place of a data file is often a log-in or an error: look into it.",
        )


def _refuse_binary(head: bytes, path: str, *, pinned: bool) -> None:
    kind = next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)
    if kind == "a program (Windows)" and b"\0" not in head:
        # two capitals may as well begin a header
        kind = None
    nuls = head.count(0)
    if kind is None and nuls and bom_of(head)[0] is None and wide_by_nuls(head) is None:
        kind = "filled with NUL bytes" if nuls == len(head) else None
        if kind is None and not pinned and nuls > _NUL_SHARE * len(head) + 1:
            kind = "binary data"
    if kind:
        raise SourceError(f"{path} seems to be {kind}, no text", hint="Export the data as CSV or JSON and load that.")
