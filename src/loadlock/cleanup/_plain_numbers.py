"""Plain numbers (`-1234.50`) as SQL, exact at any number of decimals."""

from __future__ import annotations

DIGITS = 38
"""Digits of DuckDB's longest decimal."""


def plain(value: str, whole: int, decimals: str = "*") -> str:
    """Condition: an optional sign, at most `whole` digits, and perhaps a point and decimals (their number as in RE2)."""
    return f"regexp_full_match({value}, '[-+]?[0-9]{{0,{whole}}}(?:\\.[0-9]{decimals})?') and {has_digit(value)}"


def has_digit(value: str) -> str:
    """Condition: there is a digit before the point or behind it."""
    return f"regexp_matches({value}, '^[-+]?\\.?[0-9]')"


def cut(value: str, decimals: int) -> str:
    """The text of a plain number without its decimals behind the first ones."""
    if not decimals:
        return f"regexp_extract({value}, '^[-+]?[0-9]*')"
    return f"regexp_extract({value}, '^[-+]?[0-9]*(?:\\.[0-9]{{0,{decimals}}})?')"


def more(value: str, decimals: int) -> str:
    """Condition: a digit but 0 stands behind the first decimals of a plain number."""
    return f"regexp_matches({value}, '\\.[0-9]{{{decimals}}}[0-9]*[1-9]')"


def exact(value: str, decimals: int) -> str:
    """A plain number as a decimal with `decimals` and one more, which tells that there was something behind them.

    Compares rightly with every number of at most `decimals` decimals. Null where the number is too long.
    """
    kind = f"decimal({DIGITS}, {decimals + 1})"
    return (
        f"case when {plain(value, DIGITS - decimals - 1, f'{{0,{decimals}}}')} then try_cast({value} as {kind})"
        f" when {plain(value, DIGITS - decimals - 1)} then"
        f" try_cast(concat({cut(value, decimals)}, case when {more(value, decimals)} then '1' else '0' end) as {kind}) end"
    )
