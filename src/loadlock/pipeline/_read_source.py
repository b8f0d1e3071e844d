"""Reads `source:`."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Any

from loadlock import registry
from loadlock.cleanup.components import typed_options
from loadlock.intake.base import ExpansionLimits, SourceOptions
from loadlock.pipeline import written
from loadlock.pipeline._reading import Reading
from loadlock.pipeline.model import Flatten, Source
from loadlock.pipeline.yaml_positions import join

_AUTO = "auto"
_WORDS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " ", "none": ""}
_ENDS = {"\\n": "\n", "\\r\\n": "\r\n", "\\r": "\r", "lf": "\n", "crlf": "\r\n", "cr": "\r"}
_ENCODINGS = (
    "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "ascii", "cp1252", "iso-8859-1", "iso-8859-2",
    "iso-8859-15", "cp1250", "cp1251", "cp1253", "cp1254", "cp437", "cp850", "mac-roman", "koi8-r", "shift_jis", "cp932",
    "euc-jp", "euc-kr", "cp949", "gb18030", "big5",
)  # fmt: skip
"""Those that data files use, to suggest one; every text encoding of Python is taken."""
_READING_KEYS = (
    "format", "encoding", "fallback_encoding", "delimiter", "quote", "escape", "header", "preamble", "footer", "table", "comment",
    "record_end", "records_path", "sheet", "tolerate", "record_limit", "depth_limit", "null_words",
)  # fmt: skip
"""Keys of `source:` that are fields of `SourceOptions` under the same name."""


def read_source(value: Any, path: str, reading: Reading) -> Source:
    """The `source:` mapping as a value; what is wrong is noted."""
    if isinstance(value, str | list | tuple):
        value = {"files": value}
    if not isinstance(value, Mapping):
        written.take(value, path, written.SOURCE, reading.notes)
        return Source()
    value = _without_auto(value)
    found = written.take(value, path, written.SOURCE, reading.notes, others=_format_options(value.get("format")))
    known = {name: found[name] for name in _READING_KEYS if found[name] is not None}
    extra = {str(name): item for name, item in value.items() if name not in written.SOURCE}
    _check_extra(extra, value.get("format"), path, reading)
    return Source(
        files=found["files"] or (),
        options=SourceOptions(**_tidy(known, path, reading), extra=extra),
        flatten=_flatten(value.get("flatten"), join(path, "flatten"), reading),
        empty=found["empty"],
        drift=found["drift"],
        keep=found["keep_source"],
        limits=ExpansionLimits(
            ratio=found["expand_ratio"],
            max_bytes=found["expand_bytes"],
            members=found["expand_members"],
            depth=found["expand_depth"],
        ),
    )


def _without_auto(value: Mapping[str, Any]) -> dict[str, Any]:
    """`auto` means: find out, as if the key were not there."""
    return {str(name): item for name, item in value.items() if item != _AUTO or name in ("files", "sheet")}


def _formats(name: Any) -> Mapping[str, Any]:
    """The named format, or all where none is named."""
    formats = registry.components("formats")
    return {name: formats[name]} if name in formats else formats


def _format_options(name: Any) -> set[str]:
    """Options that this format takes beside the common ones (of all formats where none is named)."""
    chosen = _formats(name).values()
    return {option.name for component in chosen for option in registry.options_of(component)} - set(written.SOURCE)


def _check_extra(extra: Mapping[str, Any], format_name: Any, path: str, reading: Reading) -> None:
    """Note options of formats whose values are of the wrong type, or don't go together."""
    said: set[str] = set()
    for name, component in _formats(format_name).items():
        known = {option.name for option in registry.options_of(component)}
        given = {option: value for option, value in extra.items() if option in known - said}
        if not given:
            continue
        said.update(given)
        try:
            component.Options(**typed_options(component, name, given))
        except ValueError as error:
            message, _, remedy = str(error).partition("; ")
            at = next((option for option in given if f": {option} " in f"{message} "), None)
            remedy = f"{remedy[:1].upper()}{remedy[1:].rstrip('.')}." if remedy else "See docs/reference/formats.md."
            reading.notes.wrong(join(path, at) if at else path, message, remedy)


def _tidy(found: dict[str, Any], path: str, reading: Reading) -> dict[str, Any]:
    """Check what a text stands for: a known format, a known encoding, a single character."""
    notes = reading.notes
    formats = registry.components("formats")
    if "format" in found and found["format"] not in formats:
        remedy = written.suggest(found["format"], formats)
        notes.wrong(join(path, "format"), f"unknown format {found['format']!r}", remedy)
    for name in ("encoding", "fallback_encoding"):
        if name in found and not _known_encoding(found[name]):
            remedy = written.suggest(found[name], _ENCODINGS)
            notes.wrong(join(path, name), f"unknown encoding {found[name]!r}", remedy)
    for name in ("delimiter", "quote", "escape"):
        if name in found:
            read = _delimiter if name == "delimiter" else _character
            found[name] = read(found[name], join(path, name), reading)
    if "record_end" in found:
        found["record_end"] = _ENDS.get(found["record_end"].lower(), found["record_end"])
    if found.get("delimiter") and found["delimiter"] == found.get("quote"):
        notes.wrong(join(path, "quote"), "delimiter and quote are the same character", "Write another for one of them.")
    return found


def _delimiter(text: str, path: str, reading: Reading) -> str:
    text = _WORDS.get(text.lower(), text)
    if not any(mark in text for mark in "\r\n"):
        return text
    reading.notes.wrong(path, "a delimiter can't hold line ends", "Write what stands between two fields of a line.")
    return ","


def _character(text: str, path: str, reading: Reading) -> str:
    text = _WORDS.get(text.lower(), text)
    if not text or (len(text) == 1 and text not in "\r\n"):
        return text
    reading.notes.wrong(path, f"{text!r} is not one character", "Write one character, as in '\"', or none.")
    return ""


def _known_encoding(name: str) -> bool:
    try:
        return codecs.lookup(name)._is_text_encoding
    except (LookupError, ValueError):
        return False


def _flatten(value: Any, path: str, reading: Reading) -> Flatten:
    if value is None:
        return Flatten()
    found = written.take(value, path, written.FLATTEN, reading.notes)
    children = _children(found["children"], join(path, "children"), reading)
    if not found["separator"] or "\\" in found["separator"]:
        # a backslash marks what is no separator
        reading.notes.wrong(
            join(path, "separator"), "this must be some text without a backslash", 'Write it as in ".".'
        )
    return Flatten(
        separator=found["separator"],
        depth=found["depth"],
        arrays=found["arrays"],
        explode=found["explode"] or (),
        children=children,
        null_text=found["null_text"],
    )


def _children(value: Any, path: str, reading: Reading) -> dict[str, str]:
    if value is None:
        return {}
    if isinstance(value, Mapping) and all(isinstance(item, str) and item for item in value.values()):
        return {str(name): str(item) for name, item in value.items()}
    reading.notes.wrong(path, "this must map paths of arrays to table names", "Write it as in {items: order_items}.")
    return {}
