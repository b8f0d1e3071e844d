"""Which elements of an XML document are its records: said by a path, or found by what repeats."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from loadlock.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class RecordPath:
    """The names of elements that lead to the records."""

    names: tuple[str, ...]
    absolute: bool
    """Whether the first name is that of the document's root; else the names may stand at any depth."""
    reason: str

    def matches(self, stack: list[str]) -> bool:
        """Whether the innermost of these open elements is a record."""
        if stack[-1] != self.names[-1] or len(stack) < len(self.names):
            return False
        inner = tuple(stack) if self.absolute else tuple(stack[-len(self.names) :])
        return inner == self.names

    def leads(self, stack: list[str]) -> bool:
        """Whether the innermost of these open elements is what records stand in."""
        outer = self.names[:-1]
        inner = tuple(stack) if self.absolute else tuple(stack[len(stack) - len(outer) :])
        return bool(outer) and inner == outer

    def __str__(self) -> str:
        return ("/" if self.absolute else "") + "/".join(self.names)


def said_path(text: str) -> RecordPath:
    """A path as an option says it: `/export/orders/order` from the root, `orders/order` or `order` at any depth.

    Dots do for slashes where there is no slash. Raises UsageError for a path without names.
    """
    whole = text.strip()
    mark = "/" if "/" in whole else "."
    names = tuple(name for name in whole.split(mark) if name)
    if not names:
        raise UsageError(f"records_path {text!r} names no element", hint="Write it as orders/order.")
    return RecordPath(names=names, absolute=whole.startswith("/"), reason="given")


def found_path(head: bytes) -> RecordPath | None:
    """The records by the document's head (UTF-8): of the elements whose ancestors stand once, those that repeat most.

    Where nothing repeats the only child of the root that has children itself, else the root. None without any element.
    """
    counts = _counts(head)
    if not counts:
        return None
    root = next(iter(counts))
    documents = counts[root]
    repeated = [
        (count, path)
        for path, count in counts.items()
        if count > documents and all(counts[path[:depth]] <= documents for depth in range(1, len(path)))
    ]
    if repeated:
        count, path = max(repeated, key=lambda one: (one[0], -len(one[1])))
        reason = f"{count:,} elements {'/'.join(path)} in the first {len(head):,} bytes: no other repeats as often"
        return RecordPath(names=path, absolute=True, reason=reason)
    children = [path for path in counts if len(path) == 2]
    has_children = {path[:2] for path in counts if len(path) > 2}
    if len(children) == 1 and children[0] in has_children:
        return RecordPath(names=children[0], absolute=True, reason="no element repeats: the only one below the root")
    return RecordPath(names=root, absolute=True, reason="no element repeats: the document is one record")


def _counts(head: bytes) -> Counter[tuple[str, ...]]:
    """Path of names → how many elements, in order of first appearance. Damage is passed over.

    An element right within one of the same name counts as its neighbour: mostly an end tag is missing.
    """
    counts: Counter[tuple[str, ...]] = Counter()
    stack: list[str] = []
    for match in _tags(head):
        text = match["name"].decode("utf-8", "replace")
        if match["closing"]:
            if text in stack:
                del stack[len(stack) - 1 - stack[::-1].index(text) :]
            continue
        if stack and stack[-1] == text:
            stack.pop()
        if len(stack) < _DEEPEST:
            counts[(*stack, text)] += 1
            if not match["empty"]:
                stack.append(text)
    return counts


_DEEPEST = 20
"""Deeper elements are no records of anything."""
_TAG = re.compile(
    rb"(?P<special><!--|<!\[CDATA\[|<\?)|<(?P<closing>/?)(?P<name>[A-Za-z_\x80-\xff][^\s<>/=\"'&;,!?]*)"
    rb"(?:[^<>\"'/]|/(?!>)|\"[^\"<]*\"|'[^'<]*')*(?P<empty>/?)>"
)
_ENDS = {b"<!--": b"-->", b"<![CDATA[": b"]]>", b"<?": b"?>"}


def _tags(head: bytes) -> Iterator[re.Match[bytes]]:
    """Start and end tags outside of comments and the like."""
    at = 0
    while match := _TAG.search(head, at):
        at = match.end()
        if match["special"]:
            end = head.find(_ENDS[match["special"]], at)
            if end < 0:
                return
            at = end
        else:
            yield match
