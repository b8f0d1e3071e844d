"""Decoded text leads back to the original bytes: whatever the encoding, the faults and the cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadlock.intake import _enc_decode
from loadlock.intake._enc_decode import decode_mixed, decode_sized, mixed_to_utf8
from loadlock.intake.transcode import OriginMap, Transcoder

ENCODINGS = ["cp932", "gb18030", "big5", "euc_kr", "euc_jp", "iso2022_jp", "cp1252", "utf-8", "utf-16-le", "utf-32-be"]
TEXT = st.lists(st.sampled_from(["a", "b,c", "東", "京都", "é", "\n", "x\n", "한국", "Ж", "\\", "|"]), max_size=30).map(
    "".join
)
JUNK = st.lists(st.sampled_from([b"\xff", b"\x81", b"\x1b", b"\x1b$B", b"\x1b(B", b"\xe9", b"\n", b"a"]), max_size=4)


def written(text: str, encoding: str) -> bytes:
    return text.encode(encoding, "ignore")


@settings(max_examples=80, deadline=None)
@given(TEXT, JUNK, TEXT, st.sampled_from(ENCODINGS))
def test_sizes_cover_all_bytes_and_agree_with_decoding_byte_by_byte(
    before: str, junk: list[bytes], after: str, encoding: str
) -> None:
    raw = written(before, encoding) + b"".join(junk) + written(after, encoding)
    found = decode_sized(raw, encoding)
    assert int(found.sizes.sum(dtype=np.int64)) == len(raw)
    assert len(found.sizes) == len(found.text)
    assert all(found.text[place] == "\ufffd" for place in found.bad.tolist())


@settings(max_examples=80, deadline=None)
@given(TEXT, st.sampled_from(ENCODINGS))
def test_valid_text_is_decoded_whole(text: str, encoding: str) -> None:
    raw = written(text, encoding)
    found = decode_sized(raw, encoding)
    assert (found.text, found.bad.tolist()) == (raw.decode(encoding), [])


@settings(max_examples=80, deadline=None)
@given(st.lists(TEXT, max_size=6))
def test_the_quick_way_through_iso_2022_jp_agrees_with_the_slow_one(lines: list[str]) -> None:
    for line in lines:
        raw = written(line.replace("\n", ""), "iso2022_jp") + b"\n"
        quick, slow = _enc_decode._shifted(raw, "iso2022_jp"), _enc_decode._byte_by_byte(raw, "iso2022_jp")
        if quick is not None:
            assert (quick.text, quick.sizes.tolist()) == (slow.text, slow.sizes.tolist())


@settings(max_examples=80, deadline=None)
@given(TEXT, TEXT, st.sampled_from(["cp932", "gb18030", "cp1252", "koi8-r", "euc_kr"]))
def test_lines_in_utf8_are_left_so_and_told(one: str, two: str, encoding: str) -> None:
    first, second = written(one.replace("\n", ""), encoding) + b"\n", (two.replace("\n", "") + "é\n").encode()
    parts = list(decode_mixed(first + second, encoding))
    assert (parts[-1][0].text, parts[-1][1]) == (second.decode(), True)
    assert sum(int(part.sizes.sum(dtype=np.int64)) for part, _ in parts) == len(first + second)


@pytest.mark.parametrize("mixed", [False, True])
@settings(max_examples=80, deadline=None)
@given(
    st.lists(TEXT, min_size=1, max_size=8), st.sampled_from(["cp932", "gb18030", "cp949", "cp1252"]), st.integers(1, 40)
)
def test_each_character_is_found_at_its_offset_in_the_file(
    mixed: bool, lines: list[str], encoding: str, size: int
) -> None:
    raw = written("\n".join(lines), encoding)
    origin, pieces = OriginMap(), []
    blocks = (raw[start : start + size] for start in range(0, len(raw), size))
    for block in Transcoder(mixed=mixed).transcode(blocks, encoding):
        origin.push(block)
        pieces.append(block.data)
    text = b"".join(pieces).decode()
    ends = np.cumsum([len(char.encode()) for char in text])
    starts = origin.offsets(np.concatenate([[0], ends[:-1]])) if text else np.array([], dtype=np.int64)
    stops = [*starts[1:].tolist(), len(raw)]
    found = [raw[start:stop] for start, stop in zip(starts.tolist(), stops, strict=False)]
    wanted = ((char.encode(encoding, "ignore"), char.encode()) for char in text)
    assert all(piece in spellings for piece, spellings in zip(found, wanted, strict=True))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["é", "ab", "Zoë,ü", "", "ñ" * 9])), max_size=12))
def test_the_quick_way_through_mixed_lines_agrees_with_the_slow_one(lines: list[tuple[bool, str]]) -> None:
    raw = b"\n".join(text.encode("utf-8" if is_utf8 else "cp1252") for is_utf8, text in lines)
    quick = mixed_to_utf8(raw, "cp1252")
    parts = list(decode_mixed(raw, "cp1252"))
    assert quick is not None
    assert quick[0].decode() == "".join(part.text for part, _ in parts)
    assert quick[1].tolist() == [size for part, _ in parts for size in part.sizes.tolist()]
    foreign = b"".join(quick[0][start:end] for start, end in quick[2].tolist())
    assert foreign.decode() == "".join(part.text for part, is_utf8 in parts if is_utf8)
