"""YAML with the line and column of every value. Strict and harmless: plain values only, no tags, no surprises.

Only what YAML 1.2 calls core is resolved: `true` and `false` are booleans, `no`, `on`, `2024-01-31`, `12:30` and `0123` stay
the texts that they are. Repeated keys, unknown tags, alias bombs and documents beyond the limits are mistakes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import yaml

from loadlock.errors import Mistake

MAX_CHARACTERS = 1 << 20
MAX_NODES = 100_000
"""Values a document may have, aliases written out."""
MAX_DEPTH = 50

_STANDARD = "tag:yaml.org,2002:"
_TRAILING_INDEX = re.compile(r"(?:\[\d+\]|\.[^.\[\]]*|^[^.\[\]]+)$")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where something stands in a text, both 1-based."""

    line: int
    column: int


@dataclass(frozen=True, kw_only=True)
class Document:
    """A YAML document as plain values, with the place of each path (`columns.amount.rules[0]`)."""

    value: Any
    places: Mapping[str, Place] = field(default_factory=dict)
    keys: Mapping[str, Place] = field(default_factory=dict)
    """Where the keys themselves stand, for mistakes in a key."""
    mistakes: tuple[Mistake, ...] = ()

    def place(self, path: str) -> Place | None:
        """Where `path` stands, or the nearest thing around it that is known; None if nothing is."""
        while path and path not in self.places:
            shorter = _TRAILING_INDEX.sub("", path)
            path = shorter if shorter != path else ""
        return self.places.get(path)

    def key_place(self, path: str) -> Place | None:
        """Where the last key of `path` stands."""
        return self.keys.get(path) or self.place(path)


class _Loader(yaml.SafeLoader):
    """Composes nodes with the core resolvers of YAML 1.2 instead of those of 1.1."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - the base class demands a class attribute


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", "-+0123456789"),
    ("null", r"null|Null|NULL|~|", ["n", "N", "~", ""]),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(_STANDARD + _tag, re.compile(rf"(?:{_pattern})\Z"), list(_first))


def join(path: str, key: str | int) -> str:
    """The path of an item (`int`) or a key (`str`) below `path`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def parse(text: str) -> Document:
    """The document in `text`. Never raises: what is wrong stands in `mistakes`, and `value` is None if nothing is left."""
    if len(text) > MAX_CHARACTERS:
        return _broken(f"the text has {len(text):,} characters", f"A pipeline has at most {MAX_CHARACTERS:,}.")
    try:
        node = _compose(text)
    except yaml.MarkedYAMLError as error:
        return _broken(*_explain(error), mark=error.problem_mark or error.context_mark)
    except yaml.YAMLError as error:
        return _broken(f"this is no text: {error}", "Save the file as UTF-8 text without control characters.")
    except RecursionError:
        return _broken("the document is nested too deep", f"Nest at most {MAX_DEPTH} levels.")
    if node is None:
        return Document(value=None)
    reading = _Reading()
    return Document(
        value=reading.value(node, "", 0),
        places=reading.places,
        keys=reading.keys,
        mistakes=tuple(reading.mistakes),
    )


def _compose(text: str) -> yaml.Node | None:
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def _broken(message: str, remedy: str, *, mark: yaml.Mark | None = None) -> Document:
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return Document(value=None, mistakes=(Mistake(message=message, remedy=remedy, line=line, column=column),))


def _explain(error: yaml.MarkedYAMLError) -> tuple[str, str]:
    """What the YAML parser stumbled over, in plain words, and the usual remedy."""
    problem = error.problem or "this is not YAML"
    if "'\\t'" in problem:
        return "a tab stands where YAML allows only spaces", "Indent with spaces."
    if "found undefined alias" in problem:
        return f"{problem}", "Define it before with `&name`, or put the text in quotes."
    if "expected a single document" in (error.context or ""):
        return "the file holds more than one YAML document", "Keep one pipeline a file; remove the line `---`."
    if "mapping values are not allowed" in problem:
        return "a colon stands where no key can be", "Put texts that hold `: ` in quotes."
    if "'%'" in problem or "'@'" in problem or "'`'" in problem:
        return problem, "Put the text in quotes."
    if error.context:
        problem = f"{error.context}: {problem}"
    return problem, "Check quotes, brackets and indentation here."


