"""What a query over one column gave for the texts that earlier parts had: looked up instead of worked out again.

Only for columns whose texts repeat (places, states, dates, flags): their few texts come again in every part of a batch.
It is a memory of results that depend on the query and the text alone, so the kernel stays pure.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadlock.cleanup.prepared import query

if TYPE_CHECKING:
    import pyarrow as pa

MOST = 16_384
"""Texts remembered for a query; with more it begins anew."""
LONGEST = 128
"""Bytes that the texts may have on average; longer ones are not remembered."""
QUERIES = 64
"""Queries remembered; the one used least lately goes first."""


@dataclass(frozen=True)
class Known:
    """Texts, null first, and the query's results for them, row by row."""

    texts: pa.Array
    results: pa.Table


_Key = tuple[str, str, str]
_KNOWN: OrderedDict[_Key, Known] = OrderedDict()
_LOCK = threading.Lock()


def results_of(sql: str, column: str, texts: pa.Array) -> tuple[pa.Table, pa.Array]:
    """The results of `sql` over a relation with the one column `column`, for the different `texts` (no null).

    Gives (results, places): row 0 of `results` is that of null, and `places` (int32) says where each text's row lies.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    key = (sql, column, str(texts.type))
    known = _remembered(key) or _worked_out(sql, column, pa.nulls(1, texts.type))
    places = pc.index_in(texts, value_set=known.texts)
    new = texts.filter(pc.is_null(places))
    if len(new) and len(known.texts) + len(new) > MOST:
        known = _worked_out(sql, column, pa.nulls(1, texts.type))
        places, new = pa.nulls(len(texts), pa.int32()), texts
    if len(new):
        first = len(known.texts)
        more = _worked_out(sql, column, new)
        known = Known(
            pa.concat_arrays([known.texts, more.texts]),
            pa.concat_tables([known.results, more.results]).combine_chunks(),
        )
        counted = pa.array(range(first, first + len(new)), pa.int32())
        places = pc.replace_with_mask(places, pc.is_null(places), counted)
    if len(known.texts) <= MOST and known.texts.nbytes <= LONGEST * len(known.texts) + LONGEST:
        _remember(key, known)
    return known.results, places


def _worked_out(sql: str, column: str, texts: pa.Array) -> Known:
    import pyarrow as pa

    return Known(texts, query(sql, pa.table({column: texts})))


def _remembered(key: _Key) -> Known | None:
    with _LOCK:
        if key in _KNOWN:
            _KNOWN.move_to_end(key)
        return _KNOWN.get(key)


def _remember(key: _Key, known: Known) -> None:
    with _LOCK:
        _KNOWN[key] = known
        _KNOWN.move_to_end(key)
        while len(_KNOWN) > QUERIES:
            _KNOWN.popitem(last=False)
