"""The bytes of source files are kept while they are read, and read back whole or in slices."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from loadlock.errors import SourceError, WorkspaceError
from loadlock.intake.files import open_sources
from loadlock.model import SourceFile
from loadlock.staging.frames import MAX_FRAME, MIN_FRAME, Frame, FrameReader
from loadlock.staging.sources import SourceStore

MIB = 1 << 20


def noise(size: int, seed: int = 1) -> bytes:
    """Text that compresses a little."""
    return random.Random(seed).randbytes(size // 2).hex().encode()[:size].ljust(size, b"x")


class Memory:
    """A source in memory, handed out in blocks of the sizes given (the last one again and again)."""

    def __init__(self, content: bytes, *sizes: int, fails: Exception | None = None) -> None:
        digest = hashlib.sha256(content).hexdigest()
        self.file = SourceFile(index=0, path="/in/a.csv", name="a.csv", size_bytes=len(content), sha256=digest)
        self.content = content
        self.sizes = sizes or (MIB,)
        self.fails = fails
        self.opened = 0

    def open(self) -> Iterator[bytes]:
        self.opened += 1
        start, number = 0, 0
        while start < len(self.content):
            size = self.sizes[min(number, len(self.sizes) - 1)]
            yield self.content[start : start + size]
            start, number = start + size, number + 1
        if self.fails:
            raise self.fails

    def head(self, size: int = MIB) -> bytes:
        return self.content[:size]

    def sample(self, size: int = MIB) -> list[bytes]:
        return [self.content[:size]]


@pytest.fixture
def store(tmp_path: Path) -> SourceStore:
    return SourceStore(tmp_path / "sources")


def kept(store: SourceStore, content: bytes, *sizes: int) -> SourceFile:
    source = Memory(content, *sizes)
    assert b"".join(store.tee(source).open()) == content
    return source.file


def files_below(store: SourceStore) -> list[Path]:
    return [path for path in store.root.rglob("*") if path.is_file()]


CONTENTS = {
    "empty": (b"", (1,)),
    "one byte": (b"x", (1,)),
    "many small blocks": (noise(3 * MIB + 7), (999,)),
    "blocks as large as frames": (noise(7 * MIB), (MIN_FRAME, MAX_FRAME, MIN_FRAME)),
    "one huge block": (noise(9 * MIB + 1), (20 * MIB,)),
    "blocks of changing sizes": (noise(8 * MIB), (10, 2 * MIB, MAX_FRAME + 1, 5, MIN_FRAME - 1)),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_what_was_read_is_kept_and_comes_back(store: SourceStore, name: str) -> None:
    content, sizes = CONTENTS[name]
    file = kept(store, content, *sizes)
    assert store.has(file)
    assert store.source(file).file == file
    assert b"".join(store.source(file).open()) == content
    assert b"".join(store.source(file).open()) == content
    assert store.source(file).head(10) == content[:10]


@pytest.mark.parametrize("name", CONTENTS)
def test_frames_are_independent_and_of_one_to_four_mebibytes(store: SourceStore, name: str) -> None:
    content, sizes = CONTENTS[name]
    with store.reader(kept(store, content, *sizes)) as reader:
        assert all(MIN_FRAME <= frame.size <= MAX_FRAME for frame in reader.frames[:-1])
        assert all(frame.size <= MAX_FRAME for frame in reader.frames)
        last = reader.frames[-1:]
        assert [reader.content(frame) for frame in last] == [content[frame.offset :] for frame in last]


def test_the_kept_file_is_plain_zstd(store: SourceStore) -> None:
    program = shutil.which("zstd")
    if program is None:
        pytest.skip("NO PROGRAM: zstd is not installed")
    content = noise(3 * MIB)
    kept(store, content)
    done = subprocess.run([program, "-dc", str(files_below(store)[0])], capture_output=True, check=True)
    assert done.stdout == content


def test_a_source_that_fails_keeps_nothing(store: SourceStore) -> None:
    source = Memory(noise(5 * MIB), fails=SourceError("a.csv changed while it was read"))
    with pytest.raises(SourceError, match="changed while"):
        list(store.tee(source).open())
    assert not store.has(source.file)
    assert files_below(store) == []


def test_a_reader_that_stops_early_keeps_nothing_and_the_next_one_does(store: SourceStore) -> None:
    source = Memory(noise(5 * MIB))
    tee = store.tee(source)
    blocks = tee.open()
    next(blocks)
    blocks.close()  # type: ignore[attr-defined]
    assert files_below(store) == []
    assert b"".join(tee.open()) == source.content
    assert store.has(source.file)


def test_nothing_is_named_before_the_last_block_was_taken(store: SourceStore) -> None:
    source = Memory(noise(2 * MIB), MIB)
    blocks = store.tee(source).open()
    assert len(next(blocks) + next(blocks)) == 2 * MIB
    assert not store.has(source.file)
    assert list(blocks) == []
    assert store.has(source.file)


def test_what_is_kept_already_is_not_written_again(store: SourceStore) -> None:
    source = Memory(noise(MIB))
    list(store.tee(source).open())
    before = files_below(store)[0].stat().st_ino
    assert b"".join(store.tee(source).open()) == source.content
    assert files_below(store)[0].stat().st_ino == before


def test_head_and_sample_come_from_the_source(store: SourceStore) -> None:
    source = Memory(b"abcdef")
    tee = store.tee(source)
    assert (tee.file, tee.head(2), tee.sample(3)) == (source.file, b"ab", [b"abc"])
    assert source.opened == 0


def test_a_sample_of_kept_bytes_is_head_middle_and_end(store: SourceStore) -> None:
    content = noise(9 * MIB)
    source = store.source(kept(store, content))
    head, middle, end = source.sample(3 * MIB)
    assert head == content[:MIB]
    assert middle == content[4 * MIB : 5 * MIB]
    assert end == content[-MIB:]
    assert source.sample(len(content)) == [content]


def test_pieces_of_a_sample_of_kept_bytes_begin_at_whole_characters_and_go_to_the_end(store: SourceStore) -> None:
    content = noise(MIB + 3)
    pieces = store.source(kept(store, content)).sample(100_001)
    assert [content.find(piece) % 4 for piece in pieces] == [0, 0, 0]
    assert content.endswith(pieces[-1])


def test_slices_come_in_the_order_asked_for(store: SourceStore) -> None:
    content = noise(12 * MIB + 5)
    file = kept(store, content, MIB, 3 * MIB, 2 * MIB)
    chance = random.Random(2)
    offsets = [chance.randrange(len(content)) for _ in range(500)] + [MIB - 3, 0, len(content) - 1, 4 * MIB - 30_000]
    lengths = [chance.randrange(300) for _ in range(500)] + [6, 1, 1, 60_000]
    found = store.slices(file, np.array(offsets), np.array(lengths))
    assert found == [content[at : at + length] for at, length in zip(offsets, lengths, strict=True)]


def test_slices_are_cut_at_the_limit_and_at_the_end(store: SourceStore) -> None:
    content = noise(2 * MIB)
    file = kept(store, content)
    found = store.slices(file, np.array([0, len(content) - 5, len(content), 7]), np.array([MIB, 99, 5, 0]))
    assert found == [content[: 64 * 1024], content[-5:], b"", b""]
    assert store.slices(file, np.array([3]), np.array([100]), limit=10) == [content[3:13]]


@pytest.mark.parametrize("change", ["none", "longer", "gone", "other bytes"])
def test_slices_come_from_the_file_itself_while_it_is_unchanged(
    store: SourceStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content := noise(3 * MIB))
    [source] = open_sources([path])
    for _ in store.tee(source).open():
        pass
    store.remember(source)
    unpacked: list[object] = []
    original = FrameReader.content

    def content_of(reader: FrameReader, frame: Frame) -> bytes:
        unpacked.append(frame)
        return original(reader, frame)

    monkeypatch.setattr(FrameReader, "content", content_of)
    if change == "gone":
        path.unlink()
    elif change != "none":
        path.write_bytes(content[::-1] if change == "other bytes" else content + b"x")
        os.utime(path, ns=(1, 1))
    places = np.array([2 * MIB, 5, 3 * MIB - 2]), np.array([10, 3, 10])
    assert store.slices(source.file, *places) == [content[2 * MIB : 2 * MIB + 10], content[5:8], content[-2:]]
    assert bool(unpacked) == (change != "none")


def test_packed_sources_are_cut_from_what_was_kept(store: SourceStore, tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(content := noise(MIB)))
    [source] = open_sources([path])
    for _ in store.tee(source).open():
        pass
    store.remember(source)
    assert store.slices(source.file, np.array([MIB // 2]), np.array([20])) == [content[MIB // 2 : MIB // 2 + 20]]


def test_each_frame_is_unpacked_once(store: SourceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    content = noise(6 * MIB)
    file = kept(store, content)
    unpacked: list[int] = []
    read = FrameReader.content

    def seen(reader: FrameReader, frame: object) -> bytes:
        unpacked.append(frame.offset)  # type: ignore[attr-defined]
        return read(reader, frame)  # type: ignore[arg-type]

    monkeypatch.setattr(FrameReader, "content", seen)
    offsets = np.arange(len(content) - 200, 0, -50_001)
    store.slices(file, offsets, np.full(len(offsets), 300))
    assert sorted(unpacked) == sorted(set(unpacked))
    unpacked.clear()
    store.slices(file, np.array([2 * MIB + 1]), np.array([10]))
    assert unpacked == [2 * MIB]


def test_a_full_disk_is_an_error_of_the_workspace(store: SourceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    source = Memory(noise(MIB))
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(WorkspaceError, match=r"can't keep the bytes of a\.csv .*No space left") as caught:
        list(store.tee(source).open())
    assert caught.value.hint is not None
    assert "free some space" in caught.value.hint
    assert files_below(store) == []


@pytest.mark.parametrize("damage", ["cut", "flip", "table", "nothing"])
def test_damage_is_said_to_be_damage(store: SourceStore, damage: str) -> None:
    file = kept(store, noise(3 * MIB))
    path = files_below(store)[0]
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
    elif damage == "table":
        content[-20] ^= 1
    else:
        del content[{"cut": len(content) - 4, "nothing": 0}[damage] :]
    path.write_bytes(content)
    with pytest.raises(WorkspaceError, match="are damaged"):
        list(store.source(file).open())


def test_bytes_that_are_not_kept_are_an_error_of_the_workspace(store: SourceStore) -> None:
    file = Memory(b"x").file
    with pytest.raises(WorkspaceError, match="are not kept"):
        store.source(file)
    with pytest.raises(WorkspaceError, match="are not kept"):
        store.slices(file, np.array([0]), np.array([1]))
    store.remove(file)


def test_removed_bytes_are_gone(store: SourceStore) -> None:
    file = kept(store, b"x")
    store.remove(file)
    assert not store.has(file)
    assert files_below(store) == []


def test_no_digest_leads_out_of_the_folder(store: SourceStore) -> None:
    file = SourceFile(index=0, path="", name="a", size_bytes=0, sha256="../../etc/passwd")
    with pytest.raises(WorkspaceError, match="no digest"):
        store.has(file)


def test_the_debris_of_killed_processes_is_cleared_and_of_living_ones_not(store: SourceStore) -> None:
    source = Memory(noise(MIB))
    code = (
        "import os, sys, pathlib, loadlock.durable as durable\n"
        "with durable.written_whole(pathlib.Path(sys.argv[1])) as beside:\n"
        "    beside.write_bytes(b'half')\n"
        "    print(beside.name, flush=True)\n"
        "    sys.stdin.read()\n"
        "    os._exit(9)\n"
    )
    path = store.root / source.file.sha256[:2] / f"{source.file.sha256}.zst"
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        debris = path.with_name(process.stdout.readline().strip())
        assert b"".join(store.tee(source).open()) == source.content
        assert debris.exists()
        process.communicate("")
    assert process.returncode == 9
    store.remove(source.file)
    assert b"".join(store.tee(source).open()) == source.content
    assert not debris.exists()
