"""The rule `fix_encoding`: repairs mojibake, never touches good text."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from loadlock.cleanup.base import RuleContext
from loadlock.cleanup.components import make
from loadlock.types import TEXT

CORPUS = Path(__file__).parents[2].parent / "shared" / "corpora" / "ftfy"
CONTEXT = RuleContext(column="name", type=TEXT)


def repaired(values: list[str | None]) -> list[str | None]:
    after: list[str | None] = make("rules", "fix_encoding").apply(pa.array(values, pa.string()), CONTEXT).to_pylist()
    return after


@pytest.mark.parametrize(
    "text", ["Müller", "Ærøskøbing", "naïve café", "Łódź", "“quoted” – text…", "Ελλάδα", "Привет", "東京", "😀!"]
)
@pytest.mark.parametrize("wrong", ["cp1252", "latin-1"])
def test_what_was_decoded_wrongly_is_repaired(text: str, wrong: str) -> None:
    try:
        mojibake = text.encode().decode(wrong)
    except UnicodeDecodeError:
        mojibake = text.encode().decode("sloppy-windows-1252")
    assert mojibake != text
    assert repaired([mojibake, text, None, "plain"]) == [text, text, None, "plain"]


@pytest.mark.parametrize(
    "text",
    [
        "Müller",
        "voilà tout",
        "à la carte",
        "Ã",
        "São Paulo",
        "“+” and “×”",
        "Drüben – ja",
        "½ €",
        "ÅÄÖ",
        "ΩΜΕΓΑ ΣΤ",
        "नमस्ते",
        "\ufffd",
        "e\u0301 a",
    ],
)
def test_good_text_is_left_alone(text: str) -> None:
    assert repaired([text]) == [text]


def test_a_control_character_of_latin_1_becomes_what_cp1252_means() -> None:
    assert repaired(["l\x92homme"]) == ["l’homme"]


def test_every_place_of_a_part_gets_its_own_value() -> None:
    values = [f"MÃ¼ller {number % 7}" if number % 3 else f"Maier {number}" for number in range(10_000)]
    assert repaired(list(values)) == [value.replace("Ã¼", "ü") for value in values]


@pytest.mark.parametrize("name", ["in-the-wild", "synthetic", "negative"])
def test_the_corpus_of_ftfy_is_treated_as_ftfy_treats_it(name: str) -> None:
    if not CORPUS.exists():
        pytest.skip(f"NO CORPUS: {CORPUS} is not at hand")
    cases = json.loads((CORPUS / f"{name}.json").read_text(encoding="utf-8"))
    expected = [case.get("fixed-encoding", case["fixed"]) for case in cases if case["expect"] == "pass"]
    assert repaired([case["original"] for case in cases if case["expect"] == "pass"]) == expected
    assert len(expected) >= 25
