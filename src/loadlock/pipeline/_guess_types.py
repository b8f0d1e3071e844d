"""Which type, formats and rules a column's counts speak for, and why. Nothing is decided without a reason said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from loadlock.cleanup.profile import ColumnProfile, twin

MOST_MISFITS = 0.02
"""Share of a column's values that may not fit the proposed type: they are named, and become rejects."""
NEARLY = 0.5
"""From this share of fitting values on, the type is mentioned though the column stays text."""
TRUE_WORDS = frozenset(("true", "t", "yes", "y", "1", "on"))
FALSE_WORDS = frozenset(("false", "f", "no", "n", "0", "off"))
_BIGINT_DIGITS = 18
_MAX_DIGITS = 38
_FINEST_SCALE = 18


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A proposed type with what reads it, and its reasons. `misfits` values become rejects."""

    type: str
    reasons: tuple[str, ...]
    formats: tuple[str, ...] = ()
    rules: tuple[Any, ...] = ()
    misfits: int = 0


def judge(column: ColumnProfile) -> Verdict:
    """The type that all values of the column fit (but for a few), the strictest first; else text, with what speaks for it."""
    if not column.values:
        return Verdict(type="text", reasons=("no value at all",))
    hints: list[str] = []
    for look in _LOOKS:
        found = look(column)
        if isinstance(found, Verdict):
            return found
        if found:
            hints.append(found)
    return Verdict(type="text", reasons=tuple(hints[:2]))


def _accepted(column: ColumnProfile, fitting: int) -> bool:
    return column.values - fitting <= MOST_MISFITS * column.values


def _verdict(
    column: ColumnProfile, kind: str, fitting: int, what: str, misfits: Iterable[str], **others: Any
) -> Verdict:
    """A verdict whose reason counts the fitting values and names those that don't."""
    missing = column.values - fitting
    if not missing:
        return Verdict(type=kind, reasons=(f"{_all(column)} {what}", *others.pop("also", ())), **others)
    reason = f"{fitting:,} of {column.values:,} values {what}; {missing:,} will be rejected: {shown(misfits)}"
    return Verdict(type=kind, reasons=(reason, *others.pop("also", ())), misfits=missing, **others)


def _all(column: ColumnProfile) -> str:
    return f"all {values(column.values)}"


def values(count: int) -> str:
    """`1 value`, `2 values`."""
    return f"{count:,} value{'s' if count != 1 else ''}"


def _digits(count: int) -> str:
    return f"{count} digit{'s' if count != 1 else ''}"


def _nearly(column: ColumnProfile, fitting: int, kind: str, misfits: Iterable[str]) -> str | None:
    """What is said of a type that too many values don't fit."""
    if fitting < NEARLY * column.values:
        return None
    missing = column.values - fitting
    return f"stays text: {fitting:,} of {column.values:,} values could be {kind}, {missing:,} not, as {shown(misfits)}"


def shown(texts: Iterable[str], limit: int = 3) -> str:
    """Some values for a comment, on one line, each cut short."""
    return ", ".join(repr(value if len(value) <= 40 else value[:39] + "…") for value in list(texts)[:limit]) or "none"


def _others(column: ColumnProfile, *kinds: str) -> list[str]:
    """Examples of values of all other kinds."""
    return [
        v for kind in column.kinds if kind not in kinds for v in column.examples.get(kind, ()) if column.kinds[kind]
    ]


def _boolean(column: ColumnProfile) -> Verdict | None:
    words = {word.lower() for word in column.words} if column.words else set()
    if not words or not words <= TRUE_WORDS | FALSE_WORDS or not (words & TRUE_WORDS and words & FALSE_WORDS):
        return None
    if words <= {"0", "1"}:
        return None
    listed = ", ".join(f"{word} ({count:,})" for word, count in sorted((column.words or {}).items()))
    return Verdict(type="boolean", reasons=(f"only words for yes and no: {listed}",))


