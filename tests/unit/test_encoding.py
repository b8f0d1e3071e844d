"""Which encoding a file has: pinned, marked, by NULs, UTF-8, detected, or the fallback, with evidence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from loadlock.errors import SourceError
from loadlock.intake.base import SourceOptions
from loadlock.intake.encoding import (
    EncodingFound,
    decode_record,
    detect,
    faults,
    is_ascii_compatible,
    to_utf8,
    utf8_faults,
)
from loadlock.intake.transcode import OriginMap, Transcoder
from loadlock.model import SourceFile

FILE = SourceFile(index=0, path="/x", name="x", size_bytes=0, sha256="")


@dataclass
class Bytes:
    """A source in memory, in small blocks."""

    data: bytes
    block: int = 1000
    file: SourceFile = FILE

    def open(self) -> Iterator[bytes]:
        for start in range(0, len(self.data), self.block):
            yield self.data[start : start + self.block]

    def head(self, size: int = 1 << 20) -> bytes:
        return self.data[:size]

    def sample(self, size: int = 4 << 20) -> list[bytes]:
        return [self.data[:size]]


def found(data: bytes, encoding: str | None = None, fallback: str = "cp1252") -> EncodingFound:
    return detect(Bytes(data), SourceOptions(encoding=encoding, fallback_encoding=fallback))


PLAIN = "".join(f"{number},Smith,Springfield\n" for number in range(300))
WORDS = {
    "cp1252": "Müller Köln Straße München Größe Österreich Weiß Göttingen Zürich Bäcker",
    "cp1250": "Łódź Kraków Gdańsk źródło żółty święty Poznań Wrocław książka Częstochowa",
    "cp1251": "Москва Иванов Новосибирск Екатерина Казань улица Пушкина Владимир Ольга",
    "koi8-r": "Москва Иванов Новосибирск Екатерина Казань улица Пушкина Владимир Ольга",
    "cp866": "Москва Иванов Новосибирск Екатерина Казань улица Пушкина Владимир Ольга",
    "cp1253": "Αθήνα Θεσσαλονίκη Γιάννης Παπαδόπουλος Πάτρα Ηράκλειο Δημήτρης Ελένη",
    "cp932": "東京都 大阪市 山田太郎 鈴木 ひらがな カタカナ 株式会社 北海道 佐藤花子",
    "big5": "臺北市 高雄 陳怡君 林志明 有限公司 臺中 黃淑芬 中華路 新竹 基隆",
    "gb18030": "北京市 上海 张伟 王芳 广州 有限公司 深圳 李娜 中华路 杭州 成都",
    "cp949": "서울특별시 부산 김민수 이영희 박지훈 대구 주식회사 인천 광주 최수진",
}


def table(words: str, rows: int = 300) -> str:
    return "".join(f"{n},{' '.join(words.split()[n % 5 : n % 5 + 4])},x{n}\n" for n in range(rows))


@pytest.mark.parametrize("encoding", WORDS)
def test_legacy_encodings_of_a_full_table_are_detected(encoding: str) -> None:
    text = table(WORDS[encoding])
    answer = found(text.encode(encoding))
    assert answer.how == "detected"
    assert text.encode(encoding).decode(answer.name) == text


def test_plain_ascii_is_utf8_without_high_bytes() -> None:
    answer = found(PLAIN.encode())
    assert (answer.name, answer.how, answer.high_bytes, answer.confidence) == ("utf-8", "utf8", 0, 1.0)


def test_utf8_is_told_from_the_whole_file_and_not_from_its_head() -> None:
    assert found((PLAIN * 100 + "1,Zoë,Łódź\n").encode()).how == "utf8"
    assert found((PLAIN * 100 + "1,Zoë\n").encode("cp1252")).how == "fallback"


def test_some_foreign_lines_leave_a_file_utf8_and_are_counted() -> None:
    data = b"".join(
        (f"{n},Zoë Łódź\n".encode() if n % 20 else f"{n},Jürgen Müller\n".encode("cp1252")) for n in range(200)
    )
    answer = found(data)
    assert (answer.name, answer.how, answer.bad_lines) == ("utf-8", "utf8", 10)
    assert answer.fallback == "cp1252"
    assert answer.samples[0] == ("0,J�rgen M�ller", "0,Jürgen Müller")


def test_a_few_high_bytes_give_the_fallback_and_never_an_exotic_answer() -> None:
    data = (PLAIN + "7,O\xa0Neil,caf\xe9\n").encode("cp1252")
    answer = found(data)
    assert (answer.name, answer.how, answer.high_bytes) == ("cp1252", "fallback", 2)
    assert answer.to_json()["low_confidence"] is True
    assert found(data, fallback="iso8859-15").name == "iso8859-15"


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"\xef\xbb\xbf", "utf-8"),
        (b"\xff\xfe", "utf-16-le"),
        (b"\xfe\xff", "utf-16-be"),
        (b"\xff\xfe\x00\x00", "utf-32-le"),
        (b"\x00\x00\xfe\xff", "utf-32-be"),
    ],
)
def test_a_byte_order_mark_decides(mark: bytes, encoding: str) -> None:
    answer = found(mark + "a,é\n".encode(encoding))
    assert (answer.name, answer.how, answer.bom_bytes) == (encoding, "bom", len(mark))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", [PLAIN, table(WORDS["gb18030"])])
def test_wide_encodings_without_a_mark_are_told_by_their_nuls(encoding: str, text: str) -> None:
    answer = found(text.encode(encoding))
    assert (answer.name, answer.how) == (encoding, "nul_pattern")


def test_a_stray_nul_does_not_make_a_file_utf16() -> None:
    assert found((PLAIN + "a\0b\n").encode()).name == "utf-8"
    assert found(bytes(5000)).name == "utf-8"


def test_iso_2022_is_looked_for_before_utf8() -> None:
    assert found(table(WORDS["cp932"]).encode("iso2022_jp")).name == "iso2022_jp"
    assert found(b"a,\x1b$x\n" + PLAIN.encode()).name == "utf-8"


def test_a_pinned_encoding_is_taken_and_its_mark_is_counted() -> None:
    answer = found(b"\xef\xbb\xbfa\n", encoding="UTF8")
    assert (answer.name, answer.how, answer.bom_bytes) == ("utf-8", "pinned", 3)
    assert found("a".encode("utf-16-be"), encoding="utf-16-be").name == "utf-16-be"
    assert found(b"\xfe\xff\x00a", encoding="utf-16").name == "utf-16-be"
    assert found(b"a\x00", encoding="utf-16").name == "utf-16-le"


@pytest.mark.parametrize("name", ["no-such", "rot13", "base64"])
def test_an_unknown_encoding_is_a_source_error(name: str) -> None:
    with pytest.raises(SourceError, match="unknown encoding"):
        found(b"x", encoding=name)


def test_a_character_cut_by_a_block_is_no_fault() -> None:
    data = ("é" * 3333).encode()
    assert detect(Bytes(data, block=7), SourceOptions()).bad_lines == 0


@pytest.mark.parametrize(
    ("name", "safe"),
    [("utf-8", True), ("cp1252", True), ("koi8-r", True), ("cp437", True), ("euc_jp", True), ("euc_kr", True)]
    + [
        (name, False)
        for name in ("utf-16", "utf-32-le", "shift_jis", "cp932", "big5", "gb18030", "cp949", "iso2022_jp")
    ],
)
def test_only_encodings_whose_trail_bytes_are_no_ascii_can_be_split_undecoded(name: str, safe: bool) -> None:
    assert is_ascii_compatible(name) is safe


def reference_faults(data: bytes) -> list[int]:
    bad, place = [], 0
    while place < len(data):
        size = next((size for size in (1, 2, 3, 4) if _is_character(data[place : place + size], size)), 0)
        bad.extend([] if size else [place])
        place += size or 1
    return bad


def _is_character(piece: bytes, size: int) -> bool:
    try:
        return len(piece) == size and len(piece.decode()) == 1
    except UnicodeDecodeError:
        return False


def test_utf8_faults_agree_with_python_on_random_bytes() -> None:
    chooser = np.random.default_rng(7)
    pool = np.array(
        [0x41, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1, 0xC2, 0xDF, 0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xF5, 0xFF]
    )
    for _ in range(3000):
        data = chooser.choice(pool, chooser.integers(0, 9)).astype(np.uint8).tobytes()
        assert utf8_faults(np.frombuffer(data, dtype=np.uint8)).tolist() == reference_faults(data), data


def test_faults_of_single_byte_and_multi_byte_encodings() -> None:
    assert faults(b"a\x81b\xe9\x9d", "cp1252").tolist() == [1, 4]
    assert faults(b"a\x81b\xe9", "latin-1").tolist() == []
    assert faults(b"ab\xff,", "euc_kr").tolist() == [2]


def test_to_utf8_and_decode_record() -> None:
    assert to_utf8(b"caf\xe9", "cp1252") == "café".encode()
    assert to_utf8(b"a\x81", "cp1252") == "a\ufffd".encode()
    assert decode_record(b"caf\xe9", "utf-8") is None
    assert decode_record(b"caf\xe9", "cp1252") == "café"


SAMPLES = {
    "cp932": "東京,ｶﾅソ表\nabc,ポー\r\n",
    "big5": "臺北市,功,許\n|a\n",
    "gb18030": "北京,𠀀€ḿ\n,é\n",
    "cp949": "서울,김똠\n",
    "utf-16-le": "aé漢😀,\n",
    "utf-16-be": "aé漢😀,\n",
    "utf-32-le": "aé漢😀,\n",
    "cp1252": "é,ü\n",
}


@pytest.mark.parametrize("encoding", SAMPLES)
@pytest.mark.parametrize("block", [7, 64, 100_000])
def test_transcoding_maps_every_character_to_its_original_offset(encoding: str, block: int) -> None:
    text = SAMPLES[encoding] * 20
    raw = text.encode(encoding)
    blocks = list(Transcoder().transcode(Bytes(raw, block).open(), encoding))
    assert b"".join(piece.data for piece in blocks).decode() == text
    assert b"".join(piece.raw for piece in blocks) == raw
    for piece in blocks:
        characters = piece.data.decode()
        places = np.array([len(characters[:count].encode()) for count in range(len(characters) + 1)])
        wanted = [piece.start + len(characters[:count].encode(encoding)) for count in range(len(characters) + 1)]
        assert piece.original_offsets(places).tolist() == wanted


def test_escape_sequences_belong_to_the_character_behind_them() -> None:
    [piece] = Transcoder().transcode(iter(["a東b\n".encode("iso2022_jp")]), "iso2022_jp")
    assert piece.data.decode() == "a東b\n"
    assert piece.original_offsets(np.array([0, 1, 4, 5, 6])).tolist() == [0, 1, 6, 10, 11]


@pytest.mark.parametrize(
    ("encoding", "raw", "text", "bad"),
    [
        ("utf-16-le", b"a\x00\x00\xd8b\x00", "a\ufffdb", [1]),
        ("utf-16-le", b"a\x00b", "a\ufffd", [1]),
        ("utf-32-le", b"a\x00\x00\x00\x00\x00\x11\x00", "a\ufffd", [1]),
        ("big5", b"x\xa4,y\n", "x\ufffd,y\n", [1]),
        ("shift_jis", b"\x82\xa0\xff\n", "あ\ufffd\n", [3]),
    ],
)
def test_undecodable_bytes_are_marked_and_take_no_neighbour_along(
    encoding: str, raw: bytes, text: str, bad: list[int]
) -> None:
    origin = OriginMap()
    pieces = list(Transcoder().transcode(iter([raw]), encoding))
    for piece in pieces:
        origin.push(piece)
    assert b"".join(piece.data for piece in pieces).decode() == text
    assert origin.bad_positions(0, 100).tolist() == bad
    assert origin.offsets(np.array([len(text.encode())])).tolist() == [len(raw)]
    assert origin.raw(0, len(raw)) == raw


def test_a_byte_order_mark_is_left_out_and_counted_in_the_offsets() -> None:
    [piece] = Transcoder().transcode(iter(["\ufeffab".encode("utf-16-le")]), "utf-16-le", 2)
    assert (piece.data, piece.start) == (b"ab", 2)
    assert piece.original_offsets(np.array([0, 1, 2])).tolist() == [2, 4, 6]
