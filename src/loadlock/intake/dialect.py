"""What kind of CSV a file is: delimiter, quotes, record ends, header, preamble, each with a reason.

Found by trying and scoring on pieces of the whole file (head, middle, end); each part can be pinned by an option.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from loadlock.errors import UsageError
from loadlock.intake import _csv_score as scoring
from loadlock.intake import _csv_top as top
from loadlock.intake._csv_exact import Shape
from loadlock.intake._csv_score import Score
from loadlock.intake.base import ByteSource, SourceOptions
from loadlock.intake.decode import codec_name, is_ascii_compatible
from loadlock.intake.splitter import BOM, Rules, Splitter, Status

HEAD_BYTES = 256 << 10
PIECE_BYTES = 96 << 10
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
_BY_EXTENSION = {".tsv": b"\t", ".tab": b"\t", ".psv": b"|"}
_NAMES = {"": "none", "\t": "tab", " ": "space"}


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
    comment: str = ""
    footer: int = 0
    reasons: tuple[str, ...] = ()
    alternatives: tuple[dict[str, Any], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As stored in `FileReport.dialect`."""
        return {
            "delimiter": self.delimiter,
            "quote": self.quote,
            "escape": self.escape,
            "record_end": self.record_end,
            "header": self.header,
            "preamble": self.preamble,
            "footer": self.footer,
            "comment": self.comment or None,
            "reasons": list(self.reasons),
            "alternatives": list(self.alternatives),
        }


def find_dialect(source: ByteSource, encoding: str, options: SourceOptions) -> Dialect:
    """The dialect of a file whose encoding is known. Raises UsageError for impossible pins."""
    pieces = _pieces(source, encoding)
    return dialect_of(pieces, options, name=source.file.name)


def dialect_of(pieces: Sequence[bytes], options: SourceOptions, *, name: str = "") -> Dialect:
    """The dialect of pieces (of whole lines, the head first) in an ASCII-compatible encoding."""
    _check_pins(options)
    ends, shown, reasons = _record_end(pieces, options)
    chosen, scores, why = _choose(pieces, options, ends, name)
    reasons += why
    if options.record_end is None and ends == b"\n" and _returns_end_records(pieces, chosen):
        chosen = scoring.score_shape(pieces, replace(chosen.shape, record_end=b"\r"))
        reasons.append("lone CR ends records too: the rows are more alike so")
    skipped, header, fields, told = _top(pieces[0] if pieces else b"", chosen, options)
    shape = chosen.shape
    return Dialect(
        delimiter=shape.delimiter.decode(),
        quote=shape.quote.decode(),
        escape="\\" if shape.escape else None,
        record_end=shown,
        header=header,
        preamble=skipped,
        fields=fields,
        shape=shape,
        comment=options.comment or "",
        footer=options.footer,
        reasons=tuple(reasons + told),
        alternatives=tuple(_alternative(entry) for entry in scores if entry.shape != shape and entry.score > 0)[:3],
    )


