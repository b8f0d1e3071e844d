"""From what is written in a pipeline to a rule or check: `trim`, `{default: x}`, `{range: {min: 1}}`."""

from __future__ import annotations

import datetime
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from difflib import get_close_matches
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from loadlock.cleanup.base import Touched
from loadlock.errors import LoadlockError, UsageError
from loadlock.registry import component, components


def make(kind: str, name: str, written: Any = None) -> Any:
    """The rule (`kind` "rules") or check ("checks") of this name with the options as written.

    `written` is None (bare word: all defaults), a mapping of options by name, or one value or list for the component's
    short form. Raises ValueError saying what is wrong and what to write instead.
    """
    found = _find(kind, name)
    options = typed_options(found, name, named_options(kind, name, written))
    try:
        return found(found.Options(**options))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def named_options(kind: str, name: str, written: Any) -> dict[str, Any]:
    """The options by name, their values as written; the short form is spelled out."""
    if written is None:
        return {}
    if isinstance(written, dict):
        return {str(key): value for key, value in written.items()}
    found = _find(kind, name)
    attribute = "shorthand_list" if isinstance(written, list | tuple) else "shorthand"
    option = getattr(found, attribute, None) or getattr(found, "shorthand", None)
    if option is None:
        raise ValueError(f"{name} takes no single value; {_choices(found, name)}")
    return {option: written}


def typed_options(found: type[Any], name: str, written: dict[str, Any]) -> dict[str, Any]:
    """The options with their values in the types of the component's `Options`; raises ValueError."""
    known = {entry.name: entry for entry in fields(found.Options)}
    for option in written:
        if option not in known:
            raise ValueError(f"{name} has no option {option!r}{_similar(option, list(known))}; {_choices(found, name)}")
    for option, entry in known.items():
        if option not in written and entry.default is MISSING and entry.default_factory is MISSING:
            raise ValueError(f"{name} needs the option {option!r}: {entry.metadata.get('doc', '')}")
    hints = get_type_hints(found.Options)
    return {option: _typed(value, hints[option], f"{name}: {option}") for option, value in written.items()}


def is_over_row(name: str) -> bool:
    """Whether the rule of this name works on the row, not on one column's values."""
    found = components("rules").get(name)
    return found is not None and hasattr(found, "touches")


def touched(name: str, options: Mapping[str, Any], column: str) -> Touched:
    """The columns that a rule over the row reads and writes; nothing where it is written wrongly (that is noted elsewhere).

    `column` is the one written beside the rule, or "".
    """
    if not is_over_row(name):
        return Touched()
    try:
        found: Touched = make("rules", name, dict(options)).touches(column)
    except (LoadlockError, ValueError):
        return Touched()
    return found


def beside(name: str, options: Mapping[str, Any]) -> tuple[str, ...]:
    """The other columns that a rule over one column looks at; none where it is written wrongly."""
    if not hasattr(components("rules").get(name), "beside"):
        return ()
    try:
        return tuple(make("rules", name, dict(options)).beside())
    except (LoadlockError, ValueError):
        return ()


def shown_changes(name: str) -> int:
    """Different changes that a rule wants shown in its tally, 0 for as many as usual."""
    return int(getattr(components("rules").get(name), "shown", 0))


def _find(kind: str, name: str) -> type[Any]:
    try:
        return component(kind, name)
    except UsageError as error:
        known = list(components(kind))
        raise ValueError(
            f"unknown {kind[:-1]} {name!r}{_similar(name, known)}; known are {', '.join(known)}"
        ) from error


def _similar(word: str, known: list[str]) -> str:
    close = get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _choices(found: type[Any], name: str) -> str:
    names = [entry.name for entry in fields(found.Options)]
    return f"its options are {', '.join(names)}" if names else f"write just {name}"


def _typed(value: Any, hint: Any, place: str) -> Any:
    origin = get_origin(hint)
    if hint is Any:
        return value
    if origin is Literal:
        return _choice(value, get_args(hint), place)
    if origin in (Union, types.UnionType):
        return _one_of(value, get_args(hint), place)
    if origin is tuple:
        items = value if isinstance(value, list | tuple) else [value]
        return tuple(_typed(item, get_args(hint)[0], place) for item in items)
    if origin is Mapping:
        if not isinstance(value, dict):
            raise ValueError(f"{place} must be a mapping (`old: new`), not {value!r}")
        key, item = get_args(hint)
        return {_typed(k, key, place): _typed(v, item, place) for k, v in value.items()}
    return _SCALARS[hint](value, place)


def _choice(value: Any, choices: tuple[Any, ...], place: str) -> Any:
    if value in choices:
        return value
    raise ValueError(f"{place} must be one of {', '.join(map(str, choices))}, not {value!r}")


def _one_of(value: Any, hints: tuple[Any, ...], place: str) -> Any:
    if value is None and types.NoneType in hints:
        return None
    real = [hint for hint in hints if hint is not types.NoneType]
    for hint in real:
        if isinstance(hint, type) and type(value) is hint:
            return value
    # tried in the order written; the last one's message stands
    for hint in real[:-1]:
        try:
            return _typed(value, hint, place)
        except ValueError:
            continue
    return _typed(value, real[-1], place)


def _text(value: Any, place: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, datetime.date):
        return value.isoformat()
    # YAML reads `no` as false, `1.10` as 1.1 and `null` as nothing: the text meant can't be known
    raise ValueError(f"{place} must be text, not {value!r}; write it in quotes")


def _whole(value: Any, place: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError(f"{place} must be a whole number, not {value!r}")


def _number(value: Any, place: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise ValueError(f"{place} must be a number, not {value!r}")


def _flag(value: Any, place: str) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(f"{place} must be true or false, not {value!r}")


_SCALARS: dict[typing.Any, Callable[[Any, str], Any]] = {str: _text, int: _whole, float: _number, bool: _flag}
