"""Where the records of a JSON document lie: at the path that was given, or in the features of a GeoJSON collection."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np

from loadlock.intake._json_scan import structure
from loadlock.intake._json_stream import TextStream
from loadlock.intake.base import ByteSource, SourceOptions
from loadlock.intake.encoding import EncodingFound

FEATURES = "features"
_HEAD_BYTES = 64 << 10
_KEY_BYTES, _SHOWN = 200, 3
_KEY = re.compile(rb'"((?:[^"\\]|\\.)*)"\s*:\s*\Z')
_OBJECT = re.compile(rb"\s*\{")
_STEPS = re.compile(r"(?:[^.\\]|\\.)+")
_COLLECTION = re.compile(rb'"type"[ \t\r\n]*:[ \t\r\n]*"FeatureCollection"')
_FEATURES = re.compile(rb'"features"[ \t\r\n]*:[ \t\r\n]*\[')
_FEATURE = re.compile(rb'"type"[ \t\r\n]*:[ \t\r\n]*"Feature"')


def steps(records_path: str) -> tuple[str, ...]:
    r"""The keys of a dotted path; `\.` is a dot within a key."""
    return tuple(re.sub(r"\\(.)", r"\1", step) for step in _STEPS.findall(records_path))


def is_feature_collection(source: ByteSource, found: EncodingFound, options: SourceOptions) -> bool:
    """Whether the document, for which no path is given, is a GeoJSON feature collection (RFC 7946, 3.3)."""
    return options.records_path is None and _has_features(head_of(source, found))


def head_of(source: ByteSource, found: EncodingFound) -> bytes:
    """The first of the text, in UTF-8."""
    head = b""
    for block in TextStream(source, found).blocks():
        head += block
        if len(head) >= _HEAD_BYTES:
            break
    return head[:_HEAD_BYTES]


def arrays_of_objects(head: bytes) -> list[str]:
    """Dotted paths of arrays in the outermost object that begin with an object, at most a few."""
    found: list[str] = []
    keys: list[str | None] = []
    brackets = structure(head, 0, len(head))
    for place, step in zip(brackets.places.tolist(), brackets.steps.tolist(), strict=True):
        if step < 0:
            keys = keys[:-1]
            continue
        key = _KEY.search(head, max(0, place - _KEY_BYTES), place)
        keys.append(key[1].decode("utf-8", "replace") if key else None)
        outer = keys[1:]
        if head[place : place + 1] == b"[" and _OBJECT.match(head, place + 1) and None not in outer:
            found.append(".".join(key.replace("\\", "\\\\").replace(".", "\\.") for key in outer if key is not None))
        if len(found) == _SHOWN:
            break
    return found


def _has_features(head: bytes) -> bool:
    if not head.lstrip().startswith(b"{"):
        return False
    top = _top_level(head)
    if not _FEATURES.search(top):
        return False
    # the type may stand behind the features; then they tell it themselves
    return _COLLECTION.search(top) is not None or _FEATURE.search(head) is not None


def _top_level(head: bytes) -> bytes:
    """The text of the outermost object, without what stands in the objects and arrays inside of it."""
    found = structure(head, 0, len(head))
    outer = np.flatnonzero((found.levels <= 2) & (found.steps > 0) | (found.levels <= 1) & (found.steps < 0))
    places = [0, *(found.places[outer] + 1).tolist(), len(head)]
    levels = [0, *found.levels[outer].tolist()]
    return b"".join(head[begin:end] for level, (begin, end) in zip(levels, pairwise(places), strict=True) if level == 1)