def _alternative(entry: Score) -> dict[str, Any]:
    shape = entry.shape
    return {
        "delimiter": shape.delimiter.decode(),
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


def _pieces(source: ByteSource, encoding: str) -> list[bytes]:
    """Whole lines from head, middle and end, in UTF-8 or the file's ASCII-compatible encoding."""
    raw = source.sample()
    if not raw:
        return []
    if not is_ascii_compatible(encoding):
        # a cut through the middle could start within a character
        text = raw[0][: HEAD_BYTES * 2].decode(codec_name(encoding), "replace")
        return [_whole_lines(text.removeprefix("\ufeff").encode(), len(raw[0]) > HEAD_BYTES * 2 or len(raw) > 1)]
    head = raw[0].removeprefix(BOM)
    pieces = [_whole_lines(head[:HEAD_BYTES], len(head) > HEAD_BYTES or len(raw) > 1)]
    pieces += (piece for piece in map(_inner_lines, [*_spread(head), *raw[1:]]) if piece)
    return pieces


def _spread(head: bytes) -> list[bytes]:
    """Further places of a head that is much longer than what is looked at."""
    return [head[len(head) // 2 :][:PIECE_BYTES], head[-PIECE_BYTES:]] if len(head) > 4 * HEAD_BYTES else []


def _whole_lines(data: bytes, cut: bool) -> bytes:
    """Without a last line that may be incomplete."""
    if not cut:
        return data
    end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
    return data[:end] if end else data


def _inner_lines(data: bytes) -> bytes:
    """The whole lines within a piece from the middle of a file."""
    data = data[:PIECE_BYTES]
    first = min((at for at in (data.find(b"\n"), data.find(b"\r")) if at >= 0), default=-1)
    last = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
    return data[first + 1 : last].removeprefix(b"\n") if 0 <= first < last else b""


def _record_end(pieces: Sequence[bytes], options: SourceOptions) -> tuple[bytes, str, list[str]]:
    """The splitter's record end, the one to show, and reasons."""
    pinned = _word(options.record_end)
    if pinned is not None:
        return pinned.encode(), pinned, ["record end pinned"]
    both = sum(piece.count(b"\r\n") for piece in pieces)
    feeds = sum(piece.count(b"\n") for piece in pieces) - both
    returns = sum(piece.count(b"\r") for piece in pieces) - both
    if returns and not both + feeds:
        return b"\r", "\r", [f"records end with CR ({returns:,} in the sample)"]
    shown = "\r\n" if both > feeds else "\n"
    reason = f"records end with {'CRLF' if both > feeds else 'LF'}"
    if both and feeds:
        reason += f", mixed: {both:,} CRLF and {feeds:,} LF in the sample"
    return b"\n", shown, [reason]


def _returns_end_records(pieces: Sequence[bytes], chosen: Score) -> bool:
    """Whether the rows are more alike when a lone CR ends a record too."""
    if not any(piece.count(b"\r") > piece.count(b"\r\n") for piece in pieces):
        return False
    other = scoring.score_shape(pieces, replace(chosen.shape, record_end=b"\r"))
    return other.share * (1 - other.faulty) > chosen.share * (1 - chosen.faulty)


def _choose(
    pieces: Sequence[bytes], options: SourceOptions, ends: bytes, name: str
) -> tuple[Score, list[Score], list[str]]:
    """The best shape, all scores, and reasons."""
    delimiter, quote = _word(options.delimiter), _word(options.quote)
    quotes = [b'"', b"'", b""] if quote is None else [quote.encode()]
    escape = None if options.escape is None else options.escape == "\\"
    delimiters = _candidates(pieces) if delimiter is None else [delimiter.encode()]
    scores = scoring.best_shapes(pieces, delimiters=delimiters, quotes=quotes, escape=escape, record_end=ends)
    if delimiter is None:
        scores = _with_space(pieces, scores, Shape(b" ", quotes[0], bool(escape), ends))
        best, why = _accept(scores, pieces, name)
        if best is None:
            shape = scoring.best_shapes(pieces, delimiters=[b""], quotes=quotes, escape=escape, record_end=ends)[0]
            return shape, scores, ["no delimiter divides the lines alike: one column", _quote_reason(shape, quote)]
    else:
        best, why = scores[0], f"delimiter {_NAMES.get(delimiter, delimiter)!r} pinned"
    return best, scores, [why, _quote_reason(best, quote), *_escape_reason(best, escape)]


def _candidates(pieces: Sequence[bytes]) -> list[bytes]:
    """Delimiters that stand in at least every third line."""
    lines = sum(piece.count(b"\n") or piece.count(b"\r") for piece in pieces)
    return [mark for mark in scoring.DELIMITERS if sum(piece.count(mark) for piece in pieces) > lines // 3]


def _with_space(pieces: Sequence[bytes], scores: list[Score], shape: Shape) -> list[Score]:
    """Spaces are prose more often than delimiters: only where nothing else fits and nearly all lines agree."""
    if scores and scores[0].score >= 0.3:
        return scores
    spaced = scoring.score_shape(pieces, shape)
    clear = spaced.share >= 0.95 and spaced.faulty < 0.05
    return [spaced, *scores] if clear and spaced.fields > 1 and spaced.records > 2 else scores


def _accept(scores: list[Score], pieces: Sequence[bytes], name: str) -> tuple[Score | None, str]:
    usual = _BY_EXTENSION.get(name[name.rfind(".") :].lower()) if "." in name else None
    for entry in scores:
        # a file called .tsv is read with tabs while these work at all
        if entry.shape.delimiter == usual and entry.share >= 0.5 and entry.fields > 1:
            return (
                entry,
                f"delimiter {_shown(entry)}: by the file's name, {entry.share:.0%} of the sample have {entry.fields} fields",
            )
    best = scores[0] if scores else None
    if best is not None and best.score >= 0.25:
        return best, f"delimiter {_shown(best)}: {best.share:.0%} of the sample have {best.fields} fields"
    first = pieces[0].lstrip(b"\r\n").split(b"\n", 1)[0] if pieces else b""
    for entry in scores:
        if entry.shape.delimiter in first and entry.fields > 1:
            return (
                entry,
                f"delimiter {_shown(entry)}: in doubt, only {entry.share:.0%} of the sample have {entry.fields} fields",
            )
    return None, ""


def _shown(entry: Score) -> str:
    delimiter = entry.shape.delimiter.decode()
    return repr(_NAMES.get(delimiter, delimiter))


def _quote_reason(entry: Score, pinned: str | None) -> str:
    quote = entry.shape.quote.decode()
    if pinned is not None:
        return f"quote {quote or 'none'} pinned"
    if not quote:
        return "no quoting: quotes stand inside the text, not around fields"
    return f"quote {quote}" + (f", {entry.faulty:.1%} of the sample misplaced" if entry.faulty else "")


def _escape_reason(entry: Score, pinned: bool | None) -> list[str]:
    if not entry.shape.escape:
        return []
    return ["escape pinned" if pinned else "backslash escapes quotes: fewer faults than with doubled quotes"]


def _top(head: bytes, chosen: Score, options: SourceOptions) -> tuple[int, int, int, list[str]]:
    """Lines to skip, header rows, usual number of fields, reasons."""
    skipped, reasons = 0, []
    if options.preamble is not None:
        head, reasons = (
            _skip_lines(head, options.preamble, chosen.shape),
            [f"preamble of {options.preamble} lines pinned"],
        )
    cells, lines = _first_rows(head, chosen.shape, options.comment)
    if options.preamble is not None:
        found = top.find_top(cells, 1)
        skipped = options.preamble
    else:
        found = top.find_top(cells, chosen.fields)
        skipped = lines[found.skipped] if found.skipped and found.skipped < len(lines) else 0
        if skipped:
            reasons.append(f"{skipped} lines above the table skipped: other field counts or hardly a cell filled")
    if options.header is not None:
        return skipped, options.header, chosen.fields, [*reasons, f"header of {options.header} rows pinned"]
    return skipped, found.header, chosen.fields, [*reasons, found.reason]


def _skip_lines(data: bytes, count: int, shape: Shape) -> bytes:
    records = Splitter(replace(shape, quote=b""), Rules()).split(data, final=True)
    return data[int(records.next[min(count, len(records)) - 1]) :] if count and len(records) else data


def _first_rows(data: bytes, shape: Shape, comment: str | None) -> tuple[list[list[str]], list[int]]:
    """Cells of the first records that are not blank, and the physical line of each."""
    splitter = Splitter(shape, Rules(comment=(comment or "").encode()))
    records = splitter.split(data, final=True)
    cells, lines = [], []
    for index in range(len(records)):
        if records.status[index] in (Status.BLANK, Status.COMMENT):
            continue
        raw = data[records.start[index] : records.end[index]]
        cells.append([value.decode("utf-8", "replace") for value in splitter.parser.parse(raw).values])
        lines.append(int(records.line[index]))
        if len(cells) > top.LOOK_ROWS + top.PREAMBLE_ROWS:
            break
    return cells, lines
