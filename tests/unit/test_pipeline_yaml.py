"""YAML keeps its texts as they stand, knows the place of everything, and can't do harm."""

from __future__ import annotations

import pytest

from loadlock.pipeline.yaml_positions import MAX_CHARACTERS, Place, parse


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("On", "On"),
        ("2024-01-31", "2024-01-31"),
        ("12:30", "12:30"),
        ("0123", "0123"),
        ("1_000", "1_000"),
        ("0x1f", "0x1f"),
        ("12", 12),
        ("-1.5e3", -1500.0),
        ("true", True),
        ("~", None),
        ("", None),
        ("'12'", "12"),
        ("!!str 12", "12"),
    ],
)
def test_a_plain_value_is_what_it_looks_like(written: str, value: object) -> None:
    assert parse(f"a: {written}\n").value == {"a": value}


def test_keys_are_texts() -> None:
    assert parse("on: 1\n2024: 2\nno: 3\n").value == {"on": 1, "2024": 2, "no": 3}


def test_every_path_has_its_place() -> None:
    document = parse("columns:\n  a.b:\n    rules: [trim, {number: {decimal: ','}}]\n")
    assert document.place("columns.a.b") == Place(line=2, column=3)
    assert document.place("columns.a.b.rules[0]") == Place(line=3, column=13)
    assert document.place("columns.a.b.rules[1].number.decimal") == Place(line=3, column=38)


def test_an_unknown_path_has_the_place_of_what_is_around_it() -> None:
    document = parse("a:\n  b: [1, 2]\n")
    assert document.place("a.b[7].c.d[2]") == document.place("a.b")
    assert document.place("z") == Place(line=1, column=1)
    assert parse("").place("z") is None


def test_a_key_and_its_value_have_places_of_their_own() -> None:
    document = parse("a:  5\n")
    assert (document.key_place("a"), document.place("a")) == (Place(line=1, column=1), Place(line=1, column=5))


def test_anchors_and_merges_are_written_out() -> None:
    document = parse("x: &x {type: date, required: true}\ny: {<<: *x, required: false}\nz: *x\n")
    assert document.value["y"] == {"required": False, "type": "date"}
    assert document.value["z"] == {"type": "date", "required": True}
    assert not document.mistakes


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, 1, "the key 'a' stands here already in line 1"),
        ("a: 1\n\tb: 2\n", 2, 1, "a tab stands where YAML allows only spaces"),
        ("a: !!python/object/apply:os.system [x]\n", 1, 4, "python/object"),
        ("a: !secret b\n", 1, 4, "the tag !secret is not allowed here"),
        ("a: [1, 2\n", 2, 1, "while parsing a flow sequence"),
        ("a: *nowhere\n", 1, 4, "undefined alias 'nowhere'"),
        ("a: 1\n---\nb: 2\n", 2, 1, "more than one YAML document"),
        ("a: b: c\n", 1, 5, "a colon stands where no key can be"),
        ("a: %x\n", 1, 4, "'%' that cannot start any token"),
        ("{a: 1}: 2\n", 1, 1, "a key must be a plain text"),
        ("a: !!int 1x\n", 1, 4, "'1x' is no number"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, line: int, column: int, message: str) -> None:
    (mistake,) = parse(text).mistakes
    assert (mistake.line, mistake.column) == (line, column)
    assert message in mistake.message
    assert mistake.remedy


def test_an_alias_bomb_is_refused_quickly() -> None:
    layers = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))
    document = parse(f"a0: &a0 [1]\n{layers}\n")
    assert [mistake.message for mistake in document.mistakes] == [
        "the document is too deep or too large, aliases written out"
    ]


def test_an_alias_to_itself_is_refused() -> None:
    assert "too deep" in parse("a: &a [*a, *a]\n").mistakes[0].message


@pytest.mark.parametrize("text", ["[" * 5000, "x" * (MAX_CHARACTERS + 1), "a: \x00", "\ud800"])
def test_hostile_texts_give_one_mistake(text: str) -> None:
    document = parse(text)
    assert (document.value, len(document.mistakes)) == (None, 1)


def test_an_empty_text_is_nothing() -> None:
    assert parse("# only a comment\n").value is None
