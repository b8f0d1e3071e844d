"""The short form of fuzzing: what was found before, and a few hundred damaged inputs for each reader.

The long form is `make fuzz`: coverage-guided, ten minutes for each reader.
"""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent
FOUND = sorted((HERE / "found").iterdir())
INPUTS = 50


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"fuzz_{name}", HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


readers = _module("readers")


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.name)
def test_what_fuzzing_found_once_is_read_now(path: Path) -> None:
    readers.read(path.name.split("-")[0], path.read_bytes())


def damaged(data: bytes, chance: random.Random) -> bytes:
    """The bytes with one to four random changes."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(changed) + 1)
        kind = chance.randrange(5)
        if kind == 0 and at < len(changed):
            changed[at] = chance.randrange(256)
        elif kind == 1:
            del changed[at : at + chance.randint(1, 20)]
        elif kind == 2:
            changed[at:at] = chance.choice(
                [b'"', b"\n", b"<", b"]", b"\\", b"\0", b"\xff\xff\xff\xff", b"{", b",", b"'"]
            )
        elif kind == 3:
            piece = changed[at : at + chance.randint(1, 40)]
            changed[at:at] = piece * chance.randint(1, 3)
        else:
            del changed[at:]
    return bytes(changed)


@pytest.mark.parametrize("name", sorted(readers.OPTIONS))
def test_damaged_inputs_end_in_rows_and_rejects_or_a_clear_error(name: str) -> None:
    chance = random.Random(f"fuzz {name}")
    seeds = readers.seeds(name)
    if name == "excel":
        # an old workbook starts a process: a few are enough here
        seeds = [seed for seed in seeds if seed[1:5] != b"\xd0\xcf\x11\xe0"] * 10 + seeds
    for _ in range(INPUTS):
        readers.read(name, damaged(chance.choice(seeds), chance))
