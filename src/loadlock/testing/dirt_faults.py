"""The faults of the dirt fuzzer: each changes one place of a well-formed file."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from loadlock.testing.dirt_files import CleanFile, Style


@dataclass(frozen=True, kw_only=True)
class Damaged:
    """A file with one fault.

    `touched`: the records (0 = the header) whose bytes are not what they were; `gone`: those without a byte left.
    """

    data: bytes
    touched: frozenset[int]
    gone: frozenset[int] = frozenset()


_Maker = Callable[[random.Random, CleanFile], Damaged | None]


def damage(rng: random.Random, file: CleanFile) -> tuple[str, Damaged]:
    """One random fault that this file can have: its kind and what the file became."""
    while True:
        kind = rng.choice(list(FAULTS))
        found = FAULTS[kind](rng, file)
        if found is not None:
            return kind, found


def clean_bytes(file: CleanFile) -> bytes:
    """The file without a fault."""
    return _joined(file.style, file.texts(), file.ends())


def _joined(style: Style, texts: list[str], ends: list[str]) -> bytes:
    text = "".join(part for pair in zip(texts, ends, strict=True) for part in pair)
    return style.mark + text.encode(style.encoding, "surrogatepass")


def _with(file: CleanFile, index: int, text: str, *, end: str | None = None) -> Damaged:
    """The file with another text (and end) of one record."""
    texts, ends = file.texts(), file.ends()
    touched = {index}
    if end is not None and not end and index + 1 < len(texts):
        touched.add(index + 1)
    texts[index] = text
    ends[index] = ends[index] if end is None else end
    return Damaged(data=_joined(file.style, texts, ends), touched=frozenset(touched))


def _any(rng: random.Random, file: CleanFile) -> int:
    return rng.randrange(len(file.records))


def _put(text: str, at: int, what: str) -> str:
    return text[:at] + what + text[at:]


def _missing_delimiter(rng: random.Random, file: CleanFile) -> Damaged | None:
    index = _any(rng, file)
    cells = list(file.cells[index])
    if len(cells) < 2:
        return None
    at = rng.randrange(len(cells) - 1)
    cells[at : at + 2] = [cells[at] + cells[at + 1]]
    return _with(file, index, file.style.delimiter.join(cells))


def _extra_delimiter(rng: random.Random, file: CleanFile) -> Damaged | None:
    index = _any(rng, file)
    text = file.texts()[index]
    return _with(file, index, _put(text, rng.randint(0, len(text)), file.style.delimiter))


def _stray_quote(rng: random.Random, file: CleanFile) -> Damaged | None:
    index = _any(rng, file)
    text = file.texts()[index]
    return _with(file, index, _put(text, rng.randint(0, len(text)), file.style.quote)) if file.style.quote else None


def _quoted(rng: random.Random, file: CleanFile) -> tuple[int, int] | None:
    """Record and place of a quoted cell."""
    quote = file.style.quote
    found = [
        (index, place)
        for index, cells in enumerate(file.cells)
        for place, cell in enumerate(cells)
        if quote and cell.startswith(quote)
    ]
    return rng.choice(found) if found else None


def _with_cell(file: CleanFile, at: tuple[int, int], cell: str) -> Damaged:
    cells = list(file.cells[at[0]])
    cells[at[1]] = cell
    return _with(file, at[0], file.style.delimiter.join(cells))


def _missing_quote(rng: random.Random, file: CleanFile) -> Damaged | None:
    at = _quoted(rng, file)
    if at is None:
        return None
    cell = file.cells[at[0]][at[1]]
    return _with_cell(file, at, cell[1:] if rng.random() < 0.5 else cell[:-1])


def _doubled_quote(rng: random.Random, file: CleanFile) -> Damaged | None:
    at = _quoted(rng, file)
    if at is None:
        return None
    cell, quote = file.cells[at[0]][at[1]], file.style.quote
    return _with_cell(file, at, quote + cell if rng.random() < 0.5 else cell + quote)


def _padded_quote(rng: random.Random, file: CleanFile) -> Damaged | None:
    at = _quoted(rng, file)
    if at is None or file.style.delimiter == "\t":
        return None
    cell = file.cells[at[0]][at[1]]
    return _with_cell(file, at, " " + cell if rng.random() < 0.5 else cell + "  ")


def _half_of_a_pair(rng: random.Random, file: CleanFile) -> Damaged | None:
    """A quote inside of a quoted cell that is no longer doubled or escaped."""
    pair = ("\\" if file.style.escape else file.style.quote) + file.style.quote
    found = [
        (index, place)
        for index, cells in enumerate(file.cells)
        for place, cell in enumerate(cells)
        if file.style.quote and pair in cell[1:-1]
    ]
    if not found:
        return None
    at = rng.choice(found)
    cell = file.cells[at[0]][at[1]]
    return _with_cell(file, at, cell[0] + cell[1:-1].replace(pair, file.style.quote, 1) + cell[-1])


def _stray_escape(rng: random.Random, file: CleanFile) -> Damaged | None:
    index = _any(rng, file)
    text = file.texts()[index]
    if file.style.encoding == "cp932":
        return None  # its yen sign is the backslash
    return _with(file, index, _put(text, rng.randint(0, len(text)), "\\"))


def _missing_record_end(rng: random.Random, file: CleanFile) -> Damaged | None:
    index = rng.randrange(len(file.records) - 1)
    return _with(file, index, file.texts()[index], end="")


def _extra_record_end(rng: random.Random, file: CleanFile) -> Damaged | None:
    index = _any(rng, file)
    text = file.texts()[index]
    return _with(file, index, _put(text, rng.randint(1, max(1, len(text) - 1)), file.style.record_end))


def _other_record_end(rng: random.Random, file: CleanFile) -> Damaged | None:
    index = rng.randrange(len(file.records) - 1)
    end = rng.choice([end for end in ("\n", "\r\n", "\r", "\r\r\n") if end != file.style.record_end])
    found = _with(file, index, file.texts()[index], end=end)
    return Damaged(data=found.data, touched=found.touched | {index + 1})


def _place(rng: random.Random, file: CleanFile) -> tuple[int, list[bytes], int]:
    """A record, all records and ends as bytes, and an offset in this one's bytes between two characters."""
    style = file.style
    pieces = [text.encode(style.encoding) for text in file.texts()]
    index = _any(rng, file)
    text = file.texts()[index]
    return index, pieces, len(text[: rng.randint(0, len(text))].encode(style.encoding))


