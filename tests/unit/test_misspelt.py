"""A rare word that is one letter beside a frequent one is named as a slip, and stays out of the list that guess proposes."""

from __future__ import annotations

import pyarrow as pa
import pytest

from loadlock.cleanup.profile import profile
from loadlock.pipeline._misspelt import is_slip, misspelt
from loadlock.pipeline.guess import propose


@pytest.mark.parametrize("word", ["Gremany", "Germny", "Germanny", "Gemrany", "Germani", "Germanyy", "German"])
def test_one_letter_is_a_slip(word: str) -> None:
    assert is_slip(word, "Germany")
    assert is_slip("Germany", word)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("moral", "amoral"),
        ("male", "female"),
        ("A101", "A102"),
        ("yes", "yet"),
        ("Iran", "Peru"),
        ("Germany", "Germany"),
    ],
)
def test_other_words_are_none(word: str, meant: str) -> None:
    assert not is_slip(word, meant)


def test_only_a_rare_word_is_misspelt() -> None:
    assert misspelt({"Germany": 10_000, "Gremany": 1, "Italy": 30, "Itala": 29}) == {"Gremany": "Germany"}


def test_guess_names_it_and_leaves_it_out_of_the_list() -> None:
    table = pa.table({"country": ["Germany"] * 600 + ["Italy"] * 300 + ["Gremany"]})
    (found,) = propose(profile([table]), name="p", files=["f"]).columns
    assert found.checks == ({"in": ["Germany", "Italy"], "severity": "warn"},)
    assert "perhaps misspelt, so not in the list: 'Gremany' (1), like 'Germany' (600)" in found.reasons
