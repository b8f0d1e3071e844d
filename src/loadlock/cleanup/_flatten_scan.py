"""The tokens of a whole slice of JSON records at once, with NumPy: strings, brackets, members, and what holds what.

The text must be one valid JSON array (the records between brackets): nothing is checked here. Positions are bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]
Octets = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]

QUOTE, BACKSLASH, COLON, COMMA, OPEN_OBJECT, OPEN_ARRAY = 0x22, 0x5C, 0x3A, 0x2C, 0x7B, 0x5B
_BLANK = 0x20
_IN_SCALAR = np.ones(256, dtype=bool)
_IN_SCALAR[[0x20, 0x09, 0x0A, 0x0D, COMMA, 0x5D, 0x7D]] = False
PAD = bytes(16)
"""Behind the text: words of eight bytes may be read at its last byte."""
_PIECE = 1 << 17
"""Bytes that are looked through at a time: what fits into the processor's cache is several times as fast."""
_LONG = 64
"""Bytes of a number that are looked at in step with the others; the rest of a longer one is searched for by itself."""


@dataclass(frozen=True, kw_only=True)
class Strings:
    """All strings, keys too: the places of their quotes."""

    opens: Positions
    closes: Positions


@dataclass(frozen=True, kw_only=True)
class Containers:
    """Objects and arrays in the order of their opening brackets; number 0 is the array of the records."""

    opens: Positions
    ends: Positions
    """Behind the closing bracket."""
    levels: npt.NDArray[np.int64]
    """1 for the array of the records, 2 for records."""
    parents: Positions
    is_array: Flags
    bracket_places: Positions
    """All brackets, opening and closing."""
    inside: Positions
    """For each bracket the container in which what follows it stands; -1 behind the last."""
    strings_before: Positions
    """For each bracket the number of strings before it."""

    def around_strings(self, count: int) -> Positions:
        """The containers in which all `count` strings stand."""
        return np.repeat(self.inside, np.diff(self.strings_before, append=count))

    def around(self, places: Positions) -> Positions:
        """The containers in which these places (sorted, outside of strings) stand."""
        counts = np.diff(np.searchsorted(places, self.bracket_places), append=len(places))
        return np.repeat(self.inside, counts)


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """A slice's text and what stands where."""

    text: bytes
    """With some padding behind it."""
    octets: Octets
    strings: Strings
    containers: Containers
    quotes: Positions
    backslashes: Positions
    _at: npt.NDArray[np.int32]
    """At the place of an opening bracket the number of its container."""

    def containers_at(self, opens: Positions) -> Positions:
        """The containers that open at these places."""
        found: Positions = self._at[opens].astype(np.int64)
        return found

    def commas(self) -> Positions:
        """The commas outside of strings."""
        commas = np.flatnonzero(self.octets == COMMA)
        outside: Positions = commas[(np.searchsorted(self.quotes, commas) & 1) == 0]
        return outside

    def after_space(self, places: Positions) -> Positions:
        """The first places from `places` on that hold no white space."""
        # outside of strings nothing else is as small as white space
        is_space = self.octets.take(places) <= _BLANK
        places = places + is_space
        spaces = np.flatnonzero(is_space)
        while len(spaces := spaces.take(np.flatnonzero(self.octets.take(places.take(spaces)) <= _BLANK))):
            places[spaces] += 1
        return places

    def strings_at(self, opens: Positions) -> Positions:
        """The strings that open at these places; anything for other places."""
        found: Positions = np.searchsorted(self.strings.opens, opens)
        return found

    def escaped(self) -> Flags:
        """For each string whether it holds an escape."""
        marks = np.zeros(len(self.strings.opens), dtype=bool)
        marks[np.searchsorted(self.strings.opens, self.backslashes) - 1] = True
        return marks

    def value_ends(self, starts: Positions, strings: Positions) -> Positions:
        """Behind the values that start at these places; `strings` as `strings_at` gives them."""
        first = self.octets.take(starts)
        ends = starts.copy()
        quoted = np.flatnonzero(first == QUOTE)
        ends[quoted] = self.strings.closes.take(strings.take(quoted)) + 1
        nested = np.flatnonzero((first | 0x20) == OPEN_OBJECT)
        ends[nested] = self.containers.ends[self._at[starts[nested]]]
        scalars = np.flatnonzero(ends == starts)
        ends[scalars] = self._scalar_ends(starts.take(scalars))
        return ends

    def _scalar_ends(self, starts: Positions) -> Positions:
        ends = starts + 1
        going = np.arange(len(starts))
        for _ in range(_LONG):
            going = going.take(np.flatnonzero(_IN_SCALAR.take(self.octets.take(ends.take(going)))))
            if not len(going):
                return ends
            ends[going] += 1
        for index in going.tolist():
            at = int(ends[index])
            while (within := _IN_SCALAR[self.octets[at : at + _LONG]]).all():
                at += _LONG
            ends[index] = at + int(np.argmin(within))
        return ends


