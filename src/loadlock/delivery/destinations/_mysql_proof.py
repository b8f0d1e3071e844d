"""Proof that a MySQL or MariaDB table holds what was sent, without reading its rows back.

Each row is shown as one text, here and by the server: its values as the server shows them, parted by a character that occurs
in no value, null as another such character. Both sides add up the first 64 bits of the texts' SHA-256. Equal sums of equally many
rows say that the rows are those sent, in whatever order they lie: a text with the wrong number of parting characters is none
of those sent, and the count of nulls tells a null from its stand-in. (Rows that differ have equal sums once in 18 million
million million times; the other half of the hash would take the server as long again.) Where the sums differ nothing is said:
the server may show a value in another way, so the caller compares the rows themselves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import DeliveryColumn
from loadlock.delivery.destinations._mysql_types import INTEGERS, TEXTS, CatalogColumn, CatalogTable
from loadlock.delivery.names import quote_backtick as quote

if TYPE_CHECKING:
    import pyarrow as pa

BETWEEN, NULL = 28, 29
"""Control characters, file and group separator: texts hold them most rarely. Where one does, nothing is proved."""
_WAITING = 2
"""Pieces whose rows wait in memory to be hashed: the server is as quick as the hashing at most."""
_MOST_PLAIN = 1e15
_LEAST_PLAIN = 1e-4
_FIXED_DIGITS = 15
Answer = tuple[int, ...]
"""Rows, the sum of their hashes, and how many values of each column of texts are not null."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One column's values as text: an expression for DuckDB (of `{0}`, the values), one for the server."""

    here: str
    there: str
    is_text: bool = False
    is_float: bool = False


def shown(column: CatalogColumn, given: DeliveryColumn) -> Shown | None:
    """How both sides show the same text for equal values; None where they can't."""
    name, kind = f"t.{quote(column.name)}", given.type.kind
    if column.type in TEXTS:
        there = name if column.charset == "utf8mb4" else f"convert({name} using utf8mb4)"
        here = "make_timestamp(epoch_us({0}))::varchar || '+00'" if kind == "timestamptz" else "{0}::varchar"
        return Shown(here=here, there=f"{there} collate utf8mb4_bin", is_text=kind in ("text", "json"))
    if column.type == "uuid":
        return Shown(here="lower({0})", there=f"convert({name} using utf8mb4) collate utf8mb4_bin")
    if column.type in INTEGERS:
        whole = {"boolean": "{0}::tinyint::varchar", "decimal": "{0}::decimal(38,0)::varchar"}
        return Shown(here=whole.get(kind, "{0}::varchar"), there=name)
    if column.type == "decimal" and column.scale is not None and column.scale < 30:
        # DuckDB shows 0.5 as .50 where the type has no digit before the point
        is_same = kind == "decimal" and given.type.scale == column.scale < (given.type.precision or 0)
        return Shown(here="{0}::varchar" if is_same else f"{{0}}::decimal(38,{column.scale})::varchar", there=name)
    if column.type == "double" and column.shown_type == "double":
        return Shown(here="", there=name, is_float=True)
    return _shown_time(column, kind, name)


def _shown_time(column: CatalogColumn, kind: str, name: str) -> Shown | None:
    digits = column.fraction or 0
    day, fraction = "{0}::date::varchar", f", {9 + digits if digits else 8})"
    if column.type == "date" and kind == "date":
        return Shown(here=day, there=name)
    if column.type == "time":
        return Shown(here=f"left(strftime(date '2000-01-01' + {{0}}, '%H:%M:%S.%f'){fraction}", there=name)
    if column.type not in ("datetime", "timestamp"):
        return None
    if kind == "date":
        return Shown(here=f"{day} || ' 00:00:00{'.' + '0' * digits if digits else ''}'", there=name)
    moment = "make_timestamp(epoch_us({0}))" if kind == "timestamptz" else "{0}"
    day = day.format(moment)
    return Shown(here=f"{day} || ' ' || left(strftime({moment}, '%H:%M:%S.%f'){fraction}", there=name)


