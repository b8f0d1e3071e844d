"""The written pipeline as data: which keys there are, what each takes and means. Reader, JSON schema and docs use it."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from loadlock.errors import Mistake, PipelineError
from loadlock.model import Severity
from loadlock.pipeline._destination_keys import DESTINATION as DESTINATION
from loadlock.pipeline._key import Key as Key
from loadlock.pipeline._key import count_key, text_key
from loadlock.pipeline.secrets import redact
from loadlock.pipeline.yaml_positions import Document, join

TOLERANCES = ("pad_short", "drop_extra", "merge_tail", "stray_quotes", "torn_rows", "nan")
WINNERS = ("first", "last", "none")
SEVERITIES = tuple(str(severity) for severity in Severity)

PIPELINE = {
    "pipeline": text_key("Name of the pipeline: part of every batch's identity.", "orders"),
    "source": Key(kind="raw", shape="source", doc="Where the rows come from and how they are read."),
    "columns": Key(
        kind="raw",
        shape="columns",
        doc="The columns to deliver, in order. Left out: every column of the files, as text.",
    ),
    "rules": Key(kind="raw", shape="rules", doc="Rules over the row, after the columns' own."),
    "checks": Key(kind="raw", shape="checks", doc="Checks of the row and of the whole batch."),
    "rejects": Key(kind="raw", shape="rejects", doc="How many rejects a run may have."),
    "keep": Key(kind="raw", shape="keep", doc="Which of several equal rows wins."),
    "destination": Key(kind="raw", shape="destination", doc="Where the clean rows go."),
    "destinations": Key(
        kind="raw", shape="destinations", doc="Several destinations, each with its own columns and mode."
    ),
    "supersedes": Key(
        kind="choice",
        choices=("name",),
        doc="`name`: a corrected file takes the place of the rows that a file of the same name brought before.",
    ),
    "profiles": Key(
        kind="raw",
        shape="profiles",
        doc="Named overrides of other keys (`dev`, `prod`), chosen by LOADLOCK_PROFILE.",
    ),
}

SOURCE = {
    "files": Key(
        kind="texts",
        doc="Files, globs, folders or archives, from the pipeline's folder on; addresses (s3, gs, az, sftp, https); - for"
        " standard input.",
        examples=("inbox/orders-*.csv.gz", "s3://inbox/orders-*.csv"),
    ),
    "format": Key(kind="text", doc="Format of the files; found out if left out.", examples=("csv",), shape="format"),
    "encoding": text_key("Encoding of the files, or `auto`: found out, with evidence.", "auto", "utf-8", "cp1252"),
    "fallback_encoding": text_key("Encoding of single rows that do not decode otherwise.", "cp1252"),
    "delimiter": text_key("What separates the fields: one or more characters, or `tab`.", ",", ";", "tab", "||"),
    "quote": Key(kind="text", doc='What fields are quoted with; `""` for no quoting.', examples=('"', "'", "")),
    "escape": text_key("What makes a quote in a quoted field a character; left out: quotes are doubled.", "\\"),
    "header": Key(kind="header", doc="Number of header rows; `false` or 0 = none, `true` = one."),
    "preamble": count_key("Lines to skip before the header."),
    "footer": count_key("Lines to leave out at the end; left out: found out."),
    "table": count_key("Which of several tables in a file to read; left out: the first.", minimum=1),
    "comment": text_key("Lines that begin with this are comments.", "#"),
    "record_end": text_key("What ends a record, where it is no usual line end.", "\\n", "\\r\\n"),
    "records_path": text_key(
        "Path to the records: dotted to the array in a JSON document, by `/` to the elements of an XML document.",
        "data.orders",
        "export/orders/order",
    ),
    "sheet": text_key("The sheet of a workbook, by its name or its number from 1 on; left out: the first visible one."),
    "tolerate": Key(kind="choices", choices=TOLERANCES, doc="Faults to mend and count instead of rejecting the row."),
    "record_limit": count_key("Bytes one record may have; longer ones are rejects.", minimum=1, default=16 << 20),
    "depth_limit": count_key("Levels a JSON record may be nested.", minimum=1, default=100),
    "null_words": Key(kind="texts", doc="Words that mean null in every column.", examples=(["N/A", "-"],)),
    "flatten": Key(kind="raw", shape="flatten", doc="How nested JSON becomes columns."),
    "empty": Key(
        kind="choice", choices=("accept", "fail"), default="accept", doc="What a batch without a usable record does."
    ),
    "drift": Key(
        kind="choice",
        choices=("evolve", "freeze", "reject", "ignore"),
        default="ignore",
        doc="Columns of the files that the pipeline does not name: evolve takes them as text, freeze stops, ignore counts them."
        " reject keeps out all rows of a file that has such columns or lacks declared ones.",
    ),
    "expand_ratio": count_key(
        "Times its size that a compressed file or an archive may expand to; more (from 100 MiB on) is refused.",
        minimum=1,
        default=1000,
    ),
    "expand_bytes": count_key(
        "Bytes that a compressed file, or all members of an archive, may expand to.", minimum=1, default=1 << 40
    ),
    "expand_members": count_key("Files that an archive may hold.", minimum=1, default=10_000),
    "expand_depth": count_key("Compressions and archives that may lie one within another.", minimum=1, default=8),
    "keep_source": Key(kind="flag", default=True, doc="Keep the source's bytes in the workspace, compressed."),
}

FLATTEN = {
    "separator": Key(kind="text", default=".", doc="What joins the names of nested keys.", examples=(".", "_")),
    "depth": count_key("Levels of objects to open; left out: all."),
    "arrays": Key(
        kind="choice", choices=("json", "explode"), default="json", doc="Arrays as JSON text, or one row an element."
    ),
    "explode": Key(kind="texts", doc="Dotted paths of arrays that give one row an element.", examples=(["items"],)),
    "children": Key(
        kind="raw", shape="children", doc="Dotted path of an array → name of the child table that its elements go to."
    ),
    "null_text": Key(
        kind="text",
        doc="The text that a JSON null becomes, so that rules can tell it from a missing key; left out: both are null.",
        examples=("<null>",),
    ),
}

COLUMN = {
    "from": Key(
        kind="texts", doc="The column's name in the files (or several, tried in order).", examples=("Order ID",)
    ),
    "aliases": Key(kind="texts", doc="Further names to look for."),
    "type": Key(
        kind="text", shape="type", default="text", doc="Type of the clean values.", examples=("decimal(12,2)",)
    ),
    "formats": Key(
        kind="texts",
        doc="strptime formats of dates and times; left out: ISO 8601.",
        examples=(["%Y-%m-%d", "%d/%m/%Y"],),
    ),
    "timezone": text_key("IANA zone of values without one, for timestamptz.", "Europe/Berlin"),
    "required": Key(kind="flag", default=False, doc="A row without a value is rejected."),
    "unique": Key(kind="flag", default=False, doc="A row whose value stands in an earlier row is rejected."),
    "rules": Key(kind="raw", shape="column_rules", doc="Rules that change the value, in order."),
    "checks": Key(kind="raw", shape="column_checks", doc="Checks of the typed value."),
    "mask": Key(kind="flag", default=False, doc="Personal data: masked in previews, reports and logs."),
}

RULE = {
    "column": text_key("The column to change.", "phone"),
    "columns": Key(kind="texts", doc="Several columns to change, each by itself."),
}
CHECK = {
    "column": text_key("The column to judge, or to name in the problem."),
    "columns": Key(kind="texts", doc="Several columns to judge, each by itself."),
}
VERDICT = {
    "message": text_key("What the problem says.", "quantity must be positive"),
    "severity": Key(kind="choice", choices=SEVERITIES, doc="Keep the row out, only warn, or fail the run."),
    "when": text_key("SQL condition: only rows for which it is true are judged.", "country = 'DE'"),
}

REJECTS = {"budget": Key(kind="raw", shape="budget", doc="Beyond it nothing is published.")}
BUDGET = {
    "rows": count_key("Most rejects of a run."),
    "percent": Key(kind="number", minimum=0, doc="Most rejects in percent of the received rows."),
    "floor": count_key("Rejects that are allowed whatever the percentage.", default=100),
}
KEEP = {
    "duplicates": Key(
        kind="choice", choices=WINNERS, default="last", doc="Winner among rows with the same key of an upsert."
    ),
    "unique": Key(kind="choice", choices=WINNERS, default="first", doc="Winner among rows that break `unique`."),
}


class WrongValueError(Exception):
    """A value that does not fit its key: `message` and `remedy`, for a Mistake; `index` where it is one of a list."""

    def __init__(self, message: str, remedy: str, *, index: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.index = index


@dataclass(kw_only=True)
class Notes:
    """Collects mistakes while reading goes on. `document` gives their places."""

    document: Document
    mistakes: list[Mistake] = field(default_factory=list)

    def wrong(self, path: str, message: str, remedy: str, *, at_key: bool = False) -> None:
        """Note a mistake at `path` (`at_key`: the key itself is wrong)."""
        place = self.document.key_place(path) if at_key else self.document.place(path)
        line, column = (place.line, place.column) if place else (None, None)
        # a URL may stand at the wrong key
        shown = redact(message)
        self.mistakes.append(Mistake(message=shown, remedy=remedy, path=path, line=line, column=column))

    def raise_if_any(self, source: str) -> None:
        """Raise all mistakes, in the file's order."""
        if self.mistakes:
            raise PipelineError(in_order(self.mistakes), source=source)


