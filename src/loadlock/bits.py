"""Flags of a buffer packed to bits, 64 to a word, the first byte lowest: passes over all bytes become passes over words."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.int64]
Bits = npt.NDArray[np.uint64]

_ONE, _TOP = np.uint64(1), np.uint64(63)
_BACKSLASH = 0x5C
_FEW = 8000
"""Positions up to which setting bits one by one is faster than going over the buffer."""


def bits_of(flags: Flags) -> Bits:
    """The flags as bits; what fills the last word up is zero."""
    packed = np.packbits(flags, bitorder="little")
    return np.concatenate([packed, np.zeros(-len(packed) % 8, dtype=np.uint8)]).view(np.uint64)


def bits_at(positions: Positions, size: int) -> Bits:
    """Bits set at these positions, which are below `size`."""
    if len(positions) > _FEW:
        flags = np.zeros(size, dtype=bool)
        flags[positions] = True
        return bits_of(flags)
    bits: Bits = np.zeros((size + 63) // 64, dtype=np.uint64)
    np.bitwise_or.at(bits, positions >> 6, _ONE << (positions & 63).astype(np.uint64))
    return bits


def places(bits: Bits) -> Positions:
    """Where bits are set, ascending."""
    words = np.flatnonzero(bits)
    if len(words) * 16 > len(bits):
        return np.flatnonzero(_unpacked(bits))
    found = np.flatnonzero(_unpacked(bits[words]))
    at: Positions = (words[found >> 6] << 6) | (found & 63)
    return at


def _unpacked(bits: Bits) -> Flags:
    return np.unpackbits(bits.view(np.uint8), bitorder="little").view(np.bool_)


def running_parity(bits: Bits) -> Bits:
    """For each bit whether the number of bits set up to it, itself included, is odd."""
    found = bits.copy()
    for step in (1, 2, 4, 8, 16, 32):
        found ^= found << np.uint64(step)
    odd = (found >> _TOP).astype(np.uint8)
    before = np.bitwise_xor.accumulate(odd) ^ odd
    found ^= np.uint64(0) - before.astype(np.uint64)
    return found


def escaped(octets: npt.NDArray[np.uint8]) -> Bits:
    """The bytes that a backslash escapes: those behind the first, third ... backslash of a run."""
    at = np.flatnonzero(octets == _BACKSLASH)
    begins = np.diff(at, prepend=-2) != 1
    number = np.arange(len(at))
    first = np.maximum.accumulate(np.where(begins, number, 0))
    behind = at[((number - first) & 1) == 0] + 1
    return bits_at(behind[behind < len(octets)], len(octets))


def within(first: Positions, after: Positions, size: int) -> Bits:
    """Bits set in each range from `first` up to before `after`; ranges ascend, may touch, and end at `size` at most."""
    return running_parity(bits_at(first, size) ^ bits_at(after[after < size], size))


def of_next(bits: Bits) -> Bits:
    """Each bit becomes that of the byte behind it; behind the last one stands none."""
    found = bits >> _ONE
    found[:-1] |= bits[1:] << _TOP
    return found


def of_previous(bits: Bits) -> Bits:
    """Each bit becomes that of the byte before it; before the first one stands none."""
    found = bits << _ONE
    found[1:] |= bits[:-1] >> _TOP
    return found


def are_set(bits: Bits, at: Positions) -> Flags:
    """Whether the bits at these positions are set."""
    found: Flags = ((bits[at >> 6] >> (at & 63).astype(np.uint64)) & _ONE).astype(bool)
    return found


class Ranks:
    """Counts the bits before a position."""

    def __init__(self, bits: Bits) -> None:
        self._bits = np.append(bits, np.uint64(0))
        self._before = np.zeros(len(bits) + 1, dtype=np.int64)
        np.cumsum(np.bitwise_count(bits), out=self._before[1:])

    def before(self, at: Positions) -> Positions:
        """Number of bits set before each position."""
        word = at >> 6
        lower = self._bits[word] & ((_ONE << (at & 63).astype(np.uint64)) - _ONE)
        found: Positions = self._before[word] + np.bitwise_count(lower)
        return found
