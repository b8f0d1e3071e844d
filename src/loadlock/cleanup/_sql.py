"""SQL texts that rules and checks share: literals, white space, checked patterns, bounds in a column's type."""

from __future__ import annotations

import re
from functools import lru_cache

SPACES = (
    "\\s\\x{0b}\\x{1c}-\\x{1f}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
)
"""Every white-space character of Unicode, for a class of an RE2 pattern."""
ZERO_WIDTH = "\\x{200b}\\x{2060}\\x{feff}"
"""Invisible and without meaning at the ends of a value (joiners, which have a meaning, are not among them)."""
BLANK = f"[{SPACES}{ZERO_WIDTH}]"


_SHORT_LIST = 100
_MARK = "\x1f"


def literal(text: str) -> str:
    """A DuckDB string literal; NUL characters, which a literal can't hold, are written as `chr(0)`."""
    quoted = "'" + text.replace("'", "''") + "'"
    return "(" + quoted.replace("\0", "' || chr(0) || '") + ")" if "\0" in text else quoted


def literals(texts: tuple[str, ...]) -> str:
    """Literals joined by commas, for `in (...)`."""
    return ", ".join(map(literal, texts))


def lowered(texts: tuple[str, ...]) -> str:
    """As `literals`, each in lower case as DuckDB sees it."""
    return ", ".join(f"lower({literal(text)})" for text in texts)


def one_of(value: str, texts: tuple[str, ...], *, ignore_case: bool = False) -> str:
    """Condition: the value is one of the texts. A long list goes as one literal, which is parsed a hundred times faster."""
    value = f"lower({value})" if ignore_case else value
    if len(texts) <= _SHORT_LIST or any(_MARK in text for text in texts):
        return f"{value} in ({lowered(texts) if ignore_case else literals(texts)})"
    item = f"unnest(string_split({literal(_MARK.join(texts))}, chr({ord(_MARK)})))"
    return f"{value} in (select {f'lower({item})' if ignore_case else item})"


def escaped(text: str) -> str:
    """An RE2 pattern for exactly this text."""
    return "".join(char if char.isalnum() else f"\\x{{{ord(char):x}}}" for char in text)


def clean_ends(value: str) -> str:
    """Condition: the value is not empty and begins and ends with a visible ASCII character. Cheap, true for most values."""
    return f"({value} >= '!' and {value} < chr(127) and {value}[-1] between '!' and '~')"


@lru_cache(maxsize=256)
def check_pattern(pattern: str, replacement: str | None = None) -> None:
    """Raises ValueError where RE2 refuses the pattern, or the replacement names a group the pattern doesn't have."""
    import duckdb

    if "\0" in pattern:
        raise ValueError("the pattern holds a NUL character; write \\x00")
    connection = duckdb.connect()
    try:
        connection.execute("select regexp_replace('', ?, ?)", [pattern, replacement or ""]).fetchall()
    except duckdb.Error as error:
        raise ValueError(f"{_reason(error)} (patterns are RE2: no look-around, no back-references)") from error
    finally:
        connection.close()


@lru_cache(maxsize=256)
def check_format(text: str) -> None:
    """Raises ValueError where DuckDB refuses a strptime format."""
    import duckdb

    connection = duckdb.connect()
    try:
        connection.execute("select try_strptime('', ?)", [text]).fetchall()
    except duckdb.Error as error:
        raise ValueError(_reason(error)) from error
    finally:
        connection.close()


def _reason(error: Exception) -> str:
    first = str(error).splitlines()[0]
    return re.sub(r"^(?:\w+ )*Error: ", "", first)
