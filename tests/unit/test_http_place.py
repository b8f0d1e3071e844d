"""Files of web servers: interrupted they go on by range or begin again; half a file is never taken for a whole."""

from __future__ import annotations

import base64
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from loadlock.errors import SourceError, SourceUnavailableError
from loadlock.intake.files import Keep, find_files, open_sources
from loadlock.intake.places import download, http
from loadlock.intake.places.download import Downloads, Patience
from loadlock.intake.places.http import http_files
from loadlock.testing.web_server import Fault, WebServer, web_server

DATA = os.urandom(3 << 20)
PATIENT = Patience(tries=4, sleep=lambda seconds: None)


@pytest.fixture
def site() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[Keep]:
    made = Keep.in_folder(tmp_path)
    made = replace(made, downloads=Downloads(made.spool, tmp_path / "downloads", patience=PATIENT))
    with closing(made):
        yield made


def fetch(keep: Keep, url: str) -> bytes:
    [file] = http_files(url)
    fetched = keep.downloads.fetch(file)
    data = fetched.path.read_bytes()
    assert fetched.sha256 == hashlib.sha256(data).hexdigest()
    return data


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_file_comes_whole(site: WebServer, keep: Keep, framing: str) -> None:
    assert fetch(keep, site.put("/a.csv", DATA, framing=framing)) == DATA
    assert site.ranges() == [None]


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "closed"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_an_interrupted_fetch_goes_on_where_it_stopped(site: WebServer, keep: Keep, framing: str, reset: bool) -> None:
    faults = [Fault(stop_after=1 << 20, reset=reset), Fault(stop_after=1 << 20, reset=reset)]
    assert fetch(keep, site.put("/a.csv", DATA, framing=framing, faults=faults)) == DATA
    first, *later = site.ranges()
    assert first is None
    assert len(later) == 2
    assert all(asked and asked != "bytes=0-" for asked in later)
    assert [asked.headers.get("if-range") for asked in site.asked if asked.method == "GET"][1:] == ['"1"', '"1"']


def test_a_server_without_ranges_is_asked_from_the_beginning(site: WebServer, keep: Keep) -> None:
    url = site.put("/a.csv", DATA, ranges=False, faults=[Fault(stop_after=1 << 20)])
    assert fetch(keep, url) == DATA


def test_without_a_version_nothing_is_pieced_together(site: WebServer, keep: Keep) -> None:
    url = site.put("/a.csv", DATA, etag=None, faults=[Fault(stop_after=1 << 20)])
    assert fetch(keep, url) == DATA
    assert site.ranges() == [None, None]


def test_a_file_that_changed_meanwhile_begins_again(site: WebServer, keep: Keep) -> None:
    other = os.urandom(2 << 20)
    url = site.put("/a.csv", DATA, faults=[Fault(stop_after=1 << 20, swap=other)])
    assert fetch(keep, url) == other


def test_a_file_that_changes_behind_its_last_byte_begins_again(site: WebServer, keep: Keep) -> None:
    other = os.urandom(2 << 20)
    assert fetch(keep, site.put("/a.csv", DATA, faults=[Fault(swap=other)])) == other


def test_a_file_that_always_changes_is_refused(site: WebServer, keep: Keep) -> None:
    faults = [Fault(swap=os.urandom(1000 + number)) for number in range(9)]
    url = site.put("/a.csv", DATA, faults=faults)
    site.files["/a.csv"].etag = None  # only the size tells
    with pytest.raises(SourceError, match="changes while it is read"):
        fetch(keep, url)


def test_a_length_that_is_too_small_is_refused(site: WebServer, keep: Keep) -> None:
    url = site.put("/a.csv", DATA, faults=[Fault(length=1000)])
    with pytest.raises(SourceError, match="more bytes than it announced"):
        fetch(keep, url)


def test_a_length_that_is_too_big_is_never_believed(site: WebServer, keep: Keep) -> None:
    url = site.put("/a.csv", DATA, ranges=False, faults=[Fault(length=len(DATA) + 9)] * 9)
    with pytest.raises(SourceUnavailableError, match=r"3,145,728 of 3,145,737 bytes came \(tried 4 times\)"):
        fetch(keep, url)


def test_a_body_whose_end_is_not_announced_is_refused(site: WebServer, keep: Keep) -> None:
    with pytest.raises(SourceError, match="doesn't say how long the file is"):
        fetch(keep, site.put("/a.csv", DATA, framing="close"))


