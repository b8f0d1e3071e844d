"""Source files: finding, opening, decompressing, and refusing what is damaged."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import zipfile
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest

from loadlock.errors import SourceError
from loadlock.intake.files import ExpansionLimits, find_files, open_sources

TEXT = b"".join(b"%d,some text,more\n" % number for number in range(20_000))


def everything(path: Path) -> bytes:
    [source] = open_sources([path])
    return b"".join(source.open())


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_a_folder_gives_its_visible_files_in_natural_order(tmp_path: Path) -> None:
    for name in ("part-10.csv", "part-9.csv", ".hidden"):
        write(tmp_path / name, b"x")
    (tmp_path / "deeper").mkdir()
    write(tmp_path / "deeper" / "no.csv", b"x")
    assert [path.name for path in find_files(["."], tmp_path)] == ["part-9.csv", "part-10.csv"]


def test_a_file_named_twice_is_found_once(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", b"x")
    write(tmp_path / "b.csv", b"x")
    assert [path.name for path in find_files(["*.csv", "a.csv", str(tmp_path)], tmp_path)] == ["a.csv", "b.csv"]


def test_a_name_with_brackets_is_a_path_before_it_is_a_pattern(tmp_path: Path) -> None:
    write(tmp_path / "a[1].csv", b"x")
    write(tmp_path / "a1.csv", b"x")
    assert [path.name for path in find_files(["a[1].csv"], tmp_path)] == ["a[1].csv"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("missing.csv", "there is no file"),
        ("*.nothing", "matches no file"),
        ("empty", "holds no files"),
        ("pipe", "no regular file"),
        ("dangling", "there is no file"),
    ],
)
def test_what_is_no_readable_file_is_said_so(tmp_path: Path, pattern: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(SourceError, match=message) as caught:
        find_files([pattern], tmp_path)
    assert caught.value.hint


def test_a_file_without_read_rights_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.csv", b"x")
    path.chmod(0)
    # the superuser may read everything: ask as anybody else
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(SourceError, match="no permission"):
        find_files(["a.csv"], tmp_path)


@pytest.mark.parametrize(
    "packed",
    [
        TEXT,
        gzip.compress(TEXT),
        gzip.compress(TEXT[:1000]) + gzip.compress(TEXT[1000:]),
        bz2.compress(TEXT),
        lzma.compress(TEXT),
        pa.compress(TEXT, "zstd", asbytes=True),
        pa.compress(TEXT[:1000], "zstd", asbytes=True) + pa.compress(TEXT[1000:], "zstd", asbytes=True),
    ],
    ids=["plain", "gz", "gz of two members", "bz2", "xz", "zst", "zst of two frames"],
)
def test_compression_is_told_by_the_bytes_and_not_by_the_name(tmp_path: Path, packed: bytes) -> None:
    path = write(tmp_path / "data.txt", packed)
    [source] = open_sources([path])
    assert b"".join(source.open()) == TEXT
    assert source.head(100) == TEXT[:100]
    assert b"".join(source.sample(3000)).startswith(TEXT[:700])
    assert (source.file.size_bytes, source.file.sha256) == (len(packed), hashlib.sha256(packed).hexdigest())
    assert (source.file.name, source.file.path) == ("data.txt", str(path))


def test_a_plain_file_gives_samples_from_all_over_it(tmp_path: Path) -> None:
    numbers = b"".join(b"%03d," % number for number in range(1000))
    [source] = open_sources([write(tmp_path / "a", numbers)])
    pieces = source.sample(560)
    assert (pieces[0], pieces[-1]) == (numbers[:140], numbers[-140:])
    starts = [int(piece[:3]) for piece in pieces]
    assert starts == sorted(set(starts))
    assert max(after - before for before, after in pairwise(starts)) < 100
    assert sum(map(len, pieces)) <= 560


@pytest.mark.parametrize("more", range(4))
def test_a_sample_goes_to_the_end_of_a_file_of_any_size(tmp_path: Path, more: int) -> None:
    data = bytes(range(250)) * 16 + b"x" * more
    [source] = open_sources([write(tmp_path / "a", data)])
    last = source.sample(560)[-1]
    assert data.endswith(last)
    assert 140 <= len(last) <= 143
    assert (len(data) - len(last)) % 4 == 0


@pytest.mark.parametrize(
    "packed",
    [
        gzip.compress(TEXT)[:-9],
        gzip.compress(TEXT)[:5000] + b"\x00" * 50 + gzip.compress(TEXT)[5050:],
        gzip.compress(TEXT) + b"trailing",
        pa.compress(TEXT, "zstd", asbytes=True)[:-3],
        bz2.compress(TEXT)[:-9],
        lzma.compress(TEXT)[:-9],
    ],
    ids=["gz cut off", "gz with wrong bytes", "gz with a tail", "zst cut off", "bz2 cut off", "xz cut off"],
)
def test_damaged_archives_are_refused_by_name_and_place(tmp_path: Path, packed: bytes) -> None:
    path = write(tmp_path / "broken.gz", packed)
    with pytest.raises(SourceError, match=r"broken\.gz is damaged or cut off near byte [\d,]+"):
        everything(path)


def make_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_each_member_of_a_zip_is_a_file_of_its_own(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"b/two.csv": b"2", "one.csv": b"1", "__MACOSX/x": b"", "b/.DS_Store": b""})
    found = open_sources([path])
    assert [(source.file.index, source.file.name, b"".join(source.open())) for source in found] == [
        (0, "one.csv", b"1"),
        (1, "two.csv", b"2"),
    ]
    assert found[1].file.path == f"{path}!b/two.csv"
    assert found[1].file.sha256 == hashlib.sha256(b"2").hexdigest()


@pytest.mark.parametrize(
    ("name", "message"),
    [("../evil.csv", "points outside"), ("/etc/evil.csv", "points outside"), ("C:\\evil.csv", "points outside")],
)
def test_members_that_must_not_be_read_are_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        open_sources([make_zip(tmp_path / "a.zip", {name: b"x"})])


def test_an_office_document_is_one_file_though_it_is_an_archive(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.xlsx", {"[Content_Types].xml": b"x", "xl/workbook.xml": b"y"})
    assert everything(path) == path.read_bytes()


def test_encrypted_members_are_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.csv": b"x"})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x03\x04") + 6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(SourceError, match="encrypted"):
        open_sources([path])


def test_a_zip_whose_directory_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.csv": TEXT})
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(SourceError, match="damaged or cut off"):
        open_sources([path])


def test_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    limits = ExpansionLimits(ratio=10, free_bytes=1000)
    [source] = open_sources([write(tmp_path / "a.gz", gzip.compress(bytes(1 << 20)))], limits=limits)
    with pytest.raises(SourceError, match="decompression bomb"):
        list(source.open())


def test_a_zip_member_that_expands_too_far_is_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a": bytes(1 << 20)})
    with pytest.raises(SourceError, match="decompression bomb"):
        open_sources([path], limits=ExpansionLimits(ratio=10, free_bytes=1000))


def test_the_batch_order_is_by_name_then_digest(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "y").mkdir()
    paths = [write(tmp_path / "y" / "b", b"1"), write(tmp_path / "x" / "b", b"2"), write(tmp_path / "x" / "a", b"3")]
    found = open_sources(paths)
    assert [source.file.name for source in found] == ["a", "b", "b"]
    assert [source.file.index for source in found] == [0, 1, 2]
    assert found[1].file.sha256 < found[2].file.sha256
    assert [s.file.path for s in open_sources(paths[::-1])] == [s.file.path for s in found]


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", TEXT)
    [source] = open_sources([path])
    blocks = source.open()
    next(blocks)
    with path.open("ab") as stream:
        stream.write(b"more\n")
    with pytest.raises(SourceError, match="changed while it was read"):
        list(blocks)


def test_a_file_with_other_bytes_of_the_same_size_and_time_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", TEXT)
    [source] = open_sources([path])
    modified = path.stat().st_mtime_ns
    with path.open("r+b") as stream:
        stream.write(b"X")
    os.utime(path, ns=(modified, modified))
    with pytest.raises(SourceError, match="changed while it was read"):
        list(source.open())


def test_a_file_that_vanishes_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", TEXT)
    [source] = open_sources([path])
    path.unlink()
    with pytest.raises(SourceError, match="vanished"):
        list(source.open())
