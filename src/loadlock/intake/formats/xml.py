"""XML documents: one record an element, attributes and nested elements as JSON that flattening opens."""

from __future__ import annotations

import re
from typing import ClassVar

from loadlock.intake._xml_options import XmlOptions
from loadlock.intake.base import ByteSource, ReadResult, SourceOptions

_START = re.compile(rb"\s*<(?:[A-Za-z_\x80-\xff][^\s<>/]*[\s/>]|!--|!DOCTYPE\s|\?)")
_MARK = "\ufeff".encode()


class XmlFormat:
    """An XML document. The records are the elements at `records_path`, or those that repeat most.

    Each is staged as a JSON object: attributes as `@name`, elements by their names, repeated ones as arrays, text beside
    them as `#text`. A damaged element costs one record. Entities are refused, external ones never fetched.
    """

    name: ClassVar[str] = "xml"
    summary: ClassVar[str] = "XML: the elements at a path, or those that repeat"
    extensions: ClassVar[tuple[str, ...]] = (".xml",)
    Options = XmlOptions

    def sniff(self, head: bytes, name: str) -> float:
        """High where the file begins with an XML declaration or a tag."""
        text = head.removeprefix(_MARK)
        if text.lstrip().startswith(b"<?xml"):
            return 0.97
        if not text.strip():
            return 0.3 if name.lower().endswith(self.extensions) else 0.0
        return 0.8 if _START.match(text) else 0.0

    def read(self, source: ByteSource, options: SourceOptions) -> ReadResult:
        """Read one document, in a window of one record."""
        from loadlock.intake._xml_reader import XmlReader

        reader = XmlReader(source, options)
        return ReadResult(parts=reader.parts(), report=reader.report)