class _Reading:
    """Turns nodes into values, noting places and mistakes on the way."""

    def __init__(self) -> None:
        self.places: dict[str, Place] = {}
        self.keys: dict[str, Place] = {}
        self.mistakes: list[Mistake] = []
        self._nodes = 0

    def value(self, node: yaml.Node, path: str, depth: int) -> Any:
        self._nodes += 1
        self.places.setdefault(path, _place(node))
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            if self._nodes != MAX_NODES + 2:  # say it once; the rest of the document is not read any more
                self._wrong(
                    path, node, "the document is too deep or too large, aliases written out", "Write it simpler."
                )
            self._nodes = MAX_NODES + 1
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            self._standard_tag(node, path, "seq")
            return [self.value(item, join(path, index), depth + 1) for index, item in enumerate(node.value)]
        return self._scalar(cast(yaml.ScalarNode, node), path)

    def _mapping(self, node: yaml.MappingNode, path: str, depth: int) -> dict[str, Any]:
        self._standard_tag(node, path, "map")
        found: dict[str, Any] = {}
        merged: list[yaml.Node] = []
        for key_node, value_node in node.value:
            if key_node.tag == _STANDARD + "merge":
                merged.append(value_node)
            elif not isinstance(key_node, yaml.ScalarNode):
                self._wrong(path, key_node, "a key must be a plain text", "Put the key in quotes.")
            else:
                self._entry(found, key_node, value_node, path, depth)
        for source in merged:
            self._merge(found, source, path, depth)
        return found

    def _entry(
        self, found: dict[str, Any], key_node: yaml.ScalarNode, value_node: yaml.Node, path: str, depth: int
    ) -> None:
        key = str(key_node.value)
        below = join(path, key)
        if key in found:
            first = self.places[below].line
            self._wrong(below, key_node, f"the key {key!r} stands here already in line {first}", "Keep one of the two.")
            return
        self.keys[below] = _place(key_node)
        # a mistake in a mapping or list is best shown at its key, one in a scalar at the scalar
        self.places[below] = _place(value_node if isinstance(value_node, yaml.ScalarNode) else key_node)
        found[key] = self.value(value_node, below, depth + 1)

    def _merge(self, found: dict[str, Any], source: yaml.Node, path: str, depth: int) -> None:
        """`<<: *other`: keys of the other mapping that are not written here."""
        others = source.value if isinstance(source, yaml.SequenceNode) else [source]
        for other in others:
            if not isinstance(other, yaml.MappingNode):
                self._wrong(path, source, "`<<` takes a mapping", "Write `<<: *name` of a mapping.")
                continue
            for key, value in self._mapping(other, path, depth + 1).items():
                found.setdefault(key, value)

    def _scalar(self, node: yaml.ScalarNode, path: str) -> Any:
        text = str(node.value)
        match node.tag.removeprefix(_STANDARD):
            case "str" | "merge":
                return text
            case "null":
                return None
            case "bool" if text.lower() in ("true", "false"):
                return text.lower() == "true"
            case "int" | "float" as kind:
                return self._number(node, path, text, kind)
            case _:
                self._wrong(
                    path, node, f"the tag {node.tag} is not allowed here", "Remove the tag; write the plain value."
                )
                return None

    def _number(self, node: yaml.ScalarNode, path: str, text: str, kind: str) -> int | float | None:
        try:
            return int(text) if kind == "int" else float(text)
        except ValueError:
            self._wrong(path, node, f"{text[:50]!r} is no number", "Write a number, or remove the tag.")
            return None

    def _standard_tag(self, node: yaml.Node, path: str, kind: str) -> None:
        if node.tag != _STANDARD + kind:
            self._wrong(path, node, f"the tag {node.tag} is not allowed here", "Remove the tag; write the plain value.")

    def _wrong(self, path: str, node: yaml.Node, message: str, remedy: str) -> None:
        place = _place(node)
        self.mistakes.append(
            Mistake(message=message, remedy=remedy, path=path, line=place.line, column=place.column),
        )


def _place(node: yaml.Node) -> Place:
    mark = node.start_mark
    return Place(line=mark.line + 1, column=mark.column + 1)
