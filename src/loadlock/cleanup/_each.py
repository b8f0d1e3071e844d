"""Rules that call Python once for each different value of a column: what they share."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

from loadlock.cleanup.base import RuleContext
from loadlock.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

INVALID = "What becomes of a value that is none: `reject` its row, `keep` it, or make it `null`."
"""What is said of the option `invalid`, which all rules have that can find a value bad."""
_SHOWN = 120


class UnfitError(ValueError):
    """A value is not what the rule takes; the message says why, for people."""


def need(library: str, rule: str, extra: str = "rules") -> None:
    """Raises UsageError naming the extra where a library is not installed."""
    if find_spec(library) is None:
        raise UsageError(
            f"{rule} needs the library {library}, which is not installed",
            hint=f"Install it with `pip install 'loadlock[{extra}]'`.",
        )


def module(name: str) -> Any:
    """A module of an optional library, imported when it is first used."""
    return importlib.import_module(name)


def shown(text: str) -> str:
    """A value in a message."""
    return f"'{text}'" if len(text) <= _SHOWN else f"'{text[:_SHOWN]}…'"


class EachValue(ABC):
    """A rule by a function over one value (`one`), called once for each different value of a part.

    `one` gives the new text or null, or raises UnfitError; what is unfit becomes what `invalid` says. Blank text is no value:
    it stays as it is, and is never asked about.
    """

    code: ClassVar[str]
    invalid: str = "reject"

    @abstractmethod
    def one(self, text: str, context: RuleContext, *others: str | None) -> str | None:
        """The value after the rule."""

    def beside(self) -> tuple[str, ...]:
        """No other columns."""
        return ()

    def apply(self, values: pa.Array, context: RuleContext) -> pa.Array:
        """The values after the rule, without other columns."""
        import pyarrow as pa

        return self.judged(values, context, [pa.nulls(len(values), pa.string()) for _ in self.beside()])[0]

    def judged(
        self, values: pa.Array, context: RuleContext, others: Sequence[pa.Array] = ()
    ) -> tuple[pa.Array, pa.Array]:
        """The values after the rule, and what is wrong with each."""
        import pyarrow as pa

        found, places = different([values, *others])
        results: list[str | None] = []
        faults: list[str | None] = []
        for row in found:
            result, fault = self._tried(row, context)
            results.append(result)
            faults.append(fault)
        return pa.array(results, pa.string()).take(places), pa.array(faults, pa.string()).take(places)

    def _tried(self, row: tuple[str | None, ...], context: RuleContext) -> tuple[str | None, str | None]:
        text, others = row[0], row[1:]
        if text is None or not text.strip():
            return text, None
        try:
            return self.one(text, context, *others), None
        except UnfitError as unfit:
            if self.invalid == "reject":
                return text, str(unfit)
            return (text if self.invalid == "keep" else None), None


def different(columns: Sequence[pa.Array]) -> tuple[list[tuple[str | None, ...]], pa.Array]:
    """The different rows of some text columns, and for each row its place among them."""
    import pyarrow as pa

    coded = [column.dictionary_encode(null_encoding="encode") for column in columns]
    if len(coded) == 1:
        return [(text,) for text in coded[0].dictionary.to_pylist()], coded[0].indices
    import numpy as np

    stacked = np.stack([one.indices.to_numpy(zero_copy_only=False) for one in coded], axis=1)
    rows, places = np.unique(stacked, axis=0, return_inverse=True)
    texts = [one.dictionary.to_pylist() for one in coded]
    listed = [tuple(own[index] for own, index in zip(texts, row, strict=True)) for row in rows.tolist()]
    return listed, pa.array(places.reshape(-1), pa.int64())


def where(values: pa.Array, chosen: pa.Array, change: Callable[[str], str | None]) -> pa.Array:
    """The values with `change` of those that are chosen (null: not chosen), once for each different one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    chosen = pc.fill_null(chosen, False)
    if not pc.any(chosen, min_count=0).as_py():
        return values
    found = values.filter(chosen).dictionary_encode()
    changed = pa.array([change(text) for text in found.dictionary.to_pylist()], pa.string())
    return pc.replace_with_mask(values, chosen, changed.take(found.indices))
