"""JSON documents: one array of records, one object, objects one behind the other, or an array at a path."""

from __future__ import annotations

import re
from typing import ClassVar

from loadlock.intake._json_document import DocumentReader
from loadlock.intake._json_text import SPACE, accepts
from loadlock.intake.base import ByteSource, ReadResult, SourceOptions

_MARK = "\ufeff".encode()
_ARRAY = re.compile(rb'\[\s*(?:[]\[{"]|-?\d[\d.eE+-]*\s*(?:[],]|\Z)|true\b|false\b|null\b|\Z)')
_SCRIPT = re.compile(rb"(?:(?:var|let|const)\s+)?[A-Za-z_$][\w$.]*\s*(?:=|\()\s*[\[{]\s*[\[{\"]")
"""JSON within a program: `callback([...` or `var data = {...`."""


class JsonFormat:
    """A JSON document. Records are the elements of its top-level array, or of the array at `records_path`.

    A top-level object is one record, several one behind the other are several; a top-level scalar is a record of its
    own. Each record is staged as its own text. A broken record costs one record, a truncated tail is one reject.
    """

    name: ClassVar[str] = "json"
    summary: ClassVar[str] = "JSON: an array of records, an object, or an array at a path"
    extensions: ClassVar[tuple[str, ...]] = (".json", ".geojson")

    def sniff(self, head: bytes, name: str) -> float:
        """High where the file begins like an object or an array."""
        text = head.removeprefix(_MARK).strip(SPACE)
        named = name.lower().endswith(self.extensions)
        if text[:1] == b"[":
            # a log's line may begin with a bracket too
            return 0.9 if named or _ARRAY.match(text) else 0.02
        if text[:1] == b"{":
            first, more, _ = text.partition(b"\n")
            # a whole object a line is rather NDJSON; anything else may be a long document cut by the head's end
            return 0.9 if accepts(text) else 0.4 if more and accepts(first) else 0.8
        if _SCRIPT.match(text):
            # better one clear reject than a table with all of it in its header
            return 0.75
        return 0.7 if named else 0.0

    def read(self, source: ByteSource, options: SourceOptions) -> ReadResult:
        """Read one document, in a window of a few blocks."""
        reader = DocumentReader(source, options, self.name)
        return ReadResult(parts=reader.parts(), report=reader.report)