class Proof:
    """What one session sent. Rows are hashed in a thread of its own while the server takes the next ones."""

    def __init__(self, table: CatalogTable, columns: Sequence[DeliveryColumn]) -> None:
        found = [shown(table.column(column.name), column) for column in columns]
        self._shown = [one for one in found if one is not None]
        self._names = [column.name for column in columns]
        self._sums: list[Future[Answer | None]] = []
        self._sound = len(self._shown) == len(columns)
        self._thread: ThreadPoolExecutor | None = None
        self._duckdb: Any = None
        """Used in that thread only."""

    @contextmanager
    def sending(self, rows: pa.Table) -> Iterator[None]:
        """These rows are sent inside. They count if that ends well."""
        if not self._sound:
            yield
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="loadlock-hash")
        wait(self._sums[-_WAITING:][:1])
        found = self._thread.submit(self._try_sum, rows.select(self._names))
        try:
            yield
        except BaseException:
            # pieces that are refused one after the other would wait in a queue that nobody looks at
            found.cancel()
            raise
        self._sums.append(found)

    def forget(self, rows: pa.Table) -> None:
        """These rows, which were sent, are gone again."""
        if self._thread is not None:
            self._sums.append(self._thread.submit(self._try_less, rows.select(self._names)))

    def _try_less(self, rows: pa.Table) -> Answer | None:
        answer = self._try_sum(rows)
        return None if answer is None else tuple(-number for number in answer)

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
            self._thread = None
        if self._duckdb is not None:
            self._duckdb.close()
            self._duckdb = None

    def wanted(self) -> Answer | None:
        """What the server answers if it holds the rows and no others; None where that is not known."""
        if not self._sound or not self._sums:
            return None
        answers = [one.result() for one in self._sums]
        if any(answer is None for answer in answers):
            return None
        return tuple(map(sum, zip(*(answer for answer in answers if answer is not None), strict=True)))

    @property
    def question(self) -> str:
        """The select list that asks the server for `wanted`, of rows `t`."""
        parts = ", ".join(f"ifnull({one.there}, char({NULL} using utf8mb4))" for one in self._shown)
        row = f"sha2(concat_ws(char({BETWEEN} using utf8mb4), {parts}), 256)"
        hashes = f"ifnull(sum(cast(conv(left({row}, 16), 16, 10) as unsigned)), 0)"
        return ", ".join(["count(*)", hashes, *(f"count(t.{quote(self._names[index])})" for index in self._counted)])

    @property
    def _counted(self) -> list[int]:
        """The columns whose values could be the text that stands for null."""
        return [index for index, one in enumerate(self._shown) if one.is_text]

    def _try_sum(self, rows: pa.Table) -> Answer | None:
        """What can't be summed up, for whatever reason, proves nothing; it must not end a delivery that is published."""
        try:
            return self._sum(rows)
        except Exception:
            return None

    def _sum(self, rows: pa.Table) -> Answer | None:
        import duckdb
        import pyarrow as pa

        if any(one.is_text and _holds_tokens(rows.column(i)) for i, one in enumerate(self._shown)):
            return None
        plain = rows.rename_columns([f"c{index}" for index in range(rows.num_columns)])
        texts = []
        for index, one in enumerate(self._shown):
            if one.is_float:
                if (odd := _odd_floats(rows.column(index))) is None:
                    return None
                plain = plain.append_column(f"o{index}", odd)
                text = f"c{index}::varchar"
                texts.append(
                    f"coalesce(o{index}, case when ends_with({text}, '.0') then left({text}, -2) else {text} end)"
                )
            else:
                texts.append(one.here.format(f"c{index}"))
        parts = ", ".join(f"coalesce({text}, chr({NULL}))" for text in texts)
        row = f"sha256(concat_ws(chr({BETWEEN}), {parts}))"
        if self._duckdb is None:
            self._duckdb = duckdb.connect(config={"threads": 1})
        self._duckdb.register("sent", plain)
        try:
            hashes = self._duckdb.sql(f"select sum(('0x' || left({row}, 16))::ubigint) from sent").fetchall()[0][0]
        except (duckdb.Error, pa.ArrowInvalid):
            return None
        finally:
            self._duckdb.unregister("sent")
        given = [rows.num_rows - rows.column(index).null_count for index in self._counted]
        return (rows.num_rows, int(hashes or 0), *given)


def _holds_tokens(values: pa.ChunkedArray) -> bool:
    """Whether one of the texts holds a character that stands for something else."""
    import numpy as np

    for chunk in values.chunks:
        content = np.frombuffer(chunk.buffers()[2] or b"", np.uint8)
        if content.size and content.min() <= NULL and bool(((content == BETWEEN) | (content == NULL)).any()):
            return True
    return False


def _odd_floats(values: pa.ChunkedArray) -> pa.Array | None:
    """The text of those floats that DuckDB shows in another way than MySQL, null for the others. None where one is -0,
    which MySQL shows as -0 and MariaDB as 0."""
    import numpy as np
    import pyarrow as pa

    numbers = values.combine_chunks().to_numpy(zero_copy_only=False)
    if bool((np.signbit(numbers) & (numbers == 0)).any()):
        return None
    size = np.abs(numbers)
    with np.errstate(invalid="ignore"):
        odd = np.flatnonzero((size >= _MOST_PLAIN) | ((size < _LEAST_PLAIN) & (numbers != 0)))
    found: list[str | None] = [None] * len(numbers)
    for index in odd:
        found[index] = float_text(float(numbers[index]))
    return pa.array(found, pa.string())


def float_text(number: float) -> str:
    """A number other than 0 as MySQL shows it: the fewest digits that tell it apart, the exponent only where it is large."""
    sign, given, exponent = Decimal(repr(number)).normalize().as_tuple()
    digits, minus = "".join(map(str, given)), "-" if sign else ""
    point = len(digits) + int(exponent)
    if not (1 - _FIXED_DIGITS <= point <= _FIXED_DIGITS or point == _FIXED_DIGITS + 1 < len(digits)):
        rest = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{minus}{digits[0]}{rest}e{point - 1}"
    if point <= 0:
        return f"{minus}0.{'0' * -point}{digits}"
    if point >= len(digits):
        return minus + digits + "0" * (point - len(digits))
    return f"{minus}{digits[:point]}.{digits[point:]}"


def ask(asks: Sequence[Callable[[str], Answer]], questions: Sequence[str]) -> Answer:
    """The sum of the answers; each of `asks` puts questions on a connection of its own, in a thread of its own."""
    waiting = deque(questions)

    def work(put: Callable[[str], Answer]) -> list[Answer]:
        found: list[Answer] = []
        while True:
            try:
                question = waiting.popleft()
            except IndexError:
                return found
            found.append(put(question))

    with ThreadPoolExecutor(max_workers=len(asks), thread_name_prefix="loadlock-prove") as threads:
        answers = [answer for some in threads.map(work, asks) for answer in some]
    return tuple(map(sum, zip(*answers, strict=True)))
