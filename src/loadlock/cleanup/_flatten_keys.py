"""The keys of a slice of JSON records as small numbers: equal keys get the same, compared byte by byte."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from loadlock.cleanup._flatten_scan import Members, Positions, Tokens

Words = npt.NDArray[np.uint64]

_WORD = 8
_WORDS = 8
"""Keys of up to 64 bytes are compared word by word, all at once; longer ones one by one."""
_SOON = 4096
"""All keys of most files stand in so many first ones."""
_MASKS = np.array([(1 << (8 * size)) - 1 for size in range(_WORD + 1)], dtype=np.uint64)
_ODD = np.uint64(0x9E3779B97F4A7C15)


def number_keys(found: Tokens, members: Members) -> tuple[Positions, list[bytes]]:
    """For each member the number of its key, and the keys as they are written, between their quotes."""
    if not len(members.key_starts):
        return np.empty(0, dtype=np.int64), []
    sizes = members.key_ends - members.key_starts
    numbers = None if sizes.max() > _WORD * _WORDS else _by_words(found, members.key_starts, sizes)
    if numbers is None:
        return _one_by_one(found.text, members)
    first = _first(numbers)
    bounds = zip(members.key_starts[first].tolist(), members.key_ends[first].tolist(), strict=True)
    return numbers, [found.text[start:end] for start, end in bounds]


def _by_words(found: Tokens, starts: Positions, sizes: Positions) -> Positions | None:
    """Numbers by a hash of each key; None where two different keys share a hash."""
    import pyarrow as pa

    octets = found.octets
    words: Words = np.ndarray(len(octets) - _WORD, dtype=np.uint64, buffer=found.text, strides=(1,))
    start = words[starts] & _MASKS[np.minimum(sizes, _WORD)]
    hashes = (start ^ sizes.astype(np.uint64)) * _ODD
    rest = list(_rest(words, starts, sizes))
    for which, word in rest:
        mixed = (hashes[which] ^ (hashes[which] >> np.uint64(29)) ^ word) * _ODD
        hashes[which] = mixed
    numbers: Positions = pa.array(hashes).dictionary_encode().indices.to_numpy().astype(np.int64)
    first = _first(numbers)
    same = bool((sizes == sizes[first][numbers]).all()) and bool((start == start[first][numbers]).all())
    for which, word in rest:
        whole = np.zeros(len(sizes), dtype=np.uint64)
        whole[which] = word
        same = same and bool((whole[first][numbers[which]] == word).all())
    return numbers if same else None


def _rest(words: Words, starts: Positions, sizes: Positions) -> Iterator[tuple[Positions, Words]]:
    """(which keys, their n-th eight bytes) for n from the second on."""
    at = _WORD
    which = np.flatnonzero(sizes > at)
    while len(which):
        rest = sizes[which] - at
        yield which, words[starts[which] + at] & _MASKS[np.minimum(rest, _WORD)]
        at += _WORD
        which = which[rest > _WORD]


def _first(numbers: Positions) -> Positions:
    """For each number, given in the order of first appearance, where it stands first."""
    count = int(numbers.max()) + 1
    for size in (_SOON, len(numbers)):
        first = np.full(count, -1, dtype=np.int64)
        # of several writes to one place the last one stays
        first[numbers[:size][::-1]] = np.arange(min(size, len(numbers)) - 1, -1, -1)
        if first.min() >= 0:
            break
    return first


def _one_by_one(text: bytes, members: Members) -> tuple[Positions, list[bytes]]:
    numbers: dict[bytes, int] = {}
    bounds = zip(members.key_starts.tolist(), members.key_ends.tolist(), strict=True)
    found = [numbers.setdefault(text[start:end], len(numbers)) for start, end in bounds]
    return np.array(found, dtype=np.int64), list(numbers)
