"""Well-formed delimited files of random dialect and encoding, as the dirt fuzzer damages them."""

from __future__ import annotations

import codecs
import random
from dataclasses import dataclass

_DELIMITERS = (",", ",", ",", ";", ";", "\t", "\t", "|", "||", "~", "^")
_ENDS = ("\n", "\n", "\r\n", "\r\n", "\r")
_WESTERN = ("Zoë", "Müller", "François", "Peña", "Søren", "café", "Straße", "año")
_WORDS = ("red", "Open", "north side", "x-17", "call back", "paid", "Box", "new; urgent", "a/b", "it's", "50 %", "N/A")
_ENCODINGS: tuple[tuple[str, bytes, tuple[str, ...], int], ...] = (
    ("utf-8", b"", (*_WESTERN, "東京", "Київ", "🙂 ok"), 10),
    ("utf-8", codecs.BOM_UTF8, (*_WESTERN, "東京"), 2),
    ("ascii", b"", ("plain", "words"), 4),
    ("cp1252", b"", _WESTERN, 3),
    ("cp1251", b"", ("Москва", "привет", "улица", "Нижний Новгород", "заказ"), 1),
    ("utf-16-le", codecs.BOM_UTF16_LE, (*_WESTERN, "東京"), 1),
    ("utf-16-be", codecs.BOM_UTF16_BE, (*_WESTERN, "Київ"), 1),
    ("cp932", b"", ("東京都", "表示", "ソフト", "注文番号", "大阪の店", "会社です"), 1),
    ("gb18030", b"", ("北京市", "订单号码", "我们的公司", "上海", "客户要求"), 1),
)
"""Encoding, its mark, words in it, weight."""
_NAMES = ("id", "name", "city", "amount", "ordered on", "note", "status", "qty", "ref", "price", "active", "code")


@dataclass(frozen=True, kw_only=True)
class Style:
    """How a file is written."""

    delimiter: str
    quote: str
    """Empty: no quoting."""
    escape: bool
    """Backslashes instead of doubled quotes."""
    record_end: str
    quoting: str
    """`needed`, `texts` or `all`."""
    encoding: str
    mark: bytes = b""

    def cell(self, value: str, *, is_text: bool) -> str:
        """A value as it is written."""
        if self.escape:
            value = value.replace("\\", "\\\\")
        if not self.quote:
            return value
        special = any(mark in value for mark in (self.delimiter, self.quote, "\n", "\r"))
        if not (special or self.quoting == "all" or (self.quoting == "texts" and is_text)):
            return value
        return self.quote + value.replace(self.quote, ("\\" if self.escape else self.quote) + self.quote) + self.quote


@dataclass(frozen=True, kw_only=True)
class CleanFile:
    """A well-formed file: a header and records, as values and as written."""

    style: Style
    records: tuple[tuple[str, ...], ...]
    """Values; the header first."""
    cells: tuple[tuple[str, ...], ...]
    """The same, as written."""
    last_end: bool
    """Whether the last record has a record end."""

    @property
    def fields(self) -> int:
        return len(self.records[0])

    def texts(self) -> list[str]:
        """Each record as written, without its record end."""
        return [self.style.delimiter.join(cells) for cells in self.cells]

    def ends(self) -> list[str]:
        """The record end behind each."""
        ends = [self.style.record_end] * len(self.records)
        return ends if self.last_end else [*ends[:-1], ""]


def random_file(rng: random.Random) -> CleanFile:
    """A file of 2 to 9 columns and 5 to 60 records."""
    encoding, mark, words, _ = rng.choices(_ENCODINGS, [entry[3] for entry in _ENCODINGS])[0]
    style = _style(rng, encoding, mark)
    kinds = [rng.choice(("number", "text", "text", "date", "amount", "word")) for _ in range(rng.randint(1, 8))]
    kinds.insert(0, "key")
    if "number" not in kinds and "amount" not in kinds:
        kinds.append("number")
    names = rng.sample(_NAMES, len(kinds))
    records = [tuple(names)]
    for number in range(1, rng.randint(6, 61)):
        records.append(tuple(_value(rng, kind, number, style, words) for kind in kinds))
    texts = [kind in ("text", "word") for kind in kinds]
    cells = tuple(
        tuple(style.cell(value, is_text=text or not place) for value, text in zip(record, texts, strict=True))
        for place, record in enumerate(records)
    )
    return CleanFile(style=style, records=tuple(records), cells=cells, last_end=rng.random() < 0.8)


def _style(rng: random.Random, encoding: str, mark: bytes) -> Style:
    quote = rng.choice(('"', '"', '"', '"', '"', '"', "'", ""))
    return Style(
        delimiter=rng.choice(_DELIMITERS),
        quote=quote,
        escape=bool(quote) and rng.random() < 0.2,
        record_end=rng.choice(_ENDS),
        quoting=rng.choice(("needed", "needed", "texts", "all")) if quote else "needed",
        encoding=encoding,
        mark=mark,
    )


def _value(rng: random.Random, kind: str, number: int, style: Style, words: tuple[str, ...]) -> str:
    if kind == "key":
        return str(1000 + number)
    if rng.random() < 0.05:
        return ""
    if kind == "number":
        return str(rng.randint(0, 500))
    if kind == "amount":
        return f"{rng.randint(0, 99999) / 100:.2f}"
    if kind == "date":
        return f"20{rng.randint(10, 29)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
    plain = " ".join(rng.choices((*_WORDS, *words), k=1 if kind == "word" else rng.randint(1, 4)))
    return _spiced(rng, plain, style) if kind == "text" else _bare(plain, style)


def _spiced(rng: random.Random, text: str, style: Style) -> str:
    """A text that now and then holds what must be quoted."""
    if not style.quote:
        return _bare(text, style)
    if rng.random() < 0.15:
        text += rng.choice(
            (f"{style.delimiter} and more", f"{style.delimiter}x", f" {style.quote}so called{style.quote}")
        )
    if rng.random() < 0.06:
        text += rng.choice(("\nsecond line", "\n\nfar below", f"\none{style.delimiter} two\nthree"))
    return text


def _bare(text: str, style: Style) -> str:
    """The text without what would have to be quoted."""
    for mark in (style.delimiter, "'", '"'):
        text = text.replace(mark, "_")
    return text
