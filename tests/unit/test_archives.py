"""Archives: every member a file, however deep it lies; bombs, damage, links, passwords and outside names are refused."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest

from loadlock.errors import SourceError
from loadlock.intake.files import ExpansionLimits, Keep, open_sources

ROWS = b"".join(b"%d,some text,more\n" % number for number in range(20_000))
SMALL = b"id,name\n1,Ann\n"


def zst(data: bytes) -> bytes:
    packed: bytes = pa.compress(data, "zstd", asbytes=True)
    return packed


def tar(members: dict[str, bytes], *, form: int = tarfile.PAX_FORMAT) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=form) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return packed.getvalue()


def write(folder: Path, data: bytes, name: str = "in.bin") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def contents(path: Path, limits: ExpansionLimits | None = None) -> dict[str, bytes]:
    """Label (without the folder) → bytes of each source."""
    sources = open_sources([path], limits=limits)
    return {source.file.path.removeprefix(f"{path}!"): b"".join(source.open()) for source in sources}


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zst,
}


@pytest.mark.parametrize("packer", PACKERS)
def test_a_packed_tar_gives_its_members(tmp_path: Path, packer: str) -> None:
    path = write(tmp_path, PACKERS[packer](tar({"a/one.csv": ROWS, "two.csv": SMALL})))
    assert contents(path) == {"a/one.csv": ROWS, "two.csv": SMALL}


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_and_foreign_names_of_tar_members_are_read(tmp_path: Path, form: int) -> None:
    name = "/".join(["Bestellungen"] * (9 if form == tarfile.USTAR_FORMAT else 30)) + "/März.csv"
    assert contents(write(tmp_path, tar({name: SMALL}, form=form))) == {name: SMALL}


def test_archives_lie_within_archives(tmp_path: Path) -> None:
    inner = tar({"day/orders.csv.gz": gzip.compress(ROWS), "plain.csv": SMALL})
    path = write(
        tmp_path, zipped({"a.tar": inner, "b.tar.xz": lzma.compress(inner), "c.zip": zipped({"x.csv": SMALL})})
    )
    assert contents(path) == {
        "a.tar!day/orders.csv.gz": ROWS,
        "a.tar!plain.csv": SMALL,
        "b.tar.xz!day/orders.csv.gz": ROWS,
        "b.tar.xz!plain.csv": SMALL,
        "c.zip!x.csv": SMALL,
    }


def test_a_compressed_zip_and_a_file_packed_twice_are_opened(tmp_path: Path) -> None:
    assert contents(write(tmp_path, gzip.compress(zipped({"x.csv": SMALL})))) == {"x.csv": SMALL}
    [source] = open_sources([write(tmp_path, zst(gzip.compress(ROWS)), "twice")])
    assert b"".join(source.open()) == ROWS


def test_a_member_has_the_digest_that_it_has_outside(tmp_path: Path) -> None:
    packed = gzip.compress(ROWS)
    for archive in (tar({"a.csv.gz": packed}), gzip.compress(tar({"a.csv.gz": packed})), zipped({"a.csv.gz": packed})):
        [source] = open_sources([write(tmp_path, archive)])
        assert (source.file.name, source.file.sha256) == ("a.csv.gz", hashlib.sha256(packed).hexdigest())
        assert source.head(100) == ROWS[:100]
        assert b"".join(source.sample(3000)).startswith(ROWS[:1000])


def test_a_member_of_a_plain_tar_is_read_where_it_lies(tmp_path: Path) -> None:
    path = write(tmp_path, tar({"a.csv": b"a" * 5000, "b.csv": b"b" * 1000 + b"c" * 1000 + b"d" * 1000}))
    spool = tmp_path / "spool"
    spool.mkdir()
    found = {source.file.name: source for source in open_sources([path], keep=Keep.in_folder(spool))}
    pieces = found["b.csv"].sample(300)
    assert (pieces[0], pieces[-1], {*b"".join(pieces)}) == (b"b" * 75, b"d" * 76, {*b"bcd"})
    assert list(spool.iterdir()) == []


def test_what_was_unpacked_is_removed(tmp_path: Path) -> None:
    keep = Keep.in_folder(tmp_path / "in")
    (tmp_path / "in").mkdir()
    sources = open_sources([write(tmp_path, gzip.compress(tar({"a.csv": SMALL})))], keep=keep)
    assert list((tmp_path / "in").iterdir())
    assert b"".join(sources[0].open()) == SMALL
    keep.close()
    assert list((tmp_path / "in").iterdir()) == []


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_zip_members_of_all_usual_methods_are_read(tmp_path: Path, method: int) -> None:
    # flat data: the decompressor still holds output when its input is at the end
    data = bytes(3 << 20)
    assert contents(write(tmp_path, zipped({"a": ROWS, "b": data}, method))) == {"a": ROWS, "b": data}


def test_zip_members_packed_by_zstd_are_read(tmp_path: Path) -> None:
    plain = zipped({"a.csv": ROWS}, zipfile.ZIP_STORED)
    packed = zst(ROWS)
    head, entry = bytearray(plain[: 30 + 5]), bytearray(plain[plain.index(b"PK\x01\x02") : plain.index(b"PK\x05\x06")])
    for part, at in ((head, 8), (entry, 10)):
        struct.pack_into("<H", part, at, 93)
    struct.pack_into("<I", head, 18, len(packed))
    struct.pack_into("<I", entry, 20, len(packed))
    body = bytes(head) + packed
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(entry), len(body), 0)
    assert contents(write(tmp_path, body + bytes(entry) + end)) == {"a.csv": ROWS}


def test_members_with_one_name_are_all_read(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.csv", b"1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.csv", b"2")
    sources = open_sources([write(tmp_path, packed.getvalue())])
    assert sorted(b"".join(source.open()) for source in sources) == [b"1", b"2"]


def test_hidden_members_and_a_macs_shadow_files_are_left_out(tmp_path: Path) -> None:
    members = {"a.csv": SMALL, "._a.csv": b"x", ".DS_Store": b"x", "__MACOSX/._a.csv": b"x"}
    for archive in (tar(members), zipped(members), gzip.compress(tar(members))):
        assert contents(write(tmp_path, archive)) == {"a.csv": SMALL}


# --- damage


def damages() -> dict[str, bytes]:
    packed, twice = bz2.compress(ROWS), bz2.compress(ROWS[:9000])
    plain = tar({"a.csv": ROWS, "b.csv": ROWS})
    second = plain.index(b"b.csv")
    flipped = bytearray(zipped({"a.csv": ROWS}))
    flipped[200] ^= 1
    return {
        "bz2 with rubbish behind its first stream": twice + b"rubbish" + packed,
        "bz2 whose second stream is damaged": twice + b"BZx" + packed[3:],
        "bz2 cut off in its second stream": twice + packed[:-20],
        "xz with rubbish behind its first stream": lzma.compress(SMALL) + b"rubbish!",
        "xz cut off in its second stream": lzma.compress(SMALL) + lzma.compress(ROWS)[:-20],
        "gz whose second member is damaged": gzip.compress(SMALL) + b"\x1f\x8c" + gzip.compress(ROWS)[2:],
        "gz with a wrong checksum": gzip.compress(ROWS)[:-8] + b"\0\0\0\0" + gzip.compress(ROWS)[-4:],
        "tar cut off in a member": plain[:5000],
        "tar cut off between members": plain[:second],
        "tar cut off in a header": plain[: second + 100],
        "tar without its end mark": plain[: second + 512 + len(ROWS) + -len(ROWS) % 512],
        "tar with a damaged header in the middle": plain[:second] + b"X" + plain[second + 1 :],
        "packed tar without its end mark": gzip.compress(plain[: second + 512 + len(ROWS) + -len(ROWS) % 512]),
        "zip cut off": zipped({"a.csv": ROWS})[:-30],
        "zip with a changed byte": bytes(flipped),
        "zip whose list tells another size": zipped({"a.csv": ROWS}, zipfile.ZIP_STORED).replace(
            struct.pack("<II", len(ROWS), len(ROWS)), struct.pack("<II", len(ROWS) - 1, len(ROWS) - 1)
        ),
    }


@pytest.mark.parametrize("case", damages())
def test_damage_is_never_taken_for_the_end(tmp_path: Path, case: str) -> None:
    path = write(tmp_path, damages()[case], "broken")
    with pytest.raises(SourceError, match=r"broken.* is damaged or cut off") as caught:
        contents(path)
    assert caught.value.hint


def test_padding_behind_compressed_streams_is_no_damage(tmp_path: Path) -> None:
    for packed in (gzip.compress(SMALL) + bytes(512), lzma.compress(SMALL) + bytes(8) + lzma.compress(b"2,Bo\n")):
        [source] = open_sources([write(tmp_path, packed)])
        assert b"".join(source.open()).startswith(SMALL)


def test_a_second_archive_behind_a_tar_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="more bytes behind its end"):
        contents(write(tmp_path, tar({"a": SMALL}) + tar({"b": SMALL})))


# --- what must not be opened


@pytest.mark.parametrize("name", ["../evil.csv", "/etc/evil.csv", "a/../../evil.csv", "..\\evil.csv", "C:/evil.csv"])
@pytest.mark.parametrize("pack", [tar, zipped])
def test_names_that_point_outside_are_refused(tmp_path: Path, pack: Callable[..., bytes], name: str) -> None:
    with pytest.raises(SourceError, match="points outside the archive"):
        contents(write(tmp_path, pack({name: SMALL})))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        info = tarfile.TarInfo("a.csv")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(SourceError, match=r"member 'a\.csv' of .* is (a link, no file|no regular file)"):
        contents(write(tmp_path, packed.getvalue()))


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        info = zipfile.ZipInfo("a.csv")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(SourceError, match="is a link"):
        contents(write(tmp_path, packed.getvalue()))


def test_an_encrypted_member_deep_inside_is_named(tmp_path: Path) -> None:
    inner = bytearray(zipped({"secret.csv": SMALL}))
    inner[6] |= 1
    inner[inner.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(SourceError, match=r"'secret\.csv' of .*in\.bin!inner\.zip is encrypted") as caught:
        contents(write(tmp_path, gzip.compress(tar({"inner.zip": bytes(inner)}))))
    assert "Decrypt" in (caught.value.hint or "")


def test_an_unusual_packing_method_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="packed by the method lzma"):
        contents(write(tmp_path, zipped({"a.csv": SMALL}, zipfile.ZIP_LZMA)))


@pytest.mark.parametrize("archive", [zipped({}), gzip.compress(tar({".hidden": b"x"}))], ids=["zip", "tar.gz"])
def test_an_archive_without_files_is_said_so(tmp_path: Path, archive: bytes) -> None:
    with pytest.raises(SourceError, match="holds no files"):
        contents(write(tmp_path, archive))


# --- bombs

TIGHT = ExpansionLimits(ratio=20, free_bytes=100_000)
ZEROS = bytes(8 << 20)


@pytest.mark.parametrize(
    "bomb",
    [
        gzip.compress(ZEROS),
        bz2.compress(ZEROS),
        lzma.compress(ZEROS),
        zst(ZEROS),
        zipped({"a": ZEROS}),
        zipped({str(n): ZEROS[: 1 << 18] for n in range(32)}),
        gzip.compress(tar({"a": ZEROS})),
        gzip.compress(gzip.compress(gzip.compress(ZEROS))),
        zipped({"a.gz": gzip.compress(ZEROS)}),
        tar({"a.zip": zipped({"b": ZEROS})}),
        zipped({str(n): gzip.compress(tar({"a": ZEROS[: 1 << 18]}), mtime=n) for n in range(32)}),
    ],
)
def test_what_expands_too_far_is_refused(tmp_path: Path, bomb: bytes) -> None:
    with pytest.raises(SourceError, match="decompression bomb") as caught:
        contents(write(tmp_path, bomb), TIGHT)
    assert "expand_ratio" in (caught.value.hint or "")


def test_a_member_that_lies_about_its_size_is_refused_before_it_fills_the_disk(tmp_path: Path) -> None:
    packed = zipped({"a": ZEROS}).replace(struct.pack("<I", len(ZEROS)), struct.pack("<I", 1000))
    with pytest.raises(SourceError, match="longer than the list of members says"):
        contents(write(tmp_path, packed), TIGHT)


def test_the_absolute_limit_holds_whatever_the_ratio(tmp_path: Path) -> None:
    random = os.urandom(50_000)
    with pytest.raises(SourceError, match="decompression bomb"):
        contents(write(tmp_path, gzip.compress(random)), ExpansionLimits(max_bytes=40_000))


def test_too_many_members_are_refused(tmp_path: Path) -> None:
    many = {f"{number}.csv": b"" for number in range(20)}
    for archive in (tar(many), zipped(many), zipped({"a.tar": tar(many)}), gzip.compress(tar(many))):
        with pytest.raises(SourceError, match=r"more than 1\d"):
            contents(write(tmp_path, archive), ExpansionLimits(members=15))


def test_packing_too_deep_is_refused(tmp_path: Path) -> None:
    deep = SMALL
    for _ in range(4):
        deep = zipped({"a": gzip.compress(deep)})
    assert contents(write(tmp_path, deep)) == {"a!a!a!a": SMALL}
    with pytest.raises(SourceError, match="packed more than 8 times over"):
        contents(write(tmp_path, gzip.compress(deep)))
    with pytest.raises(SourceError, match="packed more than 2 times over"):
        contents(write(tmp_path, gzip.compress(gzip.compress(gzip.compress(SMALL)))), ExpansionLimits(depth=2))


def test_a_huge_extended_header_is_refused_in_small_memory(tmp_path: Path) -> None:
    info = tarfile.TarInfo("a")
    info.type, info.size = tarfile.XHDTYPE, 4 << 30
    path = write(tmp_path, gzip.compress(info.tobuf() + bytes(1 << 20)))
    tracemalloc.start()
    with pytest.raises(SourceError, match="extended header"):
        contents(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


def test_an_xz_stream_that_wants_too_much_memory_is_refused(tmp_path: Path) -> None:
    engine = lzma.LZMACompressor(lzma.FORMAT_XZ, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20}])
    small = engine.compress(SMALL) + engine.flush()
    # the dictionary's size stands in the block header, under a checksum of its own
    at = small.index(bytes([0x21, 0x01]), 12)
    header = bytearray(small[12 : 12 + (small[12] + 1) * 4])
    header[at - 12 + 2] = 36  # 1 GiB
    header[-4:] = struct.pack("<I", zlib.crc32(bytes(header[:-4])))
    with pytest.raises(SourceError, match=r"(?i)memory"):
        contents(write(tmp_path, small[:12] + bytes(header) + small[12 + len(header) :]))


def test_a_big_packed_archive_is_opened_in_flat_memory(tmp_path: Path) -> None:
    path = write(tmp_path, gzip.compress(tar({"a.csv": bytes(64 << 20)}), compresslevel=1))
    tracemalloc.start()
    [source] = open_sources([path])
    size = sum(map(len, source.open()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size == 64 << 20
    assert peak < 40 << 20


def spoilt(data: bytes, random: Random) -> bytes:
    """The data with a few faults: changed, lost, repeated and cut off bytes."""
    found = bytearray(data)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(found))
        fault = random.choice(("change", "high", "cut", "lose", "repeat"))
        if fault == "change":
            found[at] = random.randrange(256)
        elif fault == "high":
            found[at : at + 8] = b"\xff" * 8
        elif fault == "repeat":
            found[at:at] = found[at : at + 600]
        else:
            del found[at : len(found) if fault == "cut" else at + 600]
        found = found or bytearray(b"x")
    return bytes(found)


def test_any_bytes_end_in_sources_or_in_one_clear_error(tmp_path: Path) -> None:
    data = ROWS[:3000]
    members = {"a.csv": data, "x" * 150 + "/ü.csv": data}
    packed = [
        *(pack(data) for pack in PACKERS.values()),
        tar(members),
        tar(members, form=tarfile.GNU_FORMAT),
        zipped(members),
        zipped({"a.tar.gz": gzip.compress(tar({"b.csv.xz": lzma.compress(data)}))}),
    ]
    random = Random(20240301)
    refused: list[SourceError] = []
    for _ in range(60):
        for archive in packed:
            try:
                contents(write(tmp_path, spoilt(archive, random)))
            except SourceError as error:
                refused.append(error)
    assert len(refused) > 300
    assert all(error.hint for error in refused)


@pytest.mark.parametrize("packer", PACKERS)
def test_no_beginning_of_a_compressed_file_passes_for_the_whole(tmp_path: Path, packer: str) -> None:
    packed = PACKERS[packer](ROWS[:3000])
    for size in range(12, len(packed)):
        with pytest.raises(SourceError, match="cut off"):
            contents(write(tmp_path, packed[:size]))


def test_a_member_whose_place_lies_before_the_archive_is_refused(tmp_path: Path) -> None:
    packed = bytearray(zipped({"a.csv": SMALL}))
    # a directory that begins later than it is: Python takes the rest for something before the archive
    end = packed.index(b"PK\x05\x06")
    struct.pack_into("<I", packed, end + 16, struct.unpack_from("<I", packed, end + 16)[0] + 20)
    with pytest.raises(SourceError, match="damaged"):
        contents(write(tmp_path, bytes(packed)))