def in_order(mistakes: Iterable[Mistake]) -> list[Mistake]:
    """Sorted by place, those without one last; repeated ones once."""
    unique = dict.fromkeys(mistakes)
    return sorted(unique, key=lambda m: (m.line is None, m.line or 0, m.column or 0))


def suggest(word: str, choices: Collection[str]) -> str:
    """A sentence that names the closest choices, or all of them."""
    if close := close_to(word, choices):
        return f"Did you mean {' or '.join(map(repr, close))}?"
    if not choices:
        return "There is none to choose from."
    listed = sorted(choices)
    more = f" and {len(listed) - 40} more" if len(listed) > 40 else ""
    return f"One of: {', '.join(listed[:40])}{more}."


def close_to(word: str, choices: Collection[str]) -> list[str]:
    """Up to three choices that `word` is probably a slip for, the closest first."""
    folded = {choice.casefold(): choice for choice in choices}
    return [folded[name] for name in difflib.get_close_matches(word.casefold(), folded, n=3, cutoff=0.6)]


def take(
    value: Any, path: str, keys: Mapping[str, Key], notes: Notes, *, others: Collection[str] = ()
) -> dict[str, Any]:
    """The values of a mapping by its keys, defaults filled in; whatever is wrong is noted and gets its default.

    `others` are keys that are allowed too and read elsewhere; they are not in the result.
    """
    found = {name: key.default for name, key in keys.items()}
    if not isinstance(value, Mapping):
        notes.wrong(path, f"this must be a mapping, not {describe(value)}", f"Write keys such as {_some(keys)}.")
        return found
    for name, item in value.items():
        below = join(path, str(name))
        if name in keys:
            found[name] = _checked(item, below, keys[name], notes)
        elif name not in others:
            remedy = suggest(str(name), {*keys, *others})
            notes.wrong(below, f"unknown key {str(name)!r}", remedy, at_key=True)
    return found


