"""The files that a pipeline names, read when it is loaded: Python rules as source text, lookups as rows of text."""

from __future__ import annotations

import ast
import csv
import hashlib
import io
from pathlib import Path
from typing import Any

from loadlock.pipeline.written import WrongValueError, suggest

MAX_SOURCE_BYTES = 1 << 20
MAX_LOOKUP_BYTES = 16 << 20
MAX_LOOKUP_ROWS = 500_000

_DELIMITERS = ",;\t|"


def python_rule(written: str, base_folder: Path) -> dict[str, Any]:
    """Options of a Python rule or check from `file.py:function`; nothing of the file is run. Raises WrongValueError."""
    file_name, _, function = written.rpartition(":")
    if not file_name.endswith(".py") or not function.isidentifier():
        raise WrongValueError(f"{written!r} names no function", "Write file.py:function, as in rules.py:split_name.")
    source = _text_of(file_name, base_folder, MAX_SOURCE_BYTES)
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f" in line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise WrongValueError(f"{file_name} is not valid Python{line}: {_plain(error)}", "Correct the file.") from None
    functions = _functions(tree)
    if function not in functions:
        raise WrongValueError(f"{file_name} has no function {function!r}", suggest(function, functions))
    return python_options(written, source)


def python_options(name: str, source: str) -> dict[str, Any]:
    """The options of a Python rule whose source is at hand."""
    return {"python": name, "source": source, "sha256": hashlib.sha256(source.encode()).hexdigest()}


def _functions(tree: ast.Module) -> set[str]:
    """Names at the top level that may be functions: definitions, assignments and imports."""
    found: set[str] = set()
    for node in tree.body:
        match node:
            case ast.FunctionDef() | ast.ClassDef():
                found.add(node.name)
            case ast.Assign():
                found.update(target.id for target in node.targets if isinstance(target, ast.Name))
            case ast.ImportFrom():
                found.update(alias.asname or alias.name for alias in node.names)
    return found


def lookup(written: str, base_folder: Path) -> tuple[tuple[str, ...], ...]:
    """The rows of a lookup file, the header first, blank lines left out. Raises WrongValueError."""
    content = _text_of(written, base_folder, MAX_LOOKUP_BYTES)
    delimiter = _delimiter(content, written)
    rows = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    found: list[tuple[str, ...]] = []
    try:
        for row in rows:
            if row:
                found.append(tuple(row))
            if len(found) > MAX_LOOKUP_ROWS:
                raise WrongValueError(
                    f"{written} has more than {MAX_LOOKUP_ROWS:,} rows",
                    "Use a smaller lookup, or join in the database.",
                )
    except csv.Error as error:
        raise WrongValueError(f"{written} is damaged in line {rows.line_num}: {error}", "Correct the file.") from None
    if not found:
        raise WrongValueError(f"{written} is empty", "Write a header line and the rows.")
    return _same_width(found, written)


def _same_width(rows: list[tuple[str, ...]], written: str) -> tuple[tuple[str, ...], ...]:
    width = len(rows[0])
    for number, row in enumerate(rows, start=1):
        if len(row) != width:
            raise WrongValueError(
                f"row {number} of {written} has {len(row)} fields, its header {width}", "Correct the file."
            )
    return tuple(rows)


def _delimiter(content: str, written: str) -> str:
    """The delimiter that cuts the first line into most fields; a comma where none does."""
    if Path(written).suffix.lower() == ".tsv":
        return "\t"
    first = next((line for line in content.splitlines() if line.strip()), "")
    return max(_DELIMITERS, key=lambda mark: len(next(csv.reader([first], delimiter=mark), [])))


def _text_of(written: str, base_folder: Path, limit: int) -> str:
    path = base_folder / written
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except (OSError, ValueError) as error:
        reason = f"can't be read: {getattr(error, 'strerror', None) or error}"
        raise WrongValueError(
            f"the file {written!r} {reason}", f"Paths start at the pipeline's folder ({base_folder}).{_near(path)}"
        ) from None
    if len(content) > limit:
        raise WrongValueError(f"{written} has more than {limit:,} bytes", "Use a smaller file.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WrongValueError(f"{written} is not UTF-8 (byte {error.start})", "Save it as UTF-8.") from None
    if "\0" in text:
        raise WrongValueError(f"{written} holds NUL characters", "Save it as UTF-8 text.")
    return text


def _near(path: Path) -> str:
    """A file of the same folder whose name is close to the one asked for."""
    try:
        names = [entry.name for entry in path.parent.iterdir() if entry.suffix == path.suffix]
    except OSError:
        return ""
    hint = suggest(path.name, names)
    return f" {hint}" if hint.startswith("Did you mean") else ""


def _plain(error: BaseException) -> str:
    return str(error.msg if isinstance(error, SyntaxError) else error)
