"""JSON records that are written alike: the same keys in the same order and the same white space between the values.

Most files are written so by one program. Then a record is a fixed sequence of texts between its values, and where these
stand to the byte, the values are what lies between: no bracket has to be matched. Records that differ are left out.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from loadlock import rows
from loadlock.bits import bits_of, escaped, of_next, places, running_parity
from loadlock.cleanup._flatten_columns import NULL, Spans, Texts
from loadlock.cleanup._flatten_scan import BACKSLASH, COLON, PAD, QUOTE, Octets, Positions
from loadlock.cleanup._flatten_tree import Reader, RecordError, parent_rows
from loadlock.pipeline.model import Flatten

if TYPE_CHECKING:
    import pyarrow as pa

LEAST = 0.5
"""Share of a slice's records that must be alike, else all are read another way."""
_WORD = 8
_MASKS = np.array([(1 << (8 * size)) - 1 for size in range(_WORD + 1)], dtype=np.uint64)


def _kinds(of: dict[int, bytes], others: int) -> Octets:
    table = np.full(256, others, dtype=np.uint8)
    for kind, octets in of.items():
        table[list(octets)] = kind
    return table


_SCALAR_KIND = 4
_SCALAR = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_FIRST = _kinds({1: b'"', 2: b"{", 3: b"[", _SCALAR_KIND: _SCALAR + b"-"}, 5)
_LAST = _kinds({1: b'"', 2: b"}", 3: b"]", _SCALAR_KIND: _SCALAR}, 6)
"""How a value may end that begins so; nothing else that lies between two of the fixed texts is one value."""


@dataclass(frozen=True, kw_only=True)
class Template:
    """What records that are alike share."""

    names: list[str]
    """The columns, in the order written."""
    between: list[bytes]
    """The texts before each value, and the one behind the last."""
    keys: Positions
    """For each value the number of keys before it; its own is the last of them."""
    gaps: Positions
    """For each value the bytes between its key and itself."""


