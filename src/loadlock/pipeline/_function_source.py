"""The source of a Python function as a module of its own, so that it can travel to another process as text."""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import re
import textwrap
import types
from collections.abc import Callable
from typing import Any

from loadlock.pipeline._read_files import python_options
from loadlock.pipeline.written import WrongValueError

_CONSTANTS = (str, bytes, int, float, bool, type(None))
_IN_A_FILE = "Write the function in a file and name it as file.py:function."


def function_options(function: Callable[..., Any]) -> dict[str, Any]:
    """Options of a Python rule or check whose function is at hand. Raises WrongValueError if it can't travel as text.

    The text holds the function, the functions and constants of its module that it uses, and the imports of the rest.
    """
    inner = inspect.unwrap(function)
    name = getattr(inner, "__name__", "")
    if not isinstance(inner, types.FunctionType) or not name.isidentifier():
        raise WrongValueError("only a named function can be a rule, no lambda and no object", _IN_A_FILE)
    return python_options(f"{inner.__module__}:{name}", _module_text(inner))


def _module_text(function: types.FunctionType) -> str:
    imports: dict[str, str] = {}
    definitions: dict[str, str] = {}
    _collect(function, imports, definitions)
    return "\n".join([*imports.values(), *definitions.values()])


def _collect(function: types.FunctionType, imports: dict[str, str], definitions: dict[str, str]) -> None:
    """Add the function behind everything of its module that it needs (definitions are in order of need)."""
    source = _source_of(function)
    definitions[function.__name__] = ""  # a function that calls itself, or two each other, end here
    for name in _free_names(source):
        if name in definitions or name in imports or hasattr(builtins, name):
            continue
        if name in function.__globals__:
            _add(name, function.__globals__[name], function, imports, definitions)
    definitions.pop(function.__name__)
    definitions[function.__name__] = source


def _add(name: str, value: Any, user: types.FunctionType, imports: dict[str, str], definitions: dict[str, str]) -> None:
    """Add what stands behind a global name: an import, a constant or a function of the same module."""
    inner = inspect.unwrap(value) if callable(value) else value
    if isinstance(value, types.ModuleType):
        imports[name] = f"import {value.__name__} as {name}"
    elif isinstance(inner, types.FunctionType) and inner.__module__ == user.__module__:
        _collect(inner, imports, definitions)
    elif _importable(value, user):
        imports[name] = f"from {value.__module__} import {value.__qualname__} as {name}"
    elif isinstance(value, re.Pattern):
        definitions[name] = f"{name} = __import__('re').compile({value.pattern!r}, {value.flags})\n"
    elif _is_constant(value):
        definitions[name] = f"{name} = {value!r}\n"
    else:
        raise WrongValueError(f"the function {user.__name__} uses {name!r}, which can't travel with it", _IN_A_FILE)


def _importable(value: Any, user: types.FunctionType) -> bool:
    module = getattr(value, "__module__", None)
    name = getattr(value, "__qualname__", "")
    if not module or module in ("__main__", user.__module__) or not name.isidentifier():
        return False
    try:
        return getattr(importlib.import_module(module), name, None) is value
    except ImportError:
        return False


def _is_constant(value: Any) -> bool:
    if isinstance(value, list | tuple | set | frozenset):
        return all(_is_constant(item) for item in value)
    if isinstance(value, dict):
        return all(_is_constant(item) for pair in value.items() for item in pair)
    return isinstance(value, _CONSTANTS)


def _source_of(function: types.FunctionType) -> str:
    if function.__closure__:
        names = ", ".join(function.__code__.co_freevars)
        raise WrongValueError(f"the function {function.__name__} uses variables around it ({names})", _IN_A_FILE)
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        raise WrongValueError(f"the source of {function.__name__} can't be found", _IN_A_FILE) from None


def _free_names(source: str) -> list[str]:
    """All names that the source reads, in order: also those of decorators and annotations."""
    nodes = ast.walk(ast.parse(source))
    return list(
        dict.fromkeys(node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load))
    )
