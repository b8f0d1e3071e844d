"""Makes tables in many encodings whose text is known, to see what the encoding detection makes of them.

    for table in make_tables(seed=3):
        found = detect(table.source(), SourceOptions())
        assert table.data[found.bom_bytes:].decode(found.name) == table.text

Same seed, same bytes. Words are halved: odd seeds use one half, even seeds the other. Whoever tunes the detection does so with
odd seeds only and judges it by even ones, whose words it has never met.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from loadlock.model import SourceFile
from loadlock.testing.encoding_words import COUNTRIES, UNICODE, Country

FULL_ROWS = (5, 50, 500, 10_000)
"""Rows of tables whose every row may hold words of the country."""
SPARSE_ROWS = (1, 5, 50)
"""Rows with words of the country, all of them with non-ASCII letters, among `MOST_ROWS`."""
MOST_ROWS = 10_000
_PLAIN_WORDS = {
    "first": "James Mary John Linda Robert Susan David Karen Mark Nancy Paul Betty Brian Helen Kevin Laura",
    "last": "Smith Brown Taylor Wilson Davies Evans Johnson Walker Wright Hughes Green Hall Wood Clarke",
    "town": "London Boston Chicago Leeds Dublin Perth Denver Bristol Auckland Toronto Austin Oxford Glasgow Sydney",
}
_NOTES = ("", "", "", "paid", "see mail", "on hold", "VIP, call first", "returned", "2nd reminder", "open")
_TYPED = ("customer’s wish", "call 9–12", "“urgent”", "5 °C max", "§ 4", "100 €", "½ paid")
_TONES = "\u0300\u0301\u0303\u0309\u0323"
_DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True, kw_only=True)
class Table:
    """A made table. It is a `ByteSource` by `source()`."""

    country: str
    script: str
    encoding: str
    rows: int
    sparse: int | None
    """Rows with non-ASCII letters, where these are few."""
    text: str
    """Without a byte order mark."""
    data: bytes

    def source(self) -> BytesSource:
        """The table as intake takes it."""
        return BytesSource(data=self.data)


@dataclass(frozen=True, kw_only=True)
class BytesSource:
    """A file in memory, in blocks of 4 MiB."""

    data: bytes
    file: SourceFile = field(default=SourceFile(index=0, path="/made", name="made.csv", size_bytes=0, sha256=""))

    def open(self) -> Iterator[bytes]:
        """The blocks."""
        for start in range(0, len(self.data), 4 << 20):
            yield self.data[start : start + (4 << 20)]

    def head(self, size: int = 1 << 20) -> bytes:
        """The first bytes."""
        return self.data[:size]

    def sample(self, size: int = 4 << 20) -> list[bytes]:
        """The first bytes."""
        return [self.data[:size]]


def make_tables(
    *, seed: int, full: Sequence[int] = FULL_ROWS, sparse: Sequence[int] = SPARSE_ROWS, countries: Sequence[str] = ()
) -> Iterator[Table]:
    """A table of each country, encoding and size. Every country also in Unicode, by turns."""
    for number, name in enumerate(countries or COUNTRIES):
        country = COUNTRIES[name]
        turn = [UNICODE[(number + seed + step) % len(UNICODE)] for step in range(2)]
        for encoding in (*country.encodings, *turn):
            for rows in full:
                yield make_table(name, encoding, seed=seed, rows=rows)
            for rows in sparse:
                yield make_table(name, encoding, seed=seed, rows=MOST_ROWS, sparse=rows)


def make_table(country: str, encoding: str, *, seed: int, rows: int, sparse: int | None = None) -> Table:
    """One table with a header, five columns and `rows` rows, `sparse` of them with words of the country."""
    chooser = random.Random(f"{country} {encoding} {seed} {rows} {sparse}")  # noqa: S311 (no secret)
    words = _Words.of(COUNTRIES[country], encoding, half=seed % 2)
    delimiter, end = chooser.choice(_DELIMITERS), chooser.choice(("\n", "\r\n"))
    if sparse is None:
        lines = [_row(number, words, chooser, delimiter) for number in range(rows)]
    else:
        lines = list(_plain(seed, rows, delimiter))
        for number in chooser.sample(range(rows), sparse):
            lines[number] = _row(number, words, chooser, delimiter, marked=True)
    header = delimiter.join(("id", "name", "city", "amount", "note"))
    text = end.join([header, *lines, ""])
    bare = text.encode({"utf-16": "utf-16", "utf-8-sig": "utf-8-sig"}.get(encoding, encoding))
    return Table(
        country=country,
        script=COUNTRIES[country].script,
        encoding=encoding,
        rows=rows,
        sparse=sparse,
        text=text,
        data=bare,
    )


@dataclass(frozen=True, kw_only=True)
class _Words:
    """What one encoding can say of a country's words."""

    names: tuple[str, ...]
    families: tuple[str, ...]
    places: tuple[str, ...]
    notes: tuple[str, ...]
    glue: str
    last_first: bool

    @staticmethod
    @lru_cache(maxsize=256)
    def of(country: Country, encoding: str, *, half: int) -> _Words:
        kept = []
        for words in (country.first, country.last, country.places):
            shaped = (tones_apart(word) if encoding == "cp1258" else word for word in words[half::2])
            kept.append(tuple(word for word in shaped if _holds(encoding, word)))
        typed = tuple(note for note in _TYPED if country.script == "latin" and _holds(encoding, note))
        return _Words(
            names=kept[0], families=kept[1], places=kept[2], notes=(*_NOTES, *_NOTES, *_NOTES, *typed),
            glue="" if country.last_first else " ", last_first=country.last_first,
        )  # fmt: skip