def template_of(record: str, spec: Flatten) -> Template | None:
    """What a record shares with those that are written like it; None where no value may be told by its neighbours."""
    try:
        node, repeats = Reader(spec).read(record)
    except RecordError:
        return None
    found = parent_rows(node, spec)
    if repeats or len(found) != 1 or not found[0] or not record.startswith("{"):
        return None
    names = [name for name, _ in found[0]]
    starts, ends = (np.array([len(record[: leaf[side]].encode()) for _, leaf in found[0]]) for side in (0, 1))
    whole = record.encode()
    values = [whole[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    if len(set(names)) < len(names) or any(value[:1] in b"[{" and b":" in value for value in values):
        # keys inside of values would be counted
        return None
    outside = zip([0, *ends.tolist()], [*starts.tolist(), len(whole)], strict=True)
    between = [whole[start:end] for start, end in outside]
    key_ends = _key_ends(whole + PAD)
    return Template(
        names=names,
        between=between,
        keys=np.searchsorted(key_ends, starts),
        gaps=np.array([len(text) - text.rfind(b'"') - 1 for text in between[:-1]]),
    )


def _key_ends(text: bytes) -> Positions:
    """The closing quotes of strings with a colon right behind them."""
    octets = np.frombuffer(text, dtype=np.uint8)[: -len(PAD)]
    quotes = bits_of(octets == QUOTE)
    if b"\\" in text:
        quotes &= ~escaped(octets)
    return places(quotes & ~running_parity(quotes) & of_next(bits_of(octets == COLON)))


class Alike:
    """The records of a slice that are written as most of them are. `records`: their numbers."""

    def __init__(
        self, text: bytes, template: Template, records: Positions, *, bounds: tuple[Positions, Positions], spec: Flatten
    ) -> None:
        """`bounds`: where the values of these records start and end, a row for each record."""
        self.records = records
        self.columns = frozenset(template.names)
        self._text = text
        self._template = template
        self._null_text = spec.null_text
        self._starts, self._ends = bounds
        self._first = np.frombuffer(text, dtype=np.uint8)[self._starts]

    def names(self) -> list[tuple[int, int, str]]:
        """(record, place, column) where each column appears first; the record is a number among these."""
        return [(0, int(self._starts[0, place]), name) for place, name in enumerate(self._template.names)]

    def values(self, wanted: Collection[str]) -> dict[str, int]:
        """How many values each column has that is not wanted; null is none."""
        filled = np.count_nonzero(self._first != NULL, axis=0).tolist()
        pairs = zip(self._template.names, filled, strict=True)
        return {name: count for name, count in pairs if name not in wanted and count}

    def table(self, number: int = 0, wanted: Collection[str] | None = None) -> pa.Table:
        """The rows: their columns (only the wanted ones), `_row` (a number among these records) and `_sub`.

        `number`: 0, the parents' table; where there are others no records are alike.
        """
        import pyarrow as pa

        names = self._template.names
        chosen = [place for place, name in enumerate(names) if wanted is None or name in wanted]
        count = len(self.records)
        columns = {}
        if chosen:
            texts = Texts(self._spans(chosen), self._null_text)
            made = texts.transposed(len(chosen), count)
            columns = dict(zip([names[place] for place in chosen], made, strict=True))
        columns[rows.ROW] = pa.array(np.arange(count))
        columns[rows.SUB] = pa.array(np.zeros(count, dtype=np.int32))
        return pa.table(columns)

    def _spans(self, chosen: list[int]) -> Spans:
        starts, ends, first = self._starts, self._ends, self._first
        if len(chosen) < len(self._template.names):
            starts, ends, first = starts[:, chosen], ends[:, chosen], first[:, chosen]
        starts, ends, first = starts.ravel(), ends.ravel(), first.ravel()
        with_escapes = np.empty(0, dtype=np.int64)
        if b"\\" in self._text:
            slashes = np.flatnonzero(np.frombuffer(self._text, dtype=np.uint8) == BACKSLASH)
            owner = np.searchsorted(starts, slashes, "right") - 1
            inside = (owner >= 0) & (slashes < ends[owner])
            owner = np.unique(owner[inside])
            with_escapes = owner[first[owner] == QUOTE]
        return Spans(text=self._text, starts=starts, ends=ends, first=first, escaped=with_escapes)


def find_alike(text: bytes, starts: Positions, ends: Positions, spec: Flatten) -> Alike | None:
    """The records that are written as most are; None where too few are.

    `text`: sound records, one right behind the other, padded; where each starts and ends.
    """
    if spec.explode or spec.children or spec.arrays == "explode" or not len(starts):
        return None
    key_ends = _key_ends(text)
    upto = np.searchsorted(key_ends, ends)
    counts = np.diff(upto, prepend=0)
    usual = int(np.bincount(counts).argmax())
    chosen = np.flatnonzero(counts == usual)
    if not usual or len(chosen) < LEAST * len(starts):
        return None
    one = int(chosen[0])
    template = template_of(text[starts[one] : ends[one]].decode(), spec)
    if template is None or template.keys[-1] != usual:
        return None
    own_keys = key_ends[(upto[chosen] - usual)[:, None] + (template.keys - 1)[None, :]]
    begin = np.minimum(own_keys + 1 + template.gaps, len(text) - len(PAD))
    end = np.empty_like(begin)
    end[:, :-1] = begin[:, 1:] - np.array([len(between) for between in template.between[1:-1]], dtype=np.int64)
    end[:, -1] = ends[chosen] - len(template.between[-1])
    good = (begin[:, 0] == starts[chosen] + len(template.between[0])) & _whole(text, begin, end)
    good[good] = _framed(text, template, begin[good], end[good])
    if np.count_nonzero(good) < LEAST * len(starts):
        return None
    return Alike(text, template, chosen[good], bounds=(begin[good], end[good]), spec=spec)


def _whole(text: bytes, begin: Positions, end: Positions) -> npt.NDArray[np.bool_]:
    """Which records have one value between each two of the fixed texts."""
    octets = np.frombuffer(text, dtype=np.uint8)
    kinds = _FIRST[octets[begin]]
    fit = (kinds == _LAST[octets[end - 1]]) & (end - begin > (kinds < _SCALAR_KIND))
    found: npt.NDArray[np.bool_] = fit.all(axis=1)
    return found


def _framed(text: bytes, template: Template, begin: Positions, end: Positions) -> npt.NDArray[np.bool_]:
    """Which records have the fixed texts before each value, and behind the last one."""
    words: npt.NDArray[np.uint64] = np.ndarray(len(text) - _WORD, dtype=np.uint64, buffer=text, strides=(1,))
    good = np.ones(len(begin), dtype=bool)
    for place, between in enumerate(template.between):
        last = place == len(template.between) - 1
        first = end[:, -1] if last else begin[:, place] - len(between)
        for at in range(0, len(between), _WORD):
            piece = between[at : at + _WORD]
            wanted = np.uint64(int.from_bytes(piece, "little"))
            good &= (words[first + at] & _MASKS[len(piece)]) == wanted
    return good
