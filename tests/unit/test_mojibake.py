"""Text that was decoded wrongly before it came is found at intake, and good text that looks odd is not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from loadlock.intake._enc_mojibake import Mojibake
from loadlock.intake.base import SourceOptions
from loadlock.intake.encoding import detect
from loadlock.testing.encoding_tables import BytesSource

CORPUS = Path(__file__).parents[2].parent / "shared" / "corpora" / "ftfy"


def found(text: str) -> Mojibake:
    data = text.encode("utf-8", "replace")
    seen = Mojibake()
    seen.look(data, np.frombuffer(data, dtype=np.uint8), 0)
    return seen


def broken(text: str, times: int = 1) -> str:
    for _ in range(times):
        raw = text.encode()
        text = "".join(bytes((value,)).decode("cp1252", "ignore") or chr(value) for value in raw)
    return text


@pytest.mark.parametrize(
    "text", ["Müller", "don’t", "Łódź", "naïve café", "“quoted”", "5 €", "Besançon", "😀", "Zoë – André"]
)
def test_mojibake_is_found_once_and_twice(text: str) -> None:
    assert (found(broken(text)).lines, found(broken(text)).twice_lines) == (1, 0)
    assert found(broken(text, 2)).lines == 1


def test_twice_is_told_from_once() -> None:
    seen = found(f"{broken('Müller')}\n{broken('Köln', 2)}\nGröße\n{broken('Zoë')}, {broken('José')}\n")
    assert (seen.lines, seen.twice_lines) == (3, 1)
    assert seen.samples[0] == "MÃ¼ller"
    assert seen.notes() == [
        "3 lines hold text decoded wrongly before it came (1 of them twice), 'Ã¼' for 'ü': fix_encoding repairs it"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Müller",
        "voilà», dit-il",
        "CAFÉ”",
        "SÃO PAULO",
        "ÂNGELA",
        "À “é”",
        "Ærø",
        "Ω±5 °C",
        "Ñandú",
        "ã õ â",
        "日本",
        "Москва",
    ],
)
def test_good_text_is_no_mojibake(text: str) -> None:
    assert found(text).lines == 0


def test_mojibake_is_reported_for_utf8_and_for_utf16() -> None:
    text = "id,name\n" + "".join(f"{number},MÃ¼ller\n" for number in range(50))
    for encoding in ("utf-8", "utf-16", "utf-16-be"):
        answer = detect(BytesSource(data=text.encode(encoding)), SourceOptions(encoding=None))
        assert answer.mojibake.lines == 50, encoding
        assert answer.counts() == {"mojibake_lines": 50}


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpora lie beside the project only where it is made")
def test_of_the_corpus_of_good_text_at_most_one_in_thirty_is_reported() -> None:
    cases = json.loads((CORPUS / "negative.json").read_text(encoding="utf-8"))
    assert sum(found(case["original"]).lines for case in cases) <= len(cases) / 30
