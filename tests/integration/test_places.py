"""Files of object stores, SSH and web servers and of standard input, from the command to the table; real servers on loopback."""

from __future__ import annotations

import gzip
import io
import os
import signal
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from loadlock.errors import SourceError, SourceUnavailableError, UsageError
from loadlock.intake.files import Keep, find_files, open_sources
from loadlock.intake.places import stores
from loadlock.intake.places.base import Facts, Opened
from loadlock.intake.places.download import Downloads, Patience
from loadlock.intake.places.stores import StoredFile, stored_files
from loadlock.testing.command import CommandLine
from loadlock.testing.stores import AZURE_KEY, blob_server, s3_server, sftp_server
from loadlock.testing.web_server import Fault, WebServer, web_server

SECRET = "geh3im/keY"
BIG = os.urandom(300_000)
OBJECTS = {
    "day/orders-2.csv": b"id,name\n2,Bo\n",
    "day/orders-10.csv": b"id,name\n10,Cy\n",
    "day/.hidden.csv": b"x",
    "day/deep/orders-3.csv": b"id,name\n3,Di\n",
    "day/other.txt": b"id,name\n4,Ed\n",
    "big.bin": BIG,
}


@dataclass(frozen=True, kw_only=True)
class Store:
    """A store with `OBJECTS` in it. `base` may hold a password, `shown` never."""

    base: str
    shown: str
    put: Callable[[str, bytes], None]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No proxy, no credentials and no settings of the machine that runs the tests."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith(
            ("AWS_", "AZURE_", "GOOGLE_", "GCSFS_", "FSSPEC_", "SSH_")
        ):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="module")
def s3_address() -> Iterator[str]:
    pytest.importorskip("moto")
    with s3_server() as url:
        yield url