def _holds(encoding: str, text: str) -> bool:
    try:
        return text.encode(encoding).decode(encoding) == text
    except UnicodeEncodeError:
        return False


def tones_apart(text: str) -> str:
    """Vietnamese as cp1258 writes it: the tone mark behind its letter, other marks within it."""
    apart = re.sub(rf"([{_TONES}])([\u0302\u0306\u031b])", r"\2\1", unicodedata.normalize("NFD", text))
    return re.sub("[A-Za-z][\u0302\u0306\u031b]", lambda found: unicodedata.normalize("NFC", found[0]), apart)


def _row(number: int, words: _Words, chooser: random.Random, delimiter: str, *, marked: bool = False) -> str:
    """A record; a `marked` one holds a letter beyond ASCII for sure."""
    while True:
        name, family = chooser.choice(words.names), chooser.choice(words.families)
        full = f"{family}{words.glue}{name}" if words.last_first else f"{name}{words.glue}{family}"
        cells = [str(number + 1), full, chooser.choice(words.places), _amount(chooser), chooser.choice(words.notes)]
        if not marked or not "".join(cells[:3]).isascii():
            return delimiter.join(_quoted(cell, delimiter) for cell in cells)


@lru_cache(maxsize=8)
def _plain(seed: int, rows: int, delimiter: str) -> tuple[str, ...]:
    chooser = random.Random(seed)  # noqa: S311
    first, last, towns = (words.split() for words in _PLAIN_WORDS.values())
    made = []
    for number in range(rows):
        name = f"{chooser.choice(first)} {chooser.choice(last)}"
        cells = (str(number + 1), name, chooser.choice(towns), _amount(chooser), chooser.choice(_NOTES))
        made.append(delimiter.join(_quoted(cell, delimiter) for cell in cells))
    return tuple(made)


def _amount(chooser: random.Random) -> str:
    return f"{chooser.randrange(100, 10_000_000) / 100:.2f}"


def _quoted(cell: str, delimiter: str) -> str:
    return f'"{cell}"' if delimiter in cell or '"' in cell else cell
