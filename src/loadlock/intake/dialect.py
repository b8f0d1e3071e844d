"""What kind of CSV a file is: delimiter, quotes, record ends, header, preamble, each with a reason.

Found by trying and scoring on pieces of the whole file (head, middle, end); each part can be pinned by an option.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from loadlock.errors import UsageError
from loadlock.intake._csv_choice import Wanted, choose
from loadlock.intake._csv_doubt import Sample
from loadlock.intake._csv_exact import Shape
from loadlock.intake._csv_layout import Table, find_place, holds_tables
from loadlock.intake._csv_named import named_fields
from loadlock.intake._csv_pieces import Pieces, pieces_of, without_named_delimiter
from loadlock.intake._csv_score import Score
from loadlock.intake._csv_torn import Edge
from loadlock.intake._printed import Frame, find_frame
from loadlock.intake.base import ByteSource, SourceOptions
from loadlock.intake.decode import codec_name, is_ascii_compatible

_ENCLOSING, _ENCLOSED_DELIMITER = "þ", b"\x14"
_WORDS = {
    "tab": "\t",
    "comma": ",",
    "semicolon": ";",
    "pipe": "|",
    "space": " ",
    "none": "",
    "lf": "\n",
    "crlf": "\r\n",
    "cr": "\r",
    "mixed": "\r",
    "\\t": "\t",
    "\\n": "\n",
    "\\r\\n": "\r\n",
    "\\r": "\r",
}


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """The dialect of one file."""

    delimiter: str
    """Empty: one column."""
    quote: str
    """Empty: no quoting."""
    escape: str | None
    record_end: str
    """The usual one, as found or pinned."""
    header: int
    """Number of header rows."""
    preamble: int
    """Physical lines above the header."""
    fields: int
    """Usual number of fields."""
    shape: Shape
    enclosed: str = ""
    """The letter around each value of a load file for document review (Concordance: `þ`), which is taken away."""
    names: tuple[str, ...] = ()
    """Of the columns, where a comment above the rows names them."""
    frame: Frame | None = None
    """What is drawn around the values, in a table that was printed for people."""
    comment: str = ""
    footer: int = 0
    edges: tuple[Edge, Edge] = (Edge(), Edge())
    """What the first and the last column look like."""
    is_whole: bool = True
    """Whether it was found by a look at the whole file."""
    sample: Sample = field(default_factory=Sample)
    """Some of its rows."""
    tables: tuple[Table, ...] = ()
    """All tables of the file, where there are several; one of them is read."""
    reasons: tuple[str, ...] = ()
    alternatives: tuple[dict[str, Any], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As stored in `FileReport.dialect`."""
        return {
            "delimiter": self.delimiter,
            "quote": self.quote or self.enclosed,
            "escape": self.escape,
            "record_end": self.record_end,
            "header": self.header,
            "preamble": self.preamble,
            "footer": self.footer,
            "comment": self.comment or None,
            "printed": self.frame and ("closed" if self.frame.closed else "open"),
            "tables": [
                {"line": table.line + 1, "fields": table.fields, "records": table.records} for table in self.tables
            ],
            "reasons": list(self.reasons),
            "alternatives": list(self.alternatives),
        }


def find_dialect(source: ByteSource, encoding: str, options: SourceOptions) -> Dialect:
    """The dialect of a file whose encoding is known. Raises UsageError for impossible pins."""
    inner = codec_name(encoding) if is_ascii_compatible(encoding) else "utf-8"
    return _dialect(pieces_of(source, encoding), options, name=source.file.name, encoding=inner)


def dialect_of(data: bytes, options: SourceOptions, *, name: str = "") -> Dialect:
    """The dialect of a whole file in UTF-8."""
    return _dialect(Pieces(all=[data], head=data, whole=data, end=data), options, name=name, encoding="utf-8")


