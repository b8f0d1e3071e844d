"""number: amounts as people write them become plain numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from loadlock.cleanup._sql import BLANK, literal
from loadlock.cleanup.base import Example, Finding, RuleContext, option
from loadlock.cleanup.rules import _number_patterns as patterns

_DOT = "\\."


class Number:
    """Reads a number as people write it (`$ 1,234.50`, `1.234,50 EUR`, `(1 234)`, `12-`) and writes it as `-1234.50`.

    Thousands marks (point or comma, space, apostrophe, underscore), signs and codes of currencies, accounting
    brackets and any minus sign are understood. With `decimal: auto` the value decides where it leaves no doubt (`1,234.50`,
    `72,3`), else what the rest of the column shows, else `1,234` is a problem. What is no number is left as it is, so
    that the column's type reports it.
    """

    name: ClassVar[str] = "number"
    summary: ClassVar[str] = "Read amounts as people write them into plain numbers."
    shorthand: ClassVar[str | None] = "decimal"
    idempotent: ClassVar[bool] = False  # with a decimal comma 1,234 becomes 1.234, which would then be 1234
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=None, before="1,234.50", after="1234.50"),
        Example(options=None, before="1.234,50 €", after="1234.50"),
        Example(options=None, before="72,3", after="72.3"),
        Example(options=None, before="(1,234,567)", after="-1234567"),
        Example(options={"decimal": ","}, before="EUR 1.234", after="1234"),
        Example(options={"decimal": "."}, before="$1,234", after="1234"),
        Example(options=None, before="12 %", after="12 %"),
        Example(options={"percent": "divide"}, before="12.5%", after="0.125"),
        Example(options={"percent": "strip"}, before="12.5 %", after="12.5"),
        Example(options=None, before="about 5", after="about 5"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        decimal: Literal["auto", ".", ","] = option("The decimal mark, or auto.", default="auto")
        percent: Literal["refuse", "divide", "strip"] = option(
            "What `12 %` is: no number, 0.12 (divide) or 12 (strip).", default="refuse"
        )
        currencies: tuple[str, ...] = option("More words for currencies or units, as `pcs`.", default=())

    def __init__(self, options: Options) -> None:
        for word in options.currencies:
            if not word.strip() or any(char.isdigit() or char in "+-(),%'" for char in word):
                raise ValueError(f"the currency {word!r} must be a word without digits, signs and brackets")
        self.options = options

    def sql(self, value: str, context: RuleContext) -> str:
        """Plain numbers pass first; patterns alone tell the others apart, and only then is anything taken out."""
        mark = self._mark(context)
        cases = [
            f"when regexp_full_match({value}, '{self._plain(mark)}') then {value}",
            *self._frequent(value),
            f"when not ({self._is_framed(value)}) then {value}",
        ]
        for core, decimal, grouped in self._cores(mark):
            cases.append(f"when {_has_core(value, core)} then {_written(value, decimal, grouped=grouped)}")
        for decimal, pattern in patterns.MARK_FIRST.items():
            if self.options.decimal in ("auto", decimal):
                digits = f"regexp_extract({value}, '[0-9]+')"
                cases.append(
                    f"when regexp_full_match({value}, '{pattern}') then concat({_sign(value)}, '0.', {digits})"
                )
        read = f"case {' '.join(cases)} else {value} end"
        if self.options.percent == "divide":
            return f"case when contains({value}, '%') and ({read}) <> {value} then {_hundredth(read)} else {read} end"
        return read

    def by_shape(self) -> bool:
        """Only a 0 in front is told from other digits; dividing by 100 takes zeros out."""
        return self.options.percent != "divide"

    def _frequent(self, value: str) -> Iterator[str]:
        """Cases for the shapes that most files have: one quick pattern, then plain text functions."""
        for decimal, pattern in patterns.FREQUENT_MONEY.items():
            if self.options.decimal in ("auto", decimal):
                core = f"trim({value}, {literal(patterns.FREQUENT)})"
                yield f"when regexp_full_match({value}, {literal(pattern)}) then {_without_marks(core, decimal, grouped=False)}"

    def findings(self, value: str, context: RuleContext) -> list[Finding]:
        """Values that can be read both ways, and plain numbers that are none with the decimal comma."""
        mark = self._mark(context)
        if mark is None:
            message = "{value} can be read with a decimal mark or with a thousands mark, and the column doesn't decide"
            sql = self._fits(value, patterns.EITHER)
            return [Finding(code="ambiguous_number", sql=sql, message=message)]
        if self.options.decimal == ",":
            # left as it is, the type would read 12.50 as a number, though its mark is not the declared one
            core = f"(?:{patterns.lone(_DOT)}|{_DOT}[0-9]+)"
            sql = f"contains({value}, '.') and regexp_full_match({value}, '{BLANK}*[-+]?{core}{BLANK}*')"
            return [Finding(code="not_decimal", sql=sql, message="{value} is no number with the decimal mark `,`")]
        return []

    def survey(self, value: str, context: RuleContext) -> dict[str, str]:
        """Counts the values that leave no doubt, by their decimal mark."""
        if self.options.decimal != "auto":
            return {}
        point = self._fits(value, f"{patterns.POINT}|{patterns.GROUPED_POINT}")
        comma = self._fits(value, f"{patterns.COMMA}|{patterns.GROUPED_COMMA}")
        quick = {mark: f"regexp_full_match({value}, {literal(text)})" for mark, text in patterns.FREQUENT_CLEAR.items()}
        return {
            "point": f"case when {quick['.']} then true when {quick[',']} then false else {point} end",
            "comma": f"case when {quick[',']} then true when {quick['.']} then false else {comma} end",
        }

    def decide(self, counts: dict[str, int], context: RuleContext) -> tuple[Any, str]:
        """`.` or `,` where all values without doubt agree, else None."""
        point, comma = counts.get("point", 0), counts.get("comma", 0)
        if point and comma:
            return (
                None,
                f"{point:,} values have a decimal point and {comma:,} a decimal comma: the column doesn't decide",
            )
        if point:
            return ".", f"{point:,} values have a decimal point, none a decimal comma"
        if comma:
            return ",", f"{comma:,} values have a decimal comma, none a decimal point"
        return None, "no value shows which mark is the decimal mark"

    def _mark(self, context: RuleContext) -> str | None:
        if self.options.decimal != "auto":
            return self.options.decimal
        return context.decision if context.decision in (".", ",") else None

    def _plain(self, mark: str | None) -> str:
        if self.options.decimal == ",":
            return "-?[0-9]+"
        if mark == ",":
            return r"-?(?:[0-9]+|[0-9]{4,}\.[0-9]+|[0-9]+\.(?:[0-9]{1,2}|[0-9]{4,}))"
        return r"-?[0-9]+(?:\.[0-9]+)?"

    def _cores(self, mark: str | None) -> list[tuple[str, str, bool]]:
        """(pattern of cores, their decimal mark, whether with neutral thousands marks), the frequent ones first."""
        point, comma = [patterns.INTEGER, patterns.POINT], [patterns.COMMA]
        if mark is not None:
            (point if mark == "." else comma).append(patterns.EITHER)
        if self.options.decimal == ",":
            comma.append(patterns.INTEGER)
        pairs = [
            ("|".join(point), ".", False),
            ("|".join(comma), ",", False),
            (f"{patterns.GROUPED}|{patterns.GROUPED_POINT}", ".", True),
            (f"{patterns.GROUPED}|{patterns.GROUPED_COMMA}", ",", True),
        ]
        return [pair for pair in pairs if self.options.decimal in ("auto", pair[1])]

    def _is_framed(self, value: str) -> str:
        """Condition: nothing stands around the number but what may."""
        frame = patterns.frame(percent=self.options.percent != "refuse", words=self.options.currencies)
        one_sign = f"regexp_full_match({value}, '{patterns.ONE_SIGN}')"
        whole = f"regexp_full_match({value}, {literal(frame)})"
        return f"case when {_bare(value)} then true when {whole} then {one_sign} else false end"

    def _fits(self, value: str, core: str) -> str:
        """Condition: a number with such a core; the quick test goes first."""
        return f"case when {_has_core(value, core)} then {self._is_framed(value)} else false end"


def _bare(value: str) -> str:
    return f"({value} between '0' and ':' and {value}[-1] between '0' and '9')"


def _has_core(value: str, core: str) -> str:
    return f"regexp_full_match({value}, {literal(patterns.framed(core))})"


def _sign(value: str) -> str:
    return f"case when regexp_matches({value}, '{patterns.MINUS}|\\(') then '-' else '' end"


def _written(value: str, decimal: str, *, grouped: bool) -> str:
    """The plain number of a value whose kind of core is known."""
    core = f"regexp_extract({value}, {literal(patterns.CORE)})"
    taken_out = f"concat({_sign(value)}, {_without_marks(core, decimal, grouped=grouped)})"
    return f"case when {_bare(value)} then {_without_marks(value, decimal, grouped=grouped)} else {taken_out} end"


def _without_marks(core: str, decimal: str, *, grouped: bool) -> str:
    """The core without thousands marks and with a decimal point."""
    if grouped:
        core = f"regexp_replace({core}, {literal(patterns.NEUTRAL)}, '', 'g')"
    return f"replace({core}, ',', '')" if decimal == "." else f"replace(replace({core}, '.', ''), ',', '.')"


def _hundredth(number: str) -> str:
    """A plain number divided by 100, digit by digit."""
    padded = f"regexp_replace({number}, '^-?', '\\0000')"
    moved = f"regexp_replace({padded}, '([0-9]{{2}})(?:\\.([0-9]*))?$', '.\\1\\2')"
    return f"regexp_replace({moved}, '^(-?)0+([0-9])', '\\1\\2')"