def test_slow_answers_are_waited_for_and_silence_is_not(
    site: WebServer, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fetch(keep, site.put("/slow.csv", DATA, faults=[Fault(pause_seconds=0.3)])) == DATA
    [file] = http_files(site.put("/silent.csv", DATA, faults=[Fault(pause_seconds=3)]))
    assert keep.downloads.fetch(replace(file, timeout_seconds=0.3)).path.read_bytes() == DATA
    assert len(site.ranges()) == 3


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_that_asks_for_patience_gets_it(site: WebServer, tmp_path: Path, status: int) -> None:
    waited: list[float] = []
    [file] = http_files(
        site.put("/a", DATA, faults=[Fault(status=status, headers={"Retry-After": "7"}), Fault(status=status)])
    )
    with downloads_in(tmp_path, Patience(sleep=waited.append)) as downloads:
        assert downloads.fetch(file).path.read_bytes() == DATA
    assert waited[0] == 7
    assert 1 <= waited[1] <= 3


def test_a_person_is_told_what_is_fetched_and_what_is_waited_for(site: WebServer, tmp_path: Path) -> None:
    told: list[str] = []
    url = site.put("/a.csv", DATA, faults=[Fault(status=503, headers={"Retry-After": "7"}), Fault(stop_after=1 << 20)])
    with downloads_in(tmp_path, Patience(sleep=lambda _: None, say=told.append)) as downloads:
        downloads.fetch(http_files(url)[0])
    assert told[0] == f"{url}: the server answers 503 Service Unavailable; trying again in 7 s"
    assert told[1] == f"fetching {url} (3.1 MB)"
    assert "trying again in" in told[2]
    assert ", from byte " in told[3]


def test_a_server_that_stays_away_is_given_up(keep: Keep) -> None:
    with pytest.raises(
        SourceUnavailableError, match=r"can't fetch http://127\.0\.0\.1:9/a\.csv: .*tried 4 times"
    ) as caught:
        fetch(keep, "http://127.0.0.1:9/a.csv")
    assert caught.value.exit_code == 7


@pytest.mark.parametrize(("status", "hint"), [(401, "netrc"), (403, "expired"), (404, "address"), (410, "address")])
def test_a_refusal_is_said_at_once(site: WebServer, keep: Keep, status: int, hint: str) -> None:
    url = site.put("/a.csv", DATA, faults=[Fault(status=status)])
    with pytest.raises(SourceError, match=rf"the server answers {status}") as caught:
        fetch(keep, url)
    assert hint in (caught.value.hint or "")
    assert len(site.asked) == 1


@contextmanager
def downloads_in(folder: Path, patience: Patience = PATIENT) -> Iterator[Downloads]:
    """As another process would open the folder."""
    keep = Keep.in_folder(folder)
    with closing(keep), closing(Downloads(keep.spool, folder / "d", patience=patience)) as downloads:
        yield downloads


def test_what_a_killed_process_fetched_is_taken_up(site: WebServer, tmp_path: Path) -> None:
    url = site.put("/a.csv", DATA, faults=[Fault(stop_after=1 << 20)] + [Fault(status=503)] * 9)
    impatient = Patience(tries=2, sleep=lambda _: None)
    with downloads_in(tmp_path, impatient) as first, pytest.raises(SourceUnavailableError, match="tried 2 times"):
        first.fetch(http_files(url)[0])
    site.files["/a.csv"].faults.clear()
    with downloads_in(tmp_path) as second:
        assert second.fetch(http_files(url)[0]).path.read_bytes() == DATA
    assert site.ranges()[-1] not in (None, "bytes=0-")


def test_what_a_killed_process_fetched_whole_is_not_fetched_again(site: WebServer, tmp_path: Path) -> None:
    [file] = http_files(site.put("/a.csv", DATA))
    for _ in range(2):
        with downloads_in(tmp_path) as downloads:
            assert downloads.fetch(file).path.read_bytes() == DATA
    assert site.ranges() == [None, f"bytes={len(DATA) - 1}-"]
    with downloads_in(tmp_path) as downloads:
        downloads.fetch(file)
        downloads.discard()
    assert list((tmp_path / "d").iterdir()) == []


def test_what_was_staged_is_kept_for_the_next_run_and_fetched_anew_where_it_changed(
    site: WebServer, tmp_path: Path
) -> None:
    [file] = http_files(site.put("/a.csv", DATA))
    for data, tag in ((DATA, '"1"'), (DATA, '"1"'), (b"x" + DATA[1:], '"2"')):
        site.put("/a.csv", data, etag=tag, head=False)
        with downloads_in(tmp_path) as downloads:
            assert downloads.fetch(file).path.read_bytes() == data
            downloads.discard(cached=True)
    last = f"bytes={len(DATA) - 1}-"
    assert site.ranges() == [None, last, last]


def test_what_was_kept_and_is_damaged_is_fetched_anew(site: WebServer, tmp_path: Path) -> None:
    [file] = http_files(site.put("/a.csv", DATA))
    with downloads_in(tmp_path) as downloads:
        path = downloads.fetch(file).path
        downloads.discard(cached=True)
    path.write_bytes(b"?" + DATA[1:])
    with downloads_in(tmp_path) as downloads:
        assert downloads.fetch(file).path.read_bytes() == DATA


def test_the_oldest_of_what_is_too_much_to_keep_goes(
    site: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [http_files(site.put(f"/{name}.csv", DATA))[0] for name in "ab"]
    for seconds, file in enumerate(files):
        with downloads_in(tmp_path) as downloads:
            path = downloads.fetch(file).path
            downloads.discard(cached=True)
            os.utime(path, (time.time() - 10 + seconds,) * 2)
    monkeypatch.setattr(download, "CACHE_BYTES", len(DATA) * 3 // 2)
    with downloads_in(tmp_path) as downloads:
        downloads.sweep()
        assert [found.name for found in (tmp_path / "d").glob("*.data")] == [path.name]
        downloads.clear()
    assert list((tmp_path / "d").iterdir()) == []


def test_two_processes_never_write_to_one_file(site: WebServer, tmp_path: Path) -> None:
    [file] = http_files(site.put("/a.csv", DATA))
    with downloads_in(tmp_path) as first, downloads_in(tmp_path) as second:
        mine, other = first.fetch(file).path, second.fetch(file).path
        assert mine != other
        second.discard()
        assert mine.exists()


def test_old_leftovers_are_swept(site: WebServer, tmp_path: Path) -> None:
    with downloads_in(tmp_path) as downloads:
        path = downloads.fetch(http_files(site.put("/a.csv", DATA))[0]).path
    with downloads_in(tmp_path) as downloads:
        downloads.sweep()
        assert path.exists()
        os.utime(path, (0, 0))
        downloads.sweep()
    assert list((tmp_path / "d").iterdir()) == []


def test_user_and_password_are_sent_and_never_shown(site: WebServer, keep: Keep) -> None:
    token = "Basic " + base64.b64encode(b"ann:p@ss/word").decode()
    url = site.put("/a.csv", DATA, user=token).replace("http://", "http://ann:p%40ss%2Fword@")
    [file] = http_files(url + "?token=geheim")
    assert keep.downloads.fetch(file).path.read_bytes() == DATA
    assert file.label == site.url + "/a.csv"
    assert "ss" not in repr(file)
    notes = [fetched.path.with_suffix(".json").read_text() for fetched in keep.downloads.whole(file.label)]
    assert len(notes) == 1
    assert not any(secret in notes[0] for secret in ("p%40ss", "p@ss", "geheim"))
    site.files["/a.csv"].user = "Basic other"
    keep.downloads.discard()
    with pytest.raises(SourceError) as caught:
        fetch(keep, url + "?token=geheim")
    for secret in ("p%40ss", "p@ss", "geheim"):
        assert secret not in str(caught.value)


def test_a_password_does_not_follow_a_redirect_to_another_server(site: WebServer, keep: Keep) -> None:
    with web_server() as other:
        target = other.put("/b.csv", DATA)
        url = site.put("/a.csv", b"", redirect=target).replace("http://", "http://ann:geheim@")
        assert fetch(keep, url) == DATA
        assert all("authorization" not in asked.headers for asked in other.asked)


def test_a_redirect_to_an_unencrypted_address_elsewhere_is_not_followed(site: WebServer, keep: Keep) -> None:
    with pytest.raises(SourceError, match="without encryption"):
        fetch(keep, site.put("/a.csv", b"", redirect="http://example.com/a.csv"))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://example.com/a.csv", "for this machine only"),
        ("https://example.com/*.csv", "no list of its files"),
        ("https:///a.csv", "names no server"),
        ("https://[::1/a.csv", "not valid"),
        ("https://host:99999/a.csv", "not valid"),
    ],
)
def test_addresses_that_cannot_be_fetched_are_refused_at_once(url: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        http_files(url)


def test_a_proxy_is_never_asked_for_this_machine(site: WebServer, keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert fetch(keep, site.put("/a.csv", DATA)) == DATA


def test_a_head_that_is_not_allowed_is_no_hindrance(site: WebServer, keep: Keep) -> None:
    assert fetch(keep, site.put("/a.csv", DATA, head=False)) == DATA


def test_an_unasked_content_coding_is_refused(site: WebServer, keep: Keep) -> None:
    with pytest.raises(SourceError, match="packs it by 'br'"):
        fetch(keep, site.put("/a.csv", DATA, faults=[Fault(headers={"Content-Encoding": "br"})]))


def test_an_address_is_a_file_of_the_batch(site: WebServer, keep: Keep, tmp_path: Path) -> None:
    (tmp_path / "local.csv").write_bytes(b"id\n1\n")
    url = site.put("/in/remote%20file.csv", b"id\n2\n")
    found = find_files([url, "local.csv", url], tmp_path)
    sources = open_sources(found, keep=keep)
    assert [(source.file.name, source.file.path) for source in sources] == [
        ("local.csv", str(tmp_path / "local.csv")),
        ("remote file.csv", url),
    ]
    assert [b"".join(source.open()) for source in sources] == [b"id\n1\n", b"id\n2\n"]


def test_the_usual_patience_is_a_minute_of_silence() -> None:
    assert http.TIMEOUT_SECONDS == 60
    assert Patience().tries == 6