def _s3(url: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    import boto3

    settings = {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "ann",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    bucket = f"inbox-{os.urandom(4).hex()}"
    client.create_bucket(Bucket=bucket)

    def put(name: str, data: bytes) -> None:
        client.put_object(Bucket=bucket, Key=name, Body=data)

    return Store(base=f"s3://{bucket}", shown=f"s3://{bucket}", put=put)


@pytest.fixture(params=["s3", "gs", "az", "sftp"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    if request.param == "s3":
        found = _s3(request.getfixturevalue("s3_address"), monkeypatch)
        for name, data in OBJECTS.items():
            found.put(name, data)
        yield found
    elif request.param == "sftp":
        yield from _sftp(tmp_path)
    else:
        yield from _blobs(request.param, monkeypatch)


def _blobs(manner: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    with blob_server(manner) as server:
        if manner == "gs":
            monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        else:
            told = f"AccountName=ann;AccountKey={AZURE_KEY};BlobEndpoint={server.url}/ann;"
            monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", f"DefaultEndpointsProtocol=http;{told}")
        for name, data in OBJECTS.items():
            server.put("inbox", name, data)
        address = f"{manner}://inbox"
        yield Store(base=address, shown=address, put=lambda name, data: server.put("inbox", name, data))


def _sftp(folder: Path) -> Iterator[Store]:
    root = folder / "root"
    for name, data in OBJECTS.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    with sftp_server(root, password=SECRET) as server:
        (folder / "home" / ".ssh" / "known_hosts").write_text(server.host_key)
        base = server.url.replace("@", f":{SECRET.replace('/', '%2F')}@")
        yield Store(base=base, shown=server.url, put=lambda name, data: void((root / name).write_bytes(data)))


def void(_: object) -> None:
    """For a lambda that gives nothing."""


def labels(store: Store, pattern: str) -> list[str]:
    found = find_files([f"{store.base}/{pattern}"], Path())
    return [file.label.removeprefix(f"{store.shown}/") for file in found]


def test_patterns_and_folders_are_listed(store: Store) -> None:
    assert labels(store, "day/*.csv") == ["day/orders-2.csv", "day/orders-10.csv"]
    assert labels(store, "day/") == labels(store, "day") == ["day/orders-2.csv", "day/orders-10.csv", "day/other.txt"]
    assert labels(store, "**/*.csv") == ["day/deep/orders-3.csv", "day/orders-2.csv", "day/orders-10.csv"]
    assert labels(store, "day/orders-2.csv") == ["day/orders-2.csv"]


def test_what_is_not_there_is_said_so(store: Store) -> None:
    for pattern, message in (("none.csv", "there is no file"), ("none*.csv", "holds no file")):
        with pytest.raises(SourceError, match=message) as caught:
            labels(store, pattern)
        assert store.shown in str(caught.value)
        assert SECRET not in str(caught.value)


def test_files_come_whole_and_in_ranges(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "_RANGE_BYTES", 100_000)
    monkeypatch.setattr(stores, "_STREAM_BYTES", 100_000)
    with closing(Keep.in_folder()) as keep:
        sources = open_sources(find_files([f"{store.base}/*.bin", f"{store.base}/day/*.csv"], Path()), keep=keep)
        found = {source.file.path.removeprefix(f"{store.shown}/"): b"".join(source.open()) for source in sources}
    assert found == {name: OBJECTS[name] for name in ("big.bin", "day/orders-2.csv", "day/orders-10.csv")}


class Disturbed:
    """A stored file, with something that happens after its first block."""

    def __init__(self, file: StoredFile, disturb: Callable[[], None]) -> None:
        self.label, self.name, self.key = file.label, file.name, file.key
        self.starts: list[int] = []
        self._file = file
        self._disturb = disturb

    def open(self, start: int, known: Facts | None) -> Opened:
        opened = self._file.open(start, known)
        self.starts.append(opened.start)
        return replace(opened, blocks=self._blocks(opened.blocks)) if len(self.starts) == 1 else opened

    def _blocks(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        yield next(blocks)
        self._disturb()
        yield from blocks

    def unchanged(self, known: Facts) -> bool:
        return self._file.unchanged(known)


def fetched(file: Disturbed, folder: Path) -> bytes:
    with closing(Keep.in_folder()) as keep:
        downloads = Downloads(keep.spool, folder / "d", patience=Patience(sleep=lambda _: None))
        with closing(downloads):
            return downloads.fetch(file).path.read_bytes()


def test_a_file_that_changes_while_it_is_read_comes_anew(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "_RANGE_BYTES", 100_000)
    other = os.urandom(250_001)
    [file] = stored_files(f"{store.base}/big.bin")
    assert fetched(Disturbed(file, lambda: store.put("big.bin", other)), tmp_path) == other


def test_a_broken_ssh_connection_is_made_again_and_the_fetch_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "_STREAM_BYTES", 100_000)
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "big.bin").write_bytes(BIG)
    with sftp_server(tmp_path / "root") as server:
        (tmp_path / "home" / ".ssh" / "known_hosts").write_text(server.host_key)
        [file] = stored_files(server.url.replace("@", ":geheim@") + "/big.bin")
        disturbed = Disturbed(file, server.drop_connections)
        assert fetched(disturbed, tmp_path) == BIG
    assert disturbed.starts == [0, 100_000]


def test_an_unknown_ssh_server_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    with sftp_server(tmp_path / "root") as server, pytest.raises(SourceError, match="key is not known") as caught:
        stored_files(server.url.replace("@", ":geheim@") + "/a.csv")
    assert "known_hosts" in (caught.value.hint or "")
    assert "geheim" not in str(caught.value)


def test_a_wrong_password_is_refused_without_telling_it(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    with sftp_server(tmp_path / "root") as server:
        (tmp_path / "home" / ".ssh" / "known_hosts").write_text(server.host_key)
        with pytest.raises(SourceError, match="no permission") as caught:
            stored_files(server.url.replace("@", ":wr0ng@") + "/a.csv")
    assert "wr0ng" not in str(caught.value) + str(caught.value.hint)


def test_a_place_that_is_down_is_said_so() -> None:
    with pytest.raises(SourceUnavailableError, match=r"can't reach sftp://: .*127\.0\.0\.1"):
        find_files(["sftp://ann:geheim@127.0.0.1:9/a.csv"], Path())


def test_a_missing_library_and_an_unknown_scheme_are_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(stores.KINDS, "s3", replace(stores.KINDS["s3"], module="no_such_module"))
    with pytest.raises(UsageError, match="needs the package no_such_module") as caught:
        find_files(["s3://inbox/a.csv"], Path())
    assert "loadlock[s3]" in (caught.value.hint or "")
    with pytest.raises(UsageError, match="can't come from gopher://"):
        find_files(["gopher://inbox/a.csv"], Path())


# --- from the command to the table


def everything_kept(workspace: Path) -> bytes:
    """All that a workspace holds but the source's own bytes."""
    return b"".join(path.read_bytes() for path in sorted(workspace.rglob("*")) if path.is_file())


@pytest.mark.slow
def test_load_takes_a_pattern_of_a_store_and_keeps_no_secret(store: Store, loadlock: CommandLine) -> None:
    done = loadlock("load", f"{store.base}/day/*.csv", "--to", "out.csv", "--json")
    assert done.code == 0, done.said
    assert (loadlock.folder / "out.csv").read_text() == "id,name\n10,Cy\n2,Bo\n"
    assert [file["path"] for file in done.document["files"]] == [
        f"{store.shown}/day/orders-10.csv",
        f"{store.shown}/day/orders-2.csv",
    ]
    again = loadlock("load", f"{store.base}/day/*.csv", "--to", "out.csv", "--json")
    assert again.document["noop"]
    kept = everything_kept(loadlock.folder / ".loadlock") + done.said.encode()
    for secret in (SECRET, SECRET.replace("/", "%2F"), AZURE_KEY):
        assert secret.encode() not in kept
    assert list((loadlock.folder / ".loadlock" / "tmp").iterdir()) == []
    downloads = loadlock.folder / ".loadlock" / "downloads"
    assert sorted(path.suffix for path in downloads.iterdir()) == [".data", ".data", ".json", ".json", ".lock", ".lock"]


@pytest.fixture
def site() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


def nested(files: dict[str, bytes]) -> bytes:
    """The files, each in gz, in a tar, in a zip."""
    inner, outer = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(f"{name}.gz")
            packed = gzip.compress(data)
            info.size = len(packed)
            archive.addfile(info, io.BytesIO(packed))
    with zipfile.ZipFile(outer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("all.tar", inner.getvalue())
    return outer.getvalue()


ROWS = b"id,name\n" + b"".join(b"%d,somebody\n" % number for number in range(3000))


def test_run_guess_preview_and_doctor_read_a_nested_archive_of_a_web_server(
    site: WebServer, loadlock: CommandLine
) -> None:
    url = site.put(
        "/all.zip", nested({"a.csv": ROWS, "b.csv": b"id,name\nx,Eve\n7777,Zoe\n"}), faults=[Fault(stop_after=900)]
    )
    assert loadlock("guess", f"{url}?key={SECRET}", "-o", "p.yaml").code == 0
    text = (loadlock.folder / "p.yaml").read_text().replace(f"{url}?key={SECRET}", "${FILES}")
    (loadlock.folder / "p.yaml").write_text(text.replace("duckdb:///all.duckdb", "out.csv").replace("table: all", ""))
    address = f"{url}?key={SECRET}"
    shown = loadlock("preview", "p.yaml", "--json", FILES=address)
    assert {row["file"] for row in shown.document["rows"]} == {"a.csv.gz", "b.csv.gz"}
    assert loadlock("doctor", "p.yaml", FILES=address).code == 0
    done = loadlock("run", "p.yaml", "--json", FILES=address)
    assert done.code == 3, done.said
    assert [file["path"] for file in done.document["files"]] == [f"{url}!all.tar!a.csv.gz", f"{url}!all.tar!b.csv.gz"]
    assert done.document["balance"]["received"] == 3002
    assert SECRET.encode() not in everything_kept(loadlock.folder / ".loadlock") + done.said.encode()


@pytest.mark.parametrize("keep_source", ["true", "false"])
def test_a_killed_run_is_resumed_without_the_place(site: WebServer, loadlock: CommandLine, keep_source: str) -> None:
    url = site.put("/all.zip", nested({"a.csv": ROWS, "b.csv": b"id,name\n7777,Zoe\n"}))
    option = ("--option", f"keep_source={keep_source}")
    killed = loadlock("load", url, "--to", "out.csv", *option, fault="intake.file_done:1=kill")
    assert killed.code == -signal.SIGKILL
    site.files.clear()
    asked = len(site.asked)
    run = loadlock("runs", "--json").document[0]["run"]
    done = loadlock("resume", run, "--json")
    assert done.code == 0, done.said
    assert len((loadlock.folder / "out.csv").read_text().splitlines()) == 3002
    assert len(site.asked) == asked
    left = list((loadlock.folder / ".loadlock" / "downloads").iterdir())
    # what may be kept at all is kept for the next run
    assert bool(left) == (keep_source == "true")


def test_a_killed_run_whose_file_changed_meanwhile_is_refused(site: WebServer, loadlock: CommandLine) -> None:
    url = site.put("/a.csv", ROWS)
    assert loadlock("load", url, "--to", "out.csv", fault="run.begun=kill").code == -signal.SIGKILL
    for path in (loadlock.folder / ".loadlock" / "downloads").iterdir():
        path.unlink()
    run = loadlock("runs", "--json").document[0]["run"]
    site.put("/a.csv", ROWS + b"1,other\n")
    refused = loadlock("resume", run, "--json")
    assert refused.code == 2
    assert "other bytes" in refused.document["error"]
    site.put("/a.csv", ROWS)
    assert loadlock("resume", run).code == 0


def test_a_place_that_is_away_ends_a_run_resumably(site: WebServer, loadlock: CommandLine) -> None:
    url = site.put("/a.csv", ROWS, faults=[Fault(status=404)])
    assert loadlock("load", url, "--to", "out.csv", "--json").code == 2
    assert loadlock("load", url, "--to", "out.csv").code == 0


def test_standard_input_is_a_file_and_can_be_resumed(loadlock: CommandLine) -> None:
    done = loadlock("load", "-", "--to", "out.csv", "--json", stdin=gzip.compress(b"id,name\n1,Ann\n", mtime=0))
    assert done.code == 0, done.said
    assert (loadlock.folder / "out.csv").read_text() == "id,name\n1,Ann\n"
    assert [(file["name"], file["path"]) for file in done.document["files"]] == [("stdin", "-")]
    again = loadlock("load", "-", "--to", "out.csv", "--json", stdin=gzip.compress(b"id,name\n1,Ann\n", mtime=0))
    assert again.document["noop"]
    killed = loadlock("load", "-", "--to", "other.csv", stdin=ROWS, fault="intake.part_written=kill")
    assert killed.code == -signal.SIGKILL
    run = loadlock("runs", "--json").document[0]["run"]
    assert loadlock("resume", run).code == 0
    assert (loadlock.folder / "other.csv").read_bytes() == ROWS


def test_no_input_is_said_so(loadlock: CommandLine) -> None:
    done = loadlock("load", "-", "--to", "out.csv", "--json", stdin=b"")
    assert done.code == 0
    assert done.document["balance"]["received"] == 0
