"""Reads every file of folders of real dirty files, each in a guard, and judges what came out by what is known of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from loadlock.testing.corpus_guard import Fate, Guard

PRELOAD = (
    "duckdb",
    "loadlock.cleanup.rules.fix_encoding",
    "loadlock.intake.formats.csv",
    "loadlock.intake.formats.excel",
    "loadlock.intake.formats.json",
    "loadlock.intake.formats.ndjson",
    "loadlock.intake.formats.parquet",
    "loadlock.intake.formats.xml",
    "loadlock.intake.transcode",
    "loadlock.testing.corpus_truths",
    "numpy.ma",
    "pandas",  # PyArrow imports it where it is
)
"""What the server of a guard should import once for all files."""
_DATA = {".csv", ".tsv", ".json", ".gz"}
_READ = "loadlock.testing.corpus_read:read"


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A folder of the corpora and what is known of its files."""

    name: str
    truths: tuple[tuple[str, str], ...] = ()
    """Pattern of paths below the folder → name of a truth; the first that fits. A file without one: no truth."""
    known: str = "no truth"
    """Where the truth comes from, for people."""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Options of the source that a file needs to be read as its truth says, by its path below the folder."""

    def truth_of(self, path: str) -> str | None:
        """The name of the file's truth."""
        return next((name for pattern, name in self.truths if PurePosixPath(path).match(pattern)), None)


_PAD: Mapping[str, Any] = {"tolerate": ["pad_short"]}
FOLDERS = (
    Folder(
        name="csv-spectrum",
        truths=(("csvs/*.csv", "spectrum"), ("json/*.json", "json")),
        known="the JSON beside each CSV; Python's `json`",
        settings={"csvs/location_coordinates.csv": {"tolerate": ["stray_quotes"]}},
    ),
    Folder(
        name="json-test-suite",
        truths=(("test_parsing/*.json", "verdict"),),
        known="`y_` accepted, `n_` refused, by the files' names; none for `i_` (must not crash) and `test_transform`",
    ),
    Folder(
        name="ftfy",
        truths=(("*.json", "mojibake"),),
        known="the repaired text beside each case, by `fix_encoding`; the cases that ftfy itself fails are left out",
    ),
    Folder(name="duckdb-csv"),
    Folder(name="messytables"),
    Folder(name="movies", truths=(("*.json", "json"),), known="Python's `json`"),
    Folder(name="beers", truths=(("*.csv", "csv"),), known="Python's `csv`"),
    Folder(
        name="football",
        truths=(("*.csv", "csv"),),
        known="Python's `csv`",
        settings={"greece/G1 (9).csv": _PAD},
    ),
    Folder(
        name="covid-daily",
        truths=(("*.csv", "csv"),),
        known="Python's `csv`",
        settings={"05-29-2020.csv": _PAD, "05-30-2020.csv": _PAD},
    ),
)


@dataclass(frozen=True, kw_only=True)
class FileResult:
    """One file as read without a setting and, where its truth has more rows than that gave, with its setting."""

    path: str
    """Below its folder."""
    truth: str | None
    fate: Fate
    setting: Mapping[str, Any] | None = None
    again: Fate | None = None
    """With the setting. None where it needed none, or none is known."""

    @property
    def found(self) -> Mapping[str, Any]:
        """The counts; empty after a crash."""
        return self.fate.value or {}

    @property
    def failures(self) -> list[str]:
        """Crashes, hangs and floods of memory."""
        return [fate.failure for fate in (self.fate, self.again) if fate is not None and fate.failure]

    @property
    def wrong(self) -> list[str]:
        """What was read wrongly: by the truth, with the setting too, and what does not add up."""
        found = [f"{self.path}: counts do not add up"] * self.found.get("miscounted", 0)
        for fate in (self.fate, self.again):
            value = (fate.value if fate else None) or {}
            found += [
                *value.get("why", ()),
                *[f"{self.path}: ..."] * ((value.get("wrong") or 0) - len(value.get("why", ()))),
            ]
        if self.again and self.again.value and self.again.value.get("rejected"):
            found.append(f"{self.path}: rejects in spite of its setting {dict(self.setting or {})}")
        return found

    @property
    def kept_out(self) -> bool:
        """Whether rows that the truth has are rejects, and no setting is known that takes them."""
        return self.truth not in (None, "verdict") and bool(self.found.get("rejected")) and self.again is None


@dataclass(frozen=True, kw_only=True)
class FolderResult:
    """What came out of a folder. `others` are files that are no data: read for crashes only."""

    folder: Folder
    files: Sequence[FileResult]
    others: Sequence[FileResult] = ()

    def total(self, name: str) -> int:
        """The sum of a count over the files."""
        return sum(file.found.get(name) or 0 for file in self.files)

    @property
    def codes(self) -> Counter[str]:
        """Rejects by code."""
        return sum((Counter(file.found.get("codes", {})) for file in self.files), Counter[str]())

    @property
    def failures(self) -> list[str]:
        """Crashes, hangs and floods of memory, with their files."""
        return [f"{file.path}: {failure}" for file in (*self.files, *self.others) for failure in file.failures]

    @property
    def wrong(self) -> list[str]:
        """All that was read wrongly."""
        return [fault for file in self.files for fault in file.wrong] + [
            f"{file.path}: {file.found['rejected']} rows of the truth kept out and no setting known"
            for file in self.files
            if file.kept_out
        ]

    @property
    def judged(self) -> int:
        """Files with a truth."""
        return sum(file.truth is not None for file in self.files)


def survey(base: Path, guard: Guard, folders: Sequence[Folder] = FOLDERS) -> Iterator[FolderResult]:
    """Each folder that is there, read file by file."""
    for folder in folders:
        if (base / folder.name).is_dir():
            paths = sorted(path for path in (base / folder.name).rglob("*") if path.is_file())
            data = [path for path in paths if path.suffix in _DATA and not path.name.startswith("package")]
            yield FolderResult(
                folder=folder,
                files=[_file(folder, base, path, guard) for path in data],
                others=[_file(folder, base, path, guard) for path in paths if path not in data],
            )


def _file(folder: Folder, base: Path, path: Path, guard: Guard) -> FileResult:
    name = path.relative_to(base / folder.name).as_posix()
    truth = folder.truth_of(name)
    fate = guard.call(_READ, str(path), {}, truth)
    setting = folder.settings.get(name) if (fate.value or {}).get("rejected") else None
    again = guard.call(_READ, str(path), dict(setting), truth) if setting else None
    return FileResult(path=name, truth=truth, fate=fate, setting=setting, again=again)
