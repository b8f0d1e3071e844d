"""fuzzy_map: the closest entry of a list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from loadlock.cleanup._each import EachValue, UnfitError, module, need, shown
from loadlock.cleanup._folded import folded
from loadlock.cleanup._lookup import file_rows, place
from loadlock.cleanup.base import Example, RuleContext, option

if TYPE_CHECKING:
    import numpy as np

_SCORERS = {"letters": "ratio", "words": "token_sort_ratio"}
_LONGEST = 1_000


class FuzzyMap(EachValue):
    """Puts the closest entry of a list in the place of a value, where they are alike enough (library rapidfuzz; case, accents
    and punctuation don't count). A value that is as close to another entry, within `margin`, is unfit: that would be a guess.

    What became what is shown with the rule's tally in the run's report: all different values, up to 200.
    """

    name: ClassVar[str] = "fuzzy_map"
    summary: ClassVar[str] = "Put the closest entry of a list in place of a value."
    shorthand: ClassVar[str | None] = "file"
    shorthand_list: ClassVar[str | None] = "values"
    code: ClassVar[str] = "unmapped"
    shown: ClassVar[int] = 200
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=["Germany", "France", "Spain"], before="Germny", after="Germany"),
        Example(options=["Germany", "France", "Spain"], before="SPAÏN", after="Spain"),
        Example(options={"values": ["Lee, Ann", "Berg, Bo"], "by": "words"}, before="ann lee", after="Lee, Ann"),
        Example(options=["Austria", "Australia"], before="Austrlia", after="Austrlia"),
        Example(options={"values": ["Austria", "Australia"], "margin": 0.5}, before="Austrlia", after="Australia"),
        Example(options={"values": ["Germany"], "missing": "keep"}, before="Peru", after="Peru"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        file: str | None = option("CSV or Parquet file (or `URL#table`) with the entries.", default=None)
        values: tuple[str, ...] | None = option("The entries themselves.", default=None)
        column: str | None = option("The file's column; the first one.", default=None)
        threshold: float = option("How alike they must be, 0 to 100.", default=90.0)
        margin: float = option("By how much the closest entry must lead the next.", default=3.0)
        by: Literal["letters", "words"] = option(
            "Compare letter by letter, or the words in any order.", default="letters"
        )
        missing: Literal["reject", "keep", "null"] = option(
            "What becomes of a value that no entry is close to.", default="reject"
        )

    def __init__(self, options: Options) -> None:
        if (options.file is None) == (options.values is None):
            raise ValueError("give either `file` or `values`")
        if options.values is not None and not options.values:
            raise ValueError("the list is empty; name the entries")
        if not 0 < options.threshold <= 100 or not 0 <= options.margin <= 100:
            raise ValueError("`threshold` and `margin` must lie between 0 and 100")
        need("rapidfuzz", self.name)
        self.options = options
        self.invalid = options.missing
        self._cached: tuple[Any, list[str], list[str]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"options": self.options, "invalid": self.invalid, "_cached": None}

    def one(self, text: str, context: RuleContext, *others: str | None) -> str:
        """An entry stays as it is; else all entries are scored at once."""
        import numpy as np

        entries, plain = self._entries(context)
        if text in entries:
            return text
        word = folded(text[:_LONGEST])
        if not word or not entries:
            raise UnfitError(f"{shown(text)} is close to no entry of the list")
        scores: np.ndarray[Any, Any] = module("rapidfuzz.process").cdist(
            [word], plain, scorer=getattr(module("rapidfuzz.fuzz"), _SCORERS[self.options.by])
        )[0]
        best = int(np.argmax(scores))
        if scores[best] < self.options.threshold:
            raise UnfitError(
                f"{shown(text)} is close to no entry of the list (the closest: {entries[best]}, {scores[best]:.0f})"
            )
        rivals = [
            entries[other] for other in np.flatnonzero(scores > scores[best] - self.options.margin) if other != best
        ]
        if rivals:
            raise UnfitError(f"{shown(text)} is close to {entries[best]} and to {rivals[0]}")
        return entries[best]

    def _entries(self, context: RuleContext) -> tuple[list[str], list[str]]:
        """The entries, and how they are compared."""
        source: Any = self.options.values
        if self.options.file is not None:
            source = file_rows(context, self.options.file)
        if self._cached is None or self._cached[0] is not source:
            if self.options.file is None:
                entries = list(dict.fromkeys(source))
            else:
                index = place(source, self.options.column, 0, self.options.file)
                entries = list(dict.fromkeys(row[index] for row in source[1:] if row[index]))
            self._cached = source, entries, [folded(entry) for entry in entries]
        return self._cached[1], self._cached[2]
