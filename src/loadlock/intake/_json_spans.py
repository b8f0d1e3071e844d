"""Where the records of a piece of JSON text begin and end, by its structure alone."""

from __future__ import annotations

import re

import numpy as np

from loadlock.intake._json_scan import Structure
from loadlock.intake.decode import Positions

_SEPARATED = re.compile(rb"[ \t\r\n]*,[ \t\r\n]*")
_NOT_SPACE = re.compile(rb"[^ \t\r\n]")
_BLANK = re.compile(rb"[ \t\r\n]*")


class Spans:
    """The records of a piece: complete ones, and what comes behind the last of them."""

    def __init__(self, data: bytes, end: int, found: Structure, *, separated: bool) -> None:
        self._data = data
        self._separated = separated
        self._end = end
        octets = np.frombuffer(data, dtype=np.uint8)
        outer = found.levels < 0
        if not separated:
            outer |= (found.levels == 1) & (found.steps > 0) & (octets[found.places] == 0x5B)
        stop = int(np.argmax(outer)) if outer.any() else len(outer)
        place = int(found.places[stop]) if stop < len(outer) else None
        is_close = place is not None and separated and data[place] == 0x5D
        self.close = place if is_close else None
        self.stray = None if is_close else place
        places, steps, levels = found.places[:stop], found.steps[:stop], found.levels[:stop]
        opens = np.flatnonzero((steps > 0) & (levels == 1))
        starts = places[opens]
        self.ends: Positions = places[(steps < 0) & (levels == 0)] + 1
        self.starts: Positions = starts[: len(self.ends)]
        self.sizes = self.ends - self.starts
        self.unfinished = int(starts[-1]) if len(starts) > len(self.ends) else None
        self.depths = np.maximum.reduceat(levels, opens)[: len(self.ends)] if len(opens) else levels[:0]

    def held(self, *, final: bool) -> int:
        """How many records at the end must wait for what follows them: a stray bracket would be their fault."""
        if self.stray is not None:
            return min(1, len(self.ends)) if self._separated else 0
        open_end = self.close is None and self.unfinished is None
        return min(1, len(self.ends)) if open_end and not final else 0

    def texts(self, first: int, last: int) -> list[bytes]:
        """The records from `first` to before `last`."""
        data = self._data
        bounds = zip(self.starts[first:last].tolist(), self.ends[first:last].tolist(), strict=True)
        return [data[start:end] for start, end in bounds]

    def has_text_behind(self, number: int) -> bool:
        """Whether text stands right behind a record where a comma or a bracket should: then the record is in doubt."""
        behind = _NOT_SPACE.search(self._data, int(self.ends[number]), self._end)
        return behind is not None and behind[0] not in b",]}[{"

    def irregular(self) -> list[int]:
        """Numbers of the records before which something else stands than one comma and white space."""
        behind = self.ends[:-1]
        lengths = self.starts[1:] - behind
        octets = np.frombuffer(self._data, dtype=np.uint8)
        regular = np.zeros(len(lengths), dtype=bool)
        for length in np.unique(lengths)[:8].tolist():
            same = np.flatnonzero(lengths == length)
            gaps = octets[behind[same][:, None] + np.arange(min(length, 64))]
            if length <= 64 and (_SEPARATED if self._separated else _BLANK).fullmatch(gaps[0].tobytes()):
                regular[same] = (gaps == gaps[0]).all(axis=1)
        found: list[int] = (np.flatnonzero(~regular) + 1).tolist()
        return found
