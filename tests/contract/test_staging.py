"""Both stagings keep the contract."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

from loadlock.errors import WorkspaceError
from loadlock.staging.parquet import ParquetStaging
from loadlock.testing.contracts.staging import BATCH, StagingCase, StagingContract, key, numbered, raw_part
from loadlock.testing.twins import SqlStaging


def failing(name: str, number: int = errno.ENOSPC) -> AbstractContextManager[object]:
    """The call `os.<name>` fails."""

    @contextmanager
    def patched() -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:

            def fail(*_: object, **__: object) -> None:
                raise OSError(number, os.strerror(number))

            patch.setattr(os, name, fail)
            yield

    return patched()


class TestParquetStaging(StagingContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> StagingCase:
        return StagingCase(staging=ParquetStaging(tmp_path), broken=lambda: failing("fsync"))

    def test_a_failed_rename_leaves_no_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise OSError(errno.EIO, "broken")

        monkeypatch.setattr(Path, "replace", fail)
        with pytest.raises(WorkspaceError, match="broken"):
            ParquetStaging(tmp_path).write(key(), numbered(1))
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

    def test_file_and_folder_are_flushed_before_the_part_counts(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        steps: list[str] = []
        fsync, replace = os.fsync, Path.replace

        def seen_fsync(handle: int) -> None:
            steps.append(f"fsync {os.path.basename(os.readlink(f'/proc/self/fd/{handle}')).split('.')[0]}")  # noqa: PTH115, PTH119
            fsync(handle)

        def seen_replace(path: Path, target: Path) -> Path:
            steps.append("rename")
            return replace(path, target)

        monkeypatch.setattr(os, "fsync", seen_fsync)
        monkeypatch.setattr(Path, "replace", seen_replace)
        ParquetStaging(tmp_path).write(key(), numbered(1))
        assert steps == ["fsync 000001", "rename", "fsync raw"]

    def test_a_full_disk_says_what_to_do(self, tmp_path: Path) -> None:
        with failing("fsync"), pytest.raises(WorkspaceError, match="No space left on device") as caught:
            ParquetStaging(tmp_path).write(key(), numbered(1))
        assert caught.value.hint is not None
        assert "disk is full" in caught.value.hint

    def test_the_place_is_relative_and_readable(self, tmp_path: Path) -> None:
        ref = ParquetStaging(tmp_path).write(key(7, scope="g2"), numbered(1))
        assert ref.location == "staging/abababababababab/g2/raw/000007.parquet"
        assert ref.bytes == (tmp_path / ref.location).stat().st_size

    def test_a_flipped_bit_is_found_when_read(self, tmp_path: Path) -> None:
        staging = ParquetStaging(tmp_path)
        # text that does not compress: a flipped bit in it would pass as other text
        ref = staging.write(key(), pa.table({"a": [random.Random(n).randbytes(40).hex() for n in range(200)]}))
        path = tmp_path / ref.location
        whole = path.read_bytes()
        for at in range(1000, 7000, 500):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            with pytest.raises(WorkspaceError, match="damaged"):
                staging.read(ref)
        path.write_bytes(whole)
        assert staging.read(ref).num_rows == 200

    def test_a_damaged_end_is_found_when_read(self, tmp_path: Path) -> None:
        staging = ParquetStaging(tmp_path)
        ref = staging.write(key(), raw_part())
        path = tmp_path / ref.location
        content = bytearray(path.read_bytes())
        content[-6] ^= 1
        path.write_bytes(content)
        with pytest.raises(WorkspaceError, match="damaged"):
            staging.read(ref)

    def test_a_truncated_part_is_damaged(self, tmp_path: Path) -> None:
        staging = ParquetStaging(tmp_path)
        ref = staging.write(key(), raw_part())
        path = tmp_path / ref.location
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(WorkspaceError, match="damaged"):
            staging.read(ref)

    @pytest.mark.parametrize("scope", ["..", "a/b", "", ".hidden"])
    def test_no_name_leads_out_of_the_folder(self, tmp_path: Path, scope: str) -> None:
        staging = ParquetStaging(tmp_path)
        with pytest.raises(WorkspaceError, match="no batch, generation or run"):
            staging.remove(BATCH, scope=scope)
        with pytest.raises(WorkspaceError, match="no batch, generation or run"):
            staging.write(key(scope=scope), numbered(1))

    def test_a_file_in_the_place_of_the_folder_is_an_error_of_the_workspace(self, tmp_path: Path) -> None:
        (tmp_path / "staging").write_text("not a folder")
        with pytest.raises(WorkspaceError, match="can't write the part"):
            ParquetStaging(tmp_path).write(key(), numbered(1))

    def test_debris_of_a_killed_writer_goes_with_its_batch(self, tmp_path: Path) -> None:
        staging = ParquetStaging(tmp_path)
        ref = staging.write(key(), numbered(1))
        (tmp_path / f"{ref.location}.host-1-1.tmp").write_bytes(b"half")
        staging.remove(BATCH)
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


class TestSqlStaging(StagingContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> Iterator[StagingCase]:
        staging = SqlStaging(str(tmp_path / "parts.db"))
        yield StagingCase(staging=staging, broken=lambda: full(staging))
        staging.close()

    def test_rows_are_rows_that_sql_can_read(self, tmp_path: Path) -> None:
        staging = SqlStaging()
        staging.write(key(), raw_part(2))
        found = staging._connection.execute('select _part, "a", "_row" from "raw abababababababab g1"').fetchall()
        assert found == [(1, "plain", 1), (1, "", 2)]
        staging.close()


@contextmanager
def full(staging: SqlStaging) -> Iterator[None]:
    """The database may not grow."""
    pages = staging._connection.execute("pragma page_count").fetchone()[0]
    staging._connection.execute(f"pragma max_page_count = {pages}").fetchall()
    yield
    staging._connection.execute("pragma max_page_count = 1000000").fetchall()


def test_a_part_written_again_clears_what_a_killed_process_left_of_it(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    staging = ParquetStaging(tmp_path)
    path = tmp_path / staging.write(key(), numbered(1, 2)).location
    host = "".join(character for character in os.uname().nodename if character.isalnum()) or "host"
    path.with_name(f"{path.name}.{host}-{dead.pid}-1.tmp").write_bytes(b"half a part")
    staging.write(key(), numbered(1, 2))
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