def _integer(column: ColumnProfile) -> Verdict | str | None:
    fitting = column.kinds.get("integer", 0)
    if not fitting:
        return None
    if column.count("leading_zeros"):
        if not _accepted(column, fitting):
            return None
        zeros = shown(column.examples.get("leading_zeros", ()))
        return f"stays text: a number would lose the leading 0 of {values(column.count('leading_zeros'))}, as {zeros}"
    if column.count("plus_signs"):
        return f"stays text: like telephone numbers, with a + ({values(column.count('plus_signs'))})"
    misfits = _others(column, "integer")
    if not _accepted(column, fitting):
        return None
    if column.digits > _MAX_DIGITS:
        return f"stays text: whole numbers of up to {column.digits} digits"
    if column.digits > _BIGINT_DIGITS:
        return _verdict(column, f"decimal({_MAX_DIGITS},0)", fitting, f"whole, up to {column.digits} digits", misfits)
    also = ("only 0 and 1: make it boolean if that is meant",) if set(column.words or ("",)) <= {"0", "1"} else ()
    what = f"are whole numbers of up to {_digits(column.digits)}"
    return _verdict(column, "integer", fitting, what, misfits, also=also)


def _decimal(column: ColumnProfile) -> Verdict | str | None:
    """Numbers with a point and nothing else."""
    fitting = column.kinds.get("integer", 0) + column.kinds.get("decimal", 0)
    if not column.kinds.get("decimal", 0) or column.count("leading_zeros"):
        return None
    if not _accepted(column, fitting):
        return None
    decimals = column.kinds["decimal"]
    if column.count("either_point") == decimals and column.scale == 3:
        return (
            f"stays text: {shown(column.examples['decimal'])} ... ({values(decimals)}) can be thousands or three decimals;"
            ' write type: "decimal(18,3)", or add {number: {decimal: ","}} to the rules if the point is a thousands mark'
        )
    if column.scale > _FINEST_SCALE or column.digits + column.scale > _MAX_DIGITS:
        what = f"are numbers, with up to {column.scale} decimals: too many for an exact decimal"
        return _verdict(column, "float", fitting, what, _others(column, "integer", "decimal"))
    return _verdict(
        column,
        _decimal_type(column.digits, column.scale),
        fitting,
        f"are numbers with up to {_digits(column.digits)} before and {column.scale} behind the point",
        _others(column, "integer", "decimal"),
    )


def _decimal_type(digits: int, scale: int) -> str:
    """With room for numbers a thousand times as large, 12 digits at least."""
    return f"decimal({min(max(digits + scale + 3, 12), _MAX_DIGITS)},{scale})"


def _float(column: ColumnProfile) -> Verdict | None:
    if not column.kinds.get("float", 0):
        return None
    fitting = sum(column.kinds.get(kind, 0) for kind in ("integer", "decimal", "float"))
    if not _accepted(column, fitting):
        return None
    what = f"are numbers, {column.kinds['float']:,} with an exponent as {shown(column.examples['float'], 1)}"
    return _verdict(column, "float", fitting, what, _others(column, "integer", "decimal", "float"))


def _written_number(column: ColumnProfile) -> Verdict | str | None:
    """Numbers as people write them, for the rule `number`: the column must show which mark is the decimal mark."""
    fitting = sum(column.kinds.get(kind, 0) for kind in ("integer", "decimal", "number"))
    if not column.kinds.get("number", 0) or column.count("leading_zeros"):
        return None
    misfits = _others(column, "integer", "decimal", "number")
    if not _accepted(column, fitting):
        return _nearly(column, fitting, "numbers", misfits)
    if column.count("percent"):
        return (
            f"stays text: percent signs in {values(column.count('percent'))}; add {{number: {{percent: divide}}}} (0.12)"
            " or {number: {percent: strip}} (12) and a decimal type"
        )
    mark, reason = _decimal_mark(column)
    if mark is None:
        return reason
    if mark == "auto":
        fitting -= _doubtful(column)
    scale = max(column.scale, 3 if _lone_decimals(column, mark) else 0)
    money = f", {column.count('currency'):,} with a currency" if column.count("currency") else ""
    return _verdict(
        column,
        _decimal_type(column.digits, scale) if scale else f"decimal({min(max(column.digits + 3, 12), _MAX_DIGITS)},0)",
        fitting,
        f"are amounts as people write them{money}, as {shown(column.examples['number'])}",
        misfits,
        rules=({"number": {"decimal": mark}},),
        also=(reason,),
    )


