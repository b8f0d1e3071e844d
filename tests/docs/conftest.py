"""Runs a page of the documentation as a reader would: block by block, in a folder of its own.

What a page says with its blocks:

- ```sh is run (with bash; lines that only call `loadlock` in a process forked from a loaded one); a ```text block behind it
  is what must be printed, standard output before standard error;
- ``<!-- file: NAME -->`` before a block writes the block's text to that file;
- ``<!-- exit: N -->`` before a ```sh block: its last command ends with N (0 or 3 otherwise);
- ``<!-- needs: postgres -->`` before a block: only where that server is, and only such blocks there; ``SHOP_DB`` is its URL
  (``sheets``: the emulator of Google Sheets, and the address of the API is set in the environment);
- ``<!-- not run -->`` before a block: shown only.

In shown output `...` stands for anything; ids of runs and batches, times, seconds and `/home/ann/shop` (the reader's folder)
may differ, and ids are translated in later commands. `LOADLOCK_FILL_DOCS=1` writes the real output into the pages.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from loadlock.sheets.wire import ENDPOINT
from loadlock.testing.command import CommandLine

FOLDER = "/home/ann/shop"
FILL = bool(os.environ.get("LOADLOCK_FILL_DOCS"))
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NOTE = re.compile(r"<!-- (file|exit|needs|not run)(?:: ([^>]*?))? -->\n*\Z")
_RUN_ID = r"r\d{8}-\d{6}-[0-9a-f]{4}"
_BATCH_ID = r"(?<![0-9a-f])(?:[0-9a-f]{64}|[0-9a-f]{12})(?![0-9a-f])"
_ID = re.compile(f"{_RUN_ID}|{_BATCH_ID}")
_VARYING = re.compile(rf"(?P<id>{_RUN_ID}|{_BATCH_ID})|\d{{4}}-\d\d-\d\dT[\d:.]+Z|\b\d+\.\d+ s\b|(?P<any>\.\.\.)")
_PROGRESS = re.compile(r"^(intake|cleanup|delivery): .* done$\n?", re.MULTILINE)
_PORTS = {"postgres": 5432, "mysql": 3306, "sheets": 443}
_SHELL = re.compile(r"[|&;<>$`()]")


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block and the note before it. `span` is where its text stands in the page."""

    language: str
    text: str
    notes: dict[str, str]
    span: tuple[int, int]
    line: int