def _with_bytes(file: CleanFile, index: int, pieces: list[bytes]) -> Damaged:
    ends = [end.encode(file.style.encoding) for end in file.ends()]
    data = b"".join(part for pair in zip(pieces, ends, strict=True) for part in pair)
    return Damaged(data=file.style.mark + data, touched=frozenset({index}))


def _bad_byte(rng: random.Random, file: CleanFile) -> Damaged | None:
    """Bytes that are no text in the file's encoding."""
    bad = {
        "utf-8": [b"\xff", b"\xc3", b"\xe9", b"\x80", b"\xed\xa0\x80", b"\x81"],
        "ascii": [b"\xff", b"\xe9", b"\x81"],
        "utf-16-le": [b"\x00\xd8", b"\x00\xdc"],
        "utf-16-be": [b"\xd8\x00", b"\xdc\x00"],
        "cp1252": [b"\x81", b"\x9d"],
        "cp1251": [b"\x98"],
        "cp932": [b"\x85\x41", b"\xfc\xfc"],
        "gb18030": [b"\xff"],
    }
    index, pieces, at = _place(rng, file)
    pieces[index] = pieces[index][:at] + rng.choice(bad[file.style.encoding]) + pieces[index][at:]
    return _with_bytes(file, index, pieces)


def _control_byte(rng: random.Random, file: CleanFile) -> Damaged | None:
    """NUL: no text holds it."""
    index, pieces, at = _place(rng, file)
    nul = "\0".encode(file.style.encoding)
    pieces[index] = pieces[index][:at] + nul * rng.choice((1, 1, 7)) + pieces[index][at:]
    return _with_bytes(file, index, pieces)