@dataclass(frozen=True, kw_only=True)
class Members:
    """Keys of objects with their values, in the order written."""

    key_starts: Positions
    """Behind the opening quotes."""
    key_ends: Positions
    values: Positions
    """Where the values start."""
    containers: Positions
    """The objects in which they stand."""
    strings: Positions
    """The numbers of the strings behind the keys: their values, where these are strings."""


def tokens(text: bytes) -> Tokens:
    """Find strings and brackets of one valid JSON array, with `PAD` behind it."""
    octets = np.frombuffer(text, dtype=np.uint8)
    quotes, backslashes, brackets = _places(octets[: -len(PAD)])
    quotes = _real_quotes(octets, quotes, backslashes)
    quotes_before = np.searchsorted(quotes, brackets)
    outside = np.flatnonzero((quotes_before & 1) == 0)
    strings = Strings(opens=quotes[0::2], closes=quotes[1::2])
    containers = _containers(octets, brackets.take(outside), quotes_before.take(outside) >> 1)
    # looked up by place, several times as fast as by searching; the other places are never looked up
    at = np.empty(len(text), dtype=np.int32)
    at[containers.opens] = np.arange(len(containers.opens))
    return Tokens(
        text=text,
        octets=octets,
        strings=strings,
        containers=containers,
        quotes=quotes,
        backslashes=backslashes,
        _at=at,
    )


def _places(octets: Octets) -> tuple[Positions, Positions, Positions]:
    """All quotes, backslashes and brackets, inside of strings too."""
    quotes, slashes, brackets = [], [], []
    for at in range(0, len(octets), _PIECE):
        piece = octets[at : at + _PIECE]
        quotes.append(np.flatnonzero(piece == QUOTE) + at)
        slashes.append(np.flatnonzero(piece == BACKSLASH) + at)
        # `[`, `]`, `{` and `}` differ in two bits only
        folded = (piece & 0xDF) - 0x5B
        folded &= 0xFD
        brackets.append(np.flatnonzero(folded == 0) + at)
    return np.concatenate(quotes), np.concatenate(slashes), np.concatenate(brackets)


def _real_quotes(octets: Octets, quotes: Positions, slashes: Positions) -> Positions:
    """The quotes that begin and end strings: those behind an even number of backslashes."""
    if not len(slashes):
        return quotes
    starts = np.concatenate(([True], np.diff(slashes) != 1))
    first = np.maximum.accumulate(np.where(starts, np.arange(len(slashes)), 0))
    before_quote = np.flatnonzero(octets[slashes + 1] == QUOTE)
    escaping = before_quote[(before_quote - first[before_quote]) % 2 == 0]
    return np.delete(quotes, np.searchsorted(quotes, slashes[escaping] + 1))


def _containers(octets: Octets, brackets: Positions, strings_before: Positions) -> Containers:
    """Match the brackets: on each level an opening one is followed by its closing one."""
    kinds = octets.take(brackets)
    is_open = (kinds | 0x20) == OPEN_OBJECT
    after = np.cumsum(np.where(is_open, 1, -1))
    levels = np.where(is_open, after, after + 1)
    pairs = _stable_order(levels).reshape(-1, 2)
    closing = np.empty(len(brackets), dtype=np.int64)
    closing[pairs[:, 0]] = brackets[pairs[:, 1]]
    # by numbers, not by the flags themselves: NumPy takes these several times as fast
    opening = np.flatnonzero(is_open)
    own_level = levels.take(opening)
    numbers = np.cumsum(is_open) - 1
    parents = _parents(own_level)
    inside = np.empty(len(brackets), dtype=np.int64)
    inside[opening] = np.arange(len(opening))
    inside[pairs[:, 1]] = parents[numbers[pairs[:, 0]]]
    return Containers(
        opens=brackets.take(opening),
        ends=closing.take(opening) + 1,
        levels=own_level,
        parents=parents,
        is_array=kinds.take(opening) == OPEN_ARRAY,
        bracket_places=brackets,
        inside=inside,
        strings_before=strings_before,
    )


def _parents(levels: npt.NDArray[np.int64]) -> Positions:
    """For each container the last one before it that is a level above; -1 for the outermost."""
    parents = np.full(len(levels), -1, dtype=np.int64)
    above = np.flatnonzero(levels == 1)
    for level in range(2, int(levels.max(initial=1)) + 1):
        here = np.flatnonzero(levels == level)
        parents[here] = above[np.searchsorted(above, here) - 1]
        above = here
    return parents


def _stable_order(numbers: npt.NDArray[np.int64]) -> Positions:
    """The order that sorts small numbers and keeps equal ones in place; on 16 bits NumPy does it in linear time."""
    small = numbers.astype(np.uint16) if numbers.max(initial=0) < 1 << 16 else numbers
    return np.argsort(small, kind="stable")


def members(found: Tokens) -> Members:
    """All keys: the strings with a colon behind them."""
    strings = found.strings
    behind = found.after_space(strings.closes + 1)
    keys = np.flatnonzero(found.octets.take(behind) == COLON)
    return Members(
        key_starts=strings.opens.take(keys) + 1,
        key_ends=strings.closes.take(keys),
        values=found.after_space(behind.take(keys) + 1),
        containers=found.containers.around_strings(len(strings.opens)).take(keys),
        strings=keys + 1,
    )