def blocks_of(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found = []
    for match in _FENCE.finditer(page):
        notes: dict[str, str] = {}
        before = page[: match.start()]
        while note := _NOTE.search(before):
            notes[note[1]] = note[2] or ""
            before = before[: note.start()]
        line = page.count("\n", 0, match.start()) + 1
        found.append(Block(language=match[1], text=match[2], notes=notes, span=match.span(2), line=line))
    return found


@dataclass(kw_only=True)
class PageRun:
    """One run of a page in `folder`. `servers` maps `postgres` and `mysql` to URLs."""

    page: Path
    folder: Path
    servers: dict[str, str]
    ids: dict[str, str] = field(default_factory=dict)
    """Id in the page → real id."""
    exported: dict[str, str] = field(default_factory=dict)

    def run(self) -> None:
        """Run all blocks; with FILL the page gets the outputs that were seen."""
        text = self.page.read_text(encoding="utf-8")
        blocks = blocks_of(text)
        seen: list[tuple[tuple[int, int], str]] = []
        try:
            self._run_all(blocks, seen)
        finally:
            if FILL:
                for (start, end), shown in reversed(seen):
                    text = text[:start] + shown + text[end:]
                self.page.write_text(text, encoding="utf-8")

    def _run_all(self, blocks: list[Block], seen: list[tuple[tuple[int, int], str]]) -> None:
        output = ""
        for index, block in enumerate(blocks):
            if not self._wanted(block):
                continue
            if name := block.notes.get("file"):
                self._write(name, block)
            elif block.language == "sh":
                output = self._shell(block)
            elif block.language == "text" and blocks[index - 1].language == "sh" and self._wanted(blocks[index - 1]):
                if FILL and not re.fullmatch(_pattern(block.text)[0], _plain(output), re.DOTALL):
                    seen.append((block.span, self._filled(block.text, output)))
                    continue
                self._compare(block.text, output, block)

    def _wanted(self, block: Block) -> bool:
        needed = set(block.notes.get("needs", "").split())
        elsewhere = bool(self.servers) and block.language == "sh" and not needed  # run where no server is
        return "not run" not in block.notes and needed <= set(self.servers) and not elsewhere

    def _write(self, name: str, block: Block) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")

    def _shell(self, block: Block) -> str:
        """Run a block; what it printed, as the page would show it."""
        said, code = "", 0
        environment = self._environment(block)
        expected = int(block.notes["exit"]) if "exit" in block.notes else None
        statements = list(_statements(_ID.sub(lambda m: self.ids.get(m[0], m[0]), block.text)))
        for index, statement in enumerate(statements):
            code, printed = self._one(statement, environment)
            said += printed
            last = index == len(statements) - 1
            allowed = (expected,) if last and expected is not None else (0, 3)
            assert code in allowed, f"{self.page.name}:{block.line}: {statement}\nended with {code}:\n{printed}"
        for kind, url in self.servers.items():
            parts = urlsplit(url)
            said = said.replace(f"{parts.hostname}:{parts.port}{parts.path}", f"localhost:{_PORTS[kind]}/shop")
        return _PROGRESS.sub("", said.replace(str(self.folder), FOLDER))

    def _environment(self, block: Block) -> dict[str, str]:
        needed = block.notes.get("needs", "").split()
        sheets = {ENDPOINT: self.servers["sheets"]} if "sheets" in self.servers else {}
        return {**self.exported, **sheets, **({"SHOP_DB": self.servers[needed[0]]} if needed else {})}

    def _one(self, statement: str, environment: dict[str, str]) -> tuple[int, str]:
        if export := re.fullmatch(r"export (\w+)=(\S+)", statement):
            self.exported[export[1]] = environment[export[1]] = export[2]
            return 0, ""
        if statement.startswith("loadlock ") and not _SHELL.search(re.sub(r"'[^']*'", "", statement)):
            words = shlex.split(statement, comments=True)
            ended = CommandLine(folder=self.folder, environment=environment)(*words[1:])
            return ended.code, ended.out + ended.err
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LOADLOCK")}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["/bin/bash", "-c", statement],
            cwd=self.folder,
            env={**clean, "PATH": path, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def _compare(self, shown: str, output: str, block: Block) -> None:
        pattern, names = _pattern(shown)
        match = re.fullmatch(pattern, _plain(output), re.DOTALL)
        place = f"{self.page}:{block.line}"
        assert match, f"{place} shows\n{_plain(shown)}\nand this was printed:\n{_plain(output)}"
        for name, real in zip(names, match.groups(), strict=True):
            assert self.ids.setdefault(name, real) == real, f"{place}: {name} was {self.ids[name]}, now {real}"

    def _filled(self, shown: str, output: str) -> str:
        """What the page shall show: the output with the page's ids, up to where the page had `...` as its last line."""
        for name, real in zip(dict.fromkeys(_ID.findall(shown)), dict.fromkeys(_ID.findall(output)), strict=False):
            self.ids.setdefault(name, real)
        for name, real in self.ids.items():
            output = output.replace(real, name)
        lines = [line.rstrip() for line in output.strip("\n").splitlines()]
        old = shown.strip("\n").splitlines()
        if len(old) > 1 and old[-1] == "...":
            lines = [*lines[: len(old) - 1], "..."]
        return "\n".join(lines) + "\n"


def _statements(text: str) -> Iterator[str]:
    """The statements of a shell block: a line, or several where one is continued or has a here-document."""
    lines = iter(text.splitlines())
    for line in lines:
        statement = line
        while statement.endswith("\\") or statement.count("'") % 2 or statement.count('"') % 2:
            statement = statement.removesuffix("\\") + "\n" * (not statement.endswith("\\")) + next(lines)
        if here := re.search(r"<<'?(\w+)'?", line):
            for more in lines:
                statement += "\n" + more
                if more == here[1]:
                    break
        if statement.strip() and not statement.startswith("#"):
            yield statement


def _plain(text: str) -> str:
    """White space as it matters: no spaces at line ends, runs of spaces as two."""
    return "\n".join(re.sub(r" {2,}", "  ", line.rstrip()) for line in text.strip("\n").splitlines())


def _pattern(shown: str) -> tuple[str, list[str]]:
    """A regular expression for shown output, and the ids of the page that its groups stand for."""
    pattern, names, end = "", [], 0
    plain = _plain(shown)
    for match in _VARYING.finditer(plain):
        pattern += re.escape(plain[end : match.start()])
        if match["id"]:
            names.append(match["id"])
            pattern += f"({_RUN_ID if match['id'].startswith('r') else '[0-9a-f]{' + str(len(match['id'])) + '}'})"
        else:
            pattern += ".*?" if match["any"] else r"\S+( s)?".replace("(", "(?:")
        end = match.end()
    return pattern + re.escape(plain[end:]), names


@pytest.fixture
def run_page(tmp_path: Path) -> Callable[..., None]:
    """Run a page; `servers` as in PageRun."""

    def run(page: Path, **servers: str) -> None:
        folder = tmp_path / "shop"
        folder.mkdir(exist_ok=True)
        PageRun(page=page, folder=folder, servers=servers).run()

    return run