def _lost_bytes(rng: random.Random, file: CleanFile) -> Damaged | None:
    """A hole of 1 to 60 bytes."""
    style = file.style
    data = clean_bytes(file)
    start = rng.randrange(len(style.mark), len(data))
    stop = min(start + rng.choice((1, 1, 2, rng.randint(3, 60))), len(data))
    return _without(file, data, start, stop)


def _truncated(rng: random.Random, file: CleanFile) -> Damaged | None:
    """The file ends somewhere within its last three records."""
    data = clean_bytes(file)
    starts = _starts(file)
    cut = rng.randrange(starts[max(1, len(file.records) - 3)] + 1, len(data))
    return _without(file, data, cut, len(data))


def _starts(file: CleanFile) -> list[int]:
    at, found = len(file.style.mark), []
    for text, end in zip(file.texts(), file.ends(), strict=True):
        found.append(at)
        at += len((text + end).encode(file.style.encoding))
    return [*found, at]


def _without(file: CleanFile, data: bytes, start: int, stop: int) -> Damaged:
    """The file without a range of bytes. A record is touched too where the end of the one before it is missing."""
    starts = _starts(file)
    spans = list(enumerate(pairwise(starts)))
    gone = frozenset(i for i, (first, last) in spans if start <= first and last <= stop)
    touched = frozenset(i for i, (first, last) in spans if first <= stop and start < last)
    return Damaged(data=data[:start] + data[stop:], touched=touched - gone, gone=gone)


def _line(rng: random.Random, file: CleanFile, text: str) -> Damaged:
    """The file with a line of its own between two records."""
    texts, ends = file.texts(), file.ends()
    at = rng.randint(1, len(texts) - 1)
    texts.insert(at, text)
    ends.insert(at, file.style.record_end)
    return Damaged(data=_joined(file.style, texts, ends), touched=frozenset())


def _blank_line(rng: random.Random, file: CleanFile) -> Damaged | None:
    return _line(rng, file, rng.choice(("", "  ", file.style.delimiter * (file.fields - 1))))


def _repeated_header(rng: random.Random, file: CleanFile) -> Damaged | None:
    return _line(rng, file, file.texts()[0])


def _foreign_line(rng: random.Random, file: CleanFile) -> Damaged | None:
    words = ("Total: 17", "-- page 2 --", "# exported by hand", "ERROR: connection lost", "}")
    return _line(rng, file, rng.choice([word for word in words if file.style.delimiter not in word]))


def _mark_in_the_middle(rng: random.Random, file: CleanFile) -> Damaged | None:
    if not file.style.encoding.startswith("utf"):
        return None
    index = rng.randrange(1, len(file.records))
    return _with(file, index, "\ufeff" + file.texts()[index])


def _trailing_delimiters(rng: random.Random, file: CleanFile) -> Damaged | None:
    index = rng.randrange(1, len(file.records))
    return _with(file, index, file.texts()[index] + file.style.delimiter * rng.choice((1, 1, 2, 5)))


FAULTS: dict[str, _Maker] = {
    "missing delimiter": _missing_delimiter,
    "extra delimiter": _extra_delimiter,
    "trailing delimiters": _trailing_delimiters,
    "stray quote": _stray_quote,
    "missing quote": _missing_quote,
    "doubled quote": _doubled_quote,
    "quote not doubled": _half_of_a_pair,
    "space beside a quote": _padded_quote,
    "stray backslash": _stray_escape,
    "missing record end": _missing_record_end,
    "extra record end": _extra_record_end,
    "another record end": _other_record_end,
    "bad byte": _bad_byte,
    "NUL byte": _control_byte,
    "byte order mark in the middle": _mark_in_the_middle,
    "lost bytes": _lost_bytes,
    "truncated tail": _truncated,
    "blank line": _blank_line,
    "repeated header": _repeated_header,
    "line of another kind": _foreign_line,
}