def _checked(value: Any, path: str, key: Key, notes: Notes) -> Any:
    if value is None and key.kind != "raw":
        notes.wrong(path, "this key has no value", "Write a value, or remove the line.")
        return key.default
    if key.kind == "raw":
        return value
    try:
        return _CONVERT[key.kind](value, key)
    except WrongValueError as wrong:
        notes.wrong(path if wrong.index is None else join(path, wrong.index), wrong.message, wrong.remedy)
        return key.default


def describe(value: Any) -> str:
    """The kind of a value, for messages."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the text {value[:60]!r}"
        case list() | tuple():
            return "a list"
        case Mapping():
            return "a mapping"
        case _:
            return f"a {type(value).__name__}"


def _some(keys: Iterable[str]) -> str:
    return ", ".join(f"`{name}:`" for name in list(keys)[:4])


def text(value: Any, key: Key) -> str:
    """A text; whole numbers are taken as written."""
    if isinstance(value, str):
        if "\0" in value:
            raise WrongValueError("the text holds a NUL character", "Remove it.")
        return value
    if isinstance(value, PurePath) or (isinstance(value, int) and not isinstance(value, bool)):
        return str(value)
    raise WrongValueError(f"this must be a text, not {describe(value)}", f"Put it in quotes{_for_example(key)}.")


def texts(value: Any, key: Key) -> tuple[str, ...]:
    """A text or a list of texts, as a tuple."""
    if isinstance(value, list | tuple) and not value:
        raise WrongValueError("the list is empty", "Write at least one text, or remove the line.")
    return _each(value, key, text)


def _each(value: Any, key: Key, convert: Callable[[Any, Key], str]) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        return (convert(value, key),)
    found = []
    for index, item in enumerate(value):
        try:
            found.append(convert(item, key))
        except WrongValueError as wrong:
            raise WrongValueError(wrong.message, wrong.remedy, index=index) from None
    return tuple(found)


def _integer(value: Any, key: Key) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise WrongValueError(f"this must be a whole number, not {describe(value)}", "Write a number such as 100.")
    _at_least(value, key)
    return value


def _number(value: Any, key: Key) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise WrongValueError(f"this must be a number, not {describe(value)}", "Write a number such as 2.5.")
    _at_least(value, key)
    return float(value)


def _at_least(value: float, key: Key) -> None:
    if key.minimum is not None and value < key.minimum:
        raise WrongValueError(f"{value} is too small", f"Write {key.minimum:g} or more.")
    if abs(value) > 1 << 62:
        raise WrongValueError("the number is too large", "Write a smaller one.")


def _flag(value: Any, key: Key) -> bool:
    if isinstance(value, bool):
        return value
    raise WrongValueError(f"this must be true or false, not {describe(value)}", "Write `true` or `false`.")


def _header(value: Any, key: Key) -> int:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int) and 0 <= value <= 100:
        return value
    raise WrongValueError(f"this must be a number of header rows, not {describe(value)}", "Write 0, 1 ... or `false`.")


def _lineage(value: Any, key: Key) -> bool:
    if value == "columns":
        return True
    if isinstance(value, bool):
        return value
    raise WrongValueError(f"this must be `columns` or false, not {describe(value)}", "Write `columns` or `false`.")


def _undo(value: Any, key: Key) -> int:
    if value == "none":
        return 0
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1000:
        return value
    raise WrongValueError(
        f"this must be a number of batches or `none`, not {describe(value)}", "Write 1, 2 ... or `none`."
    )


def _update(value: Any, key: Key) -> tuple[str, ...] | None:
    """None: what differs; `*`: every row; or columns."""
    if isinstance(value, list | tuple):
        return texts(value, key)
    words: dict[str, tuple[str, ...] | None] = {"changed": None, "all": ("*",)}
    if isinstance(value, str) and value in words:
        return words[value]
    raise WrongValueError(
        f"this must be `changed`, `all` or a list of columns, not {describe(value)}", "Write columns as a list: [a, b]."
    )


def _choice(value: Any, key: Key) -> str:
    if isinstance(value, str) and value in key.choices:
        return value
    remedy = suggest(value, key.choices) if isinstance(value, str) else f"One of: {', '.join(key.choices)}."
    raise WrongValueError(f"{describe(value)} is none of the choices", remedy)


def _choices(value: Any, key: Key) -> tuple[str, ...]:
    return _each(value, key, _choice)


def _for_example(key: Key) -> str:
    return f", as in {key.examples[0]!r}" if key.examples and isinstance(key.examples[0], str) else ""


_CONVERT: dict[str, Callable[[Any, Key], Any]] = {
    "text": text,
    "texts": texts,
    "integer": _integer,
    "number": _number,
    "flag": _flag,
    "header": _header,
    "lineage": _lineage,
    "undo": _undo,
    "update": _update,
    "choice": _choice,
    "choices": _choices,
}
