"""Components are found by folder and by entry point."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Any, ClassVar

import pytest

from loadlock import registry
from loadlock.cleanup.base import option
from loadlock.errors import UsageError


@pytest.fixture
def fresh() -> Iterator[None]:
    registry.components.cache_clear()
    yield
    registry.components.cache_clear()


class Shout:
    """A rule of a plug-in."""

    name: ClassVar[str] = "shout"
    summary: ClassVar[str] = "Shout."

    @dataclass(frozen=True, kw_only=True)
    class Options:
        times: int = option("How often.", default=1)
        words: tuple[str, ...] = option("What.", default_factory=tuple)
        needed: str = option("Must be given.")


def install(monkeypatch: pytest.MonkeyPatch, *entries: metadata.EntryPoint) -> None:
    monkeypatch.setattr(metadata, "entry_points", lambda group: [entry for entry in entries if entry.group == group])


def load(entry: metadata.EntryPoint) -> type[Any]:
    """The test's own class: this module can't be imported by name."""
    assert entry.value == f"{__name__}:Shout"
    return Shout


def entry(name: str, group: str = "loadlock.rules") -> metadata.EntryPoint:
    return metadata.EntryPoint(name=name, value=f"{__name__}:Shout", group=group)


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(
    ("kind", "some"),
    [
        (
            "rules",
            {"trim", "collapse_spaces", "lower", "upper", "null_if", "fix_encoding", "number", "boolean", "date"},
        ),
        ("rules", {"replace", "regex", "map", "default"}),
        ("checks", {"required", "unique", "in", "range", "length", "matches", "email", "sql"}),
    ],
)
def test_built_in_components_are_the_files_of_a_folder(kind: str, some: set[str]) -> None:
    found = registry.components(kind)
    assert some <= set(found)
    assert list(found) == sorted(found)
    assert all(name == found[name].name for name in found)


@pytest.mark.usefixtures("fresh")
def test_an_entry_point_adds_a_component(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata.EntryPoint, "load", load)
    install(monkeypatch, entry("shout"), entry("shout", "loadlock.checks"))
    assert registry.component("rules", "shout") is Shout
    assert "shout" not in registry.components("formats")


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("names", [["trim"], ["shout", "shout"]])
def test_a_taken_name_is_an_error(monkeypatch: pytest.MonkeyPatch, names: list[str]) -> None:
    monkeypatch.setattr(metadata.EntryPoint, "load", load)
    install(monkeypatch, *map(entry, names))
    with pytest.raises(UsageError, match=f"brings rule {names[-1]!r}, which exists already") as caught:
        registry.components("rules")
    assert caught.value.hint == "Rename the entry point of the plug-in."


@pytest.mark.parametrize("kind", sorted(registry.FOLDERS))
def test_the_file_of_a_component_is_called_as_it(kind: str) -> None:
    known = registry.components(kind)
    assert [component.name for component in known.values()] == list(known)


def test_a_component_is_imported_when_it_is_asked_for() -> None:
    script = """if True:
        import sys
        from loadlock.registry import components
        known = components("destinations")
        found = next(known.likely_first("sqlite"))
        print(found.name, *sorted(name for name in known if f"loadlock.delivery.destinations.{name}" in sys.modules))
    """
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["sqlite", "sqlite"]


def test_an_unknown_name_is_answered_with_the_choices() -> None:
    with pytest.raises(UsageError, match="unknown check 'nope'") as caught:
        registry.component("checks", "nope")
    assert "email, in, length" in (caught.value.hint or "")


def test_options_are_told_with_type_default_and_doc() -> None:
    assert [(info.name, info.type, info.default, info.required, info.doc) for info in registry.options_of(Shout)] == [
        ("times", "int", 1, False, "How often."),
        ("words", "tuple[str, ...]", (), False, "What."),
        ("needed", "str", None, True, "Must be given."),
    ]
    assert registry.options_of(int) == []
