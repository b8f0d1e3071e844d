"""Names of columns from the keys of nested JSON: no two different ways through a record have the same name."""

from __future__ import annotations

import json
import re

from loadlock import rows

VALUE = "value"
"""The column of a record that is no object."""
_TAKEN = re.compile("(?:" + "|".join(map(re.escape, (*rows.PROVENANCE, rows.FILE, rows.SUB))) + ")(?:_2)*")
"""A key of the source that is named like a provenance column stands beside it under another name."""


def escaped(key: str, separator: str) -> str:
    r"""A key as part of a name: a separator inside of it, and a backslash, get a backslash before them (`a\.b`)."""
    if separator in key or "\\" in key:
        return key.replace("\\", "\\\\").replace(separator, "\\" + separator)
    return key


def repeated(name: str, number: int, separator: str) -> str:
    r"""The name of what a key leads to that stands in its object for the `number`-th time (`a\#2`)."""
    mark = "~" if separator.startswith("#") else "#"
    return f"{name}\\{mark}{number}"


def column(name: str) -> str:
    """The name as a column: one that a provenance column has gets a suffix."""
    return f"{name}_2" if _TAKEN.fullmatch(name) else name


def child_column(name: str, path: str, separator: str) -> str:
    """The name, of a value within the array at `path`, as a column of the array's own table."""
    return column(VALUE if name == path else name.removeprefix(path + separator))


def unescaped(token: str) -> str:
    """The text of a string's token; raises UnicodeEncodeError for half of a surrogate pair, which is no character."""
    text: str = json.loads(token)
    text.encode()
    return text