def _lone_decimals(column: ColumnProfile, mark: str) -> bool:
    """Whether `1.234` (or `1,234`) is read with three decimals."""
    if mark == ",":
        return bool(column.count("number_either_comma"))
    return bool(column.count("either_point") + column.count("number_either_point"))


def _decimal_mark(column: ColumnProfile) -> tuple[str | None, str]:
    """The decimal mark and why; None and what to pin where the values leave it open."""
    plain_points = column.kinds.get("decimal", 0) - column.count("either_point")
    points, commas = column.count("number_point") + plain_points, column.count("number_comma")
    doubtful = _doubtful(column)
    if points and commas:
        if doubtful > MOST_MISFITS * column.values:
            return None, (
                f"stays text: decimal point in {values(points)}, decimal comma in {commas:,}, and {doubtful:,} can be read"
                f" both ways, as {_doubtful_examples(column)}; find out before naming a type"
            )
        return "auto", f"decimal point in {values(points)}, decimal comma in {commas:,}: each value decides for itself"
    if points:
        return ".", f"the decimal mark is the point in {values(points)}, never the comma"
    if commas:
        return ",", f"the decimal mark is the comma in {values(commas)}, never the point"
    if doubtful:
        return None, (
            f"stays text: {_doubtful_examples(column)} ... ({values(doubtful)}) can be thousands or decimals;"
            ' add {number: {decimal: "."}} or {number: {decimal: ","}} to the rules, and a decimal type'
        )
    return ".", "no decimals"


def _doubtful(column: ColumnProfile) -> int:
    """How many values can be read with either decimal mark."""
    return sum(column.count(name) for name in ("number_either_comma", "number_either_point", "either_point"))


def _doubtful_examples(column: ColumnProfile) -> str:
    names = ("number_either_comma", "number_either_point")
    found = [value for name in names for value in column.examples.get(name, ())]
    return shown(found or column.examples.get("decimal", ()), 2)


def _moment(column: ColumnProfile) -> Verdict | str | None:
    """Dates and timestamps: the fewest formats that read them all, in one order of day and month."""
    compact = sum(count for formats, count in column.moments.items() if formats == {"%Y%m%d"})
    if compact and (column.count("plus_signs") or compact < column.kinds.get("integer", 0)):
        return None
    fitting = sum(column.moments.values())
    if not fitting:
        return None
    misfits = _others(column, "moment", *(["integer"] if compact else []))
    if not _accepted(column, fitting):
        return _nearly(column, fitting, "dates", misfits)
    order = _order(column)
    if isinstance(order, str):
        return order
    dropped, reasons = order
    formats, covered, left = _cover(column, dropped)
    if not _accepted(column, covered):
        return _nearly(column, covered, "dates", [*left, *misfits])
    reasons.insert(0, _span(column, formats))
    kind = "timestamp" if any("%H" in text or "%I" in text for text in formats) else "date"
    if any("%y" in text for text in formats):
        reasons.append("years of two digits are read as 1969 to 2068")
    if kind == "timestamp" and column.count("iso_padded") == sum(column.moments.values()):
        return _verdict(column, kind, covered, "are ISO 8601 dates and times", [*left, *misfits], also=tuple(reasons))
    named = " or ".join(formats)
    return _verdict(
        column, kind, covered, f"fit {named}", [*left, *misfits], formats=tuple(formats), also=tuple(reasons)
    )