def _dialect(pieces: Pieces, options: SourceOptions, *, name: str, encoding: str) -> Dialect:
    _check_pins(options)
    wanted, named = _wanted(options, name, encoding), None
    if options.delimiter is None and options.preamble is None:
        pieces, named = without_named_delimiter(pieces)
    if named is not None:
        wanted = replace(wanted, delimiter=named)
    enclosed = _enclosed(pieces.head, wanted)
    if enclosed:
        wanted = replace(wanted, delimiter=_ENCLOSED_DELIMITER, quote=b"")
    fields = named_fields(pieces.all) if _is_free(wanted, options) else None
    if fields is not None:
        wanted = replace(wanted, delimiter=fields.delimiter)
        options = replace(options, preamble=fields.lines, header=0, comment="#")
    frame = _frame(pieces, wanted, options, encoding)
    if frame is not None:
        wanted = replace(wanted, delimiter=frame.bar.encode(encoding), quote=b"")
        options = replace(options, preamble=frame.titles, header=frame.header, footer=0, comment="")
    choice = choose(pieces.all, wanted)
    best = choice.best if frame is None else replace(choice.best, fields=frame.fields)
    if best.fields == 1 and pieces.whole is not None and wanted.delimiter is None:
        best = next((entry for entry in choice.scores if holds_tables(pieces.whole, entry)), best)
    shape = best.shape
    place = find_place(pieces.head, best, options, whole=pieces.whole, end=pieces.end)
    if frame is not None:
        place = replace(place, reasons=[_frame_reason(frame)])
    if fields is not None:
        place = replace(place, fields=len(fields.names), reasons=["a comment names the columns (#Fields:)"])
    if named is not None:
        place = place.below(1, "the first line names the delimiter, as Excel does (sep=)")
    return Dialect(
        delimiter=shape.delimiter.decode(encoding),
        quote=shape.quote.decode(),
        escape="\\" if shape.escape else None,
        enclosed=enclosed,
        record_end=choice.shown_end,
        header=place.header,
        preamble=place.preamble,
        fields=place.fields,
        shape=shape,
        frame=frame,
        names=() if fields is None else fields.names,
        comment=place.comment,
        footer=place.footer,
        edges=place.edges,
        is_whole=pieces.whole is not None,
        sample=place.sample,
        tables=place.tables,
        reasons=tuple(choice.reasons + place.reasons),
        alternatives=tuple(
            _alternative(entry, encoding) for entry in choice.scores if entry.shape != shape and entry.score > 0
        )[:3],
    )


def _enclosed(head: bytes, wanted: Wanted) -> str:
    """The letter that encloses the values of the first line, where that is told by the delimiter between them."""
    mark = _ENCLOSING.encode(wanted.encoding, "ignore")
    delimiter = wanted.delimiter in (None, _ENCLOSED_DELIMITER) and not wanted.quote
    is_so = delimiter and mark and head.startswith(mark) and mark + _ENCLOSED_DELIMITER + mark in head.splitlines()[0]
    return _ENCLOSING if is_so else ""


def _frame(pieces: Pieces, wanted: Wanted, options: SourceOptions, encoding: str) -> Frame | None:
    """The frame of a printed table, unless what it says is pinned."""
    bar_only = replace(wanted, delimiter=None)
    if not _is_free(bar_only, options) or options.footer is not None or wanted.quote or wanted.escape is not None:
        return None
    head = pieces.head if encoding == "utf-8" else pieces.head.decode(encoding, "replace").encode()
    frame = find_frame(head, wanted.delimiter)
    return frame if frame is None or encoding == "utf-8" or frame.bar == "|" else None


def _is_free(wanted: Wanted, options: SourceOptions) -> bool:
    """Whether neither the delimiter nor what stands above the rows is pinned."""
    pins = (wanted.delimiter, options.preamble, options.header, options.comment, options.table)
    return all(pin is None for pin in pins)


def _frame_reason(frame: Frame) -> str:
    ends = " and at both ends" if frame.closed else ""
    return f"a table printed for people: bars between the columns{ends}, rulers; padding around values is left out"


def _wanted(options: SourceOptions, name: str, encoding: str) -> Wanted:
    delimiter, quote, end = (_word(text) for text in (options.delimiter, options.quote, options.record_end))
    return Wanted(
        delimiter=None if delimiter is None else delimiter.encode(encoding),
        quote=None if quote is None else quote.encode(),
        escape=None if options.escape is None else options.escape == "\\",
        record_end=None if end is None else end.encode(encoding),
        name=name,
        encoding=encoding,
    )


def _alternative(entry: Score, encoding: str) -> dict[str, Any]:
    shape = entry.shape
    return {
        "delimiter": shape.delimiter.decode(encoding, "replace"),
        "quote": shape.quote.decode(),
        "escape": "\\" if shape.escape else None,
        "fields": entry.fields,
        "score": round(entry.score, 3),
    }


def _check_pins(options: SourceOptions) -> None:
    delimiter, quote = _word(options.delimiter), _word(options.quote)
    if delimiter is not None and any(mark in delimiter for mark in "\r\n"):
        raise UsageError("the delimiter can't be a line end", hint="Pin `record_end:` for the ends of records.")
    if quote and (len(quote) > 1 or not quote.isascii()):
        raise UsageError(f"the quote {quote!r} is not a single ASCII character", hint="Use `\"`, `'` or none.")
    if quote and delimiter and quote in delimiter:
        raise UsageError("delimiter and quote must differ", hint="Pin only one of them.")
    if options.escape not in (None, "", "\\", '"', "'", quote):
        raise UsageError(f"unknown escape {options.escape!r}", hint="Leave it out (doubled quotes) or use a backslash.")
    if options.record_end == "":
        raise UsageError("the record end is empty", hint="Use lf, crlf, cr or the text that ends a record.")


def _word(text: str | None) -> str | None:
    return None if text is None else _WORDS.get(text.lower(), text)
