"""The pass over a whole file finds every byte that is not UTF-8, in blocks of any size, and counts what it sees."""

from __future__ import annotations

import gzip
import hashlib
import random
from pathlib import Path

import numpy as np
import pytest

from loadlock.intake._enc_beside import LEAST_BYTES
from loadlock.intake._enc_survey import WholeLines, survey
from loadlock.intake.base import SourceOptions
from loadlock.intake.decode import places, utf8_faults
from loadlock.intake.encoding import detect
from loadlock.intake.files import open_sources
from loadlock.testing.encoding_tables import BytesSource


def blocks(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def mixed(seed: int, lines: int, share: float) -> bytes:
    chooser = random.Random(seed)
    words = ["Zoë", "Łódź", "plain", "東京", "a b c", "Müller"]
    out = []
    for number in range(lines):
        line = f"{number},{chooser.choice(words)},{chooser.choice(words)}\n"
        other = chooser.random() < share
        out.append(line.encode("cp1252", "replace") if other else line.encode())
    return b"".join(out)


@pytest.mark.parametrize("size", [97, 4096, 1 << 20])
@pytest.mark.parametrize("share", [0.0, 0.002, 0.3])
def test_all_faults_are_found_at_their_offsets_whatever_the_blocks(size: int, share: float) -> None:
    data = mixed(3, 6000, share)
    seen = survey(blocks(data, size))
    assert seen.faults is not None
    assert seen.faults.tolist() == utf8_faults(np.frombuffer(data, dtype=np.uint8)).tolist()
    assert seen.size == len(data)
    assert seen.high_bytes == sum(value >= 0x80 for value in data)


def test_bad_lines_are_counted() -> None:
    data = mixed(5, 4000, 0.05)
    bad = sum(not _is_utf8(line) for line in data.splitlines())
    assert survey(blocks(data, 5000)).bad_lines == bad > 50


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_lines_are_given_whole_and_in_order() -> None:
    data = mixed(7, 500, 0.1)
    for size in (1, 2, 3, 50, 1000, len(data)):
        lines = WholeLines()
        pieces = [piece for block in blocks(data, size) for piece in lines.of(block)] + list(lines.rest())
        assert b"".join(block[start:end] for block, start, end in pieces) == data
        assert all(block[end - 1 : end] == b"\n" for block, _, end in pieces)


def test_a_file_without_line_ends_is_cut_between_characters() -> None:
    data = ("é" * 3333).encode()
    seen = survey(blocks(data, 7))
    assert (seen.bad_lines, seen.high_bytes) == (0, 6666)


def test_a_single_byte_that_tells_two_encodings_apart_is_not_overlooked() -> None:
    lines = [f"{number},Müller aus Köln,{number * 7}" for number in range(12_000)]
    lines[11_500] += ",100 €"
    data = "\n".join(lines).encode("iso8859-15")
    found = detect(BytesSource(data=data), SourceOptions())
    assert data.decode(found.name) == "\n".join(lines)


def test_faults_are_forgotten_where_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadlock.intake._enc_survey.MOST_FAULTS", 10)
    data = mixed(5, 4000, 0.05)
    assert survey(blocks(data, 5000)).faults is None


def test_places_are_those_of_the_true_entries() -> None:
    chooser = np.random.default_rng(1)
    for size in (0, 1, 7, 8, 9, 64, 1000):
        for share in (0.0, 0.01, 0.5, 1.0):
            mask = chooser.random(size) < share
            assert places(mask).tolist() == np.flatnonzero(mask).tolist()


def test_a_big_plain_file_is_looked_at_while_its_digest_is_taken(tmp_path: Path) -> None:
    data = mixed(3, 60_000, 0.01)
    (tmp_path / "a.csv").write_bytes(data)
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(data))
    plain, packed = open_sources([tmp_path / "a.csv", tmp_path / "b.csv.gz"])
    assert len(data) > LEAST_BYTES
    assert plain.survey is not None
    assert packed.survey is None
    assert (plain.survey.size, plain.file.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert detect(plain, SourceOptions()) == detect(packed, SourceOptions())