def _order(column: ColumnProfile) -> tuple[set[str], list[str]] | str:
    """The formats with day and month in the wrong order, and why; or why the column can't be decided."""
    both = first_day = first_month = 0
    names: set[str] = set()
    examples: list[str] = []
    for fitting, count in column.moments.items():
        twins = {text for text in fitting if twin(text) != text}
        if twins and any(twin(text) in fitting for text in twins):
            both += count
            names |= twins
            examples += column.moment_examples[fitting]
        elif any(_day_first(text) for text in twins):
            first_day += count
        elif twins:
            first_month += count
    every = {text for fitting in column.moments for text in fitting if twin(text) != text}
    days, months = {t for t in every if _day_first(t)}, {t for t in every if not _day_first(t)}
    if both and not first_day and not first_month:
        listed = " and ".join(sorted(names))
        return (
            f"stays text: ambiguous, {shown(examples, 2)} ... ({values(both)}) fit {listed}, and no value decides;"
            " make the type date and name one of them in formats:"
        )
    rare = MOST_MISFITS * column.values
    if first_day and first_month <= min(rare, first_day / 10):
        return months, [f"day before month: {values(first_day)} can't be read otherwise"] if both or first_month else []
    if first_month and first_day <= min(rare, first_month / 10):
        return days, [f"month before day: {values(first_month)} can't be read otherwise"] if both or first_day else []
    if both:
        return (
            f"stays text: the day comes first in {values(first_day)}, the month in {first_month:,}, and {both:,} can be read"
            f" both ways, as {shown(examples, 2)}"
        )
    return set(), ["day and month come in both orders; a value that fits both will be rejected"] if first_day else []


def _span(column: ColumnProfile, formats: list[str]) -> str:
    spans = [column.spans[text] for text in formats]
    first, last = min(start for start, _ in spans), max(end for _, end in spans)
    beyond = ", after today" if last > date.today().isoformat() else ""
    return f"from {first} to {last}{beyond}"


def _day_first(text: str) -> bool:
    return text.find("%d") < text.find("%m")


def _cover(column: ColumnProfile, dropped: set[str]) -> tuple[list[str], int, list[str]]:
    """The fewest formats (greedily) that read all values, how many they read, and examples of the rest."""
    chosen, covered = _greedy([(fitting - dropped, count) for fitting, count in column.moments.items()])
    left = [v for fitting, some in column.moment_examples.items() if not fitting - dropped for v in some]
    return chosen, covered, left


def _greedy(sets: list[tuple[frozenset[str], int]]) -> tuple[list[str], int]:
    """Formats, the one that reads most of what is left first, until all sets are read; and how many values that is."""
    chosen: list[str] = []
    covered = 0
    open_sets = [(fitting, count) for fitting, count in sets if fitting]
    while open_sets:
        gains: Counter[str] = Counter()
        for fitting, count in open_sets:
            gains.update(dict.fromkeys(fitting, count))
        best = max(sorted(gains), key=lambda text: gains[text])
        chosen.append(best)
        covered += gains[best]
        open_sets = [(fitting, count) for fitting, count in open_sets if best not in fitting]
    return chosen, covered


def _zoned(column: ColumnProfile) -> Verdict | str | None:
    fitting = column.kinds.get("zoned", 0)
    if not fitting:
        return None
    if not _accepted(column, fitting):
        return _nearly(column, fitting, "timestamps with a zone", _others(column, "zoned"))
    return _verdict(column, "timestamptz", fitting, "are ISO 8601 with a zone", _others(column, "zoned"))


def _time(column: ColumnProfile) -> Verdict | None:
    chosen, fitting = _greedy(list(column.clocks.items()))
    if not fitting or not _accepted(column, fitting):
        return None
    what = f"are times of day, {' or '.join(chosen)}"
    return _verdict(column, "time", fitting, what, _others(column, "time"), formats=tuple(chosen))


def _counted(name: str, kind: str, what: str) -> Callable[[ColumnProfile], Verdict | None]:
    """A type for which a count of its own speaks, only if every value fits."""

    def look(column: ColumnProfile) -> Verdict | None:
        if column.count(name) < column.values:
            return None
        return _verdict(column, kind, column.values, what, ())

    return look


_LOOKS: tuple[Callable[[ColumnProfile], Verdict | str | None], ...] = (
    _boolean,
    _counted("uuid", "uuid", "are UUIDs"),
    _counted("json", "json", "are JSON objects or lists"),
    _moment,
    _integer,
    _decimal,
    _float,
    _written_number,
    _zoned,
    _time,
)
