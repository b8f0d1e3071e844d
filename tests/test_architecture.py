"""Who may import whom, what may be loaded when, and how large a room may grow."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "loadlock"

GROUND = {
    "bits",
    "durable",
    "errors",
    "faults",
    "model",
    "prepared",
    "problems",
    "rows",
    "types",
    "digest",
    "registry",
    "_version",
}
"""Modules that know nothing of the stages."""
STAGES = ("intake", "staging", "cleanup", "delivery")

# layer → what it may import of ours, beside itself and the ground
MAY_IMPORT: dict[str, set[str]] = {
    "bits": set(),
    "errors": set(),
    "faults": set(),
    "model": set(),
    "prepared": set(),
    "problems": set(),
    "rows": set(),
    "types": set(),
    "digest": set(),
    "registry": set(),
    "_version": set(),
    "durable": set(),
    "sheets": set(),
    "intake": {"sheets"},
    "staging": {"intake.base"},  # the kept sources are read through intake's ByteSource
    "cleanup": {"pipeline.model"},
    "delivery": {"sheets"},
    "engines": set(),
    "ledger": set(),
    "quarantine": {"staging"},  # raw text of rejects comes from the kept sources
    "pipeline": {"sheets", "intake.base", "cleanup.base", "cleanup.components", "cleanup.profile", "api"},
    "report": set(),
    "workflow": {
        "sheets",
        "intake",
        "staging",
        "cleanup",
        "delivery",
        "engines",
        "ledger",
        "quarantine",
        "pipeline",
        "report",
    },
    "api": {"workflow", "pipeline"},
    "batch_api": {"workflow"},
    "cli": {"workflow", "pipeline", "engines.memory"},
    "testing": {
        "sheets",
        "intake",
        "staging",
        "cleanup",
        "delivery",
        "engines",
        "ledger",
        "quarantine",
        "pipeline",
        "workflow",
        "api",
        "cli",
    },
}
COMPONENT_FOLDERS = {
    "intake/formats": "loadlock.intake",
    "cleanup/rules": "loadlock.cleanup",
    "cleanup/checks": "loadlock.cleanup",
    "delivery/destinations": "loadlock.delivery",
}
DRIVERS = {"psycopg": "_postgres", "pgpq": "_postgres", "pymysql": "_mysql", "sqlite3": "sqlite"}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), path


def imports_of(path: Path, *, top_level_only: bool = False) -> set[str]:
    """Names of the modules that a file imports (absolute), TYPE_CHECKING blocks left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()
    body = tree.body if top_level_only else list(ast.walk(tree))
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in body:
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def allowed(layer: str, target: str) -> bool:
    first = target.split(".")[0]
    if first == layer or first in GROUND or target == "":
        return True
    return any(target == name or target.startswith(f"{name}.") for name in MAY_IMPORT[layer])


@pytest.mark.parametrize(
    ("name", "path"), list(modules()), ids=lambda value: str(value) if isinstance(value, str) else ""
)
def test_a_module_imports_only_what_its_layer_may(name: str, path: Path) -> None:
    layer = name.split(".")[0]
    if not layer:  # the package's face
        return
    assert layer in MAY_IMPORT, f"{layer} is a new layer: say what it may import"
    for imported in imports_of(path):
        if not imported.startswith("loadlock."):
            continue
        target = imported.removeprefix("loadlock.")
        whole = SOURCE / Path(*target.split("."))
        if not (whole.with_suffix(".py").exists() or whole.is_dir()):
            continue  # a name within a module; the module itself is in the set too
        assert allowed(layer, target), f"{name} imports {imported}"


def test_ground_modules_know_nothing_above_them() -> None:
    for name in GROUND:
        for imported in imports_of(SOURCE / f"{name}.py"):
            if imported.startswith("loadlock."):
                assert imported.split(".")[1] in GROUND, f"{name} imports {imported}"


def test_a_component_imports_no_other_component() -> None:
    for folder, package in COMPONENT_FOLDERS.items():
        module = "loadlock." + folder.replace("/", ".")
        for path in (SOURCE / folder).glob("*.py"):
            if path.name.startswith("_"):
                continue
            for imported in imports_of(path):
                if imported.startswith(f"{module}."):
                    helper = imported.removeprefix(f"{module}.").split(".")[0]
                    assert helper.startswith("_"), f"{path.name} imports the component {imported}"
                elif imported.startswith("loadlock."):
                    above = imported.removeprefix("loadlock.").split(".")[0]
                    beside = MAY_IMPORT[package.removeprefix("loadlock.")]
                    assert imported.startswith(package) or above in GROUND | beside, f"{path.name} imports {imported}"


def test_nothing_imports_the_command_line_or_the_test_kit() -> None:
    for name, path in modules():
        layer = name.split(".")[0]
        for imported in imports_of(path):
            for upper in ("cli", "testing"):
                if imported.startswith(f"loadlock.{upper}"):
                    # the test kit runs the command line, as any program outside would
                    assert layer in (upper, "testing"), f"{name} imports {imported}"


def test_drivers_are_imported_only_in_their_own_files() -> None:
    for name, path in modules():
        if name.startswith("testing"):
            continue
        for imported in imports_of(path):
            owner = DRIVERS.get(imported.split(".")[0])
            if owner is not None:
                stem = path.stem.lstrip("_")
                assert stem.startswith(owner.lstrip("_")), f"{name} imports {imported}"


def _loaded_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


HEAVY = {
    "adlfs",
    "asyncssh",
    "botocore",
    "fsspec",
    "gcsfs",
    "s3fs",
    "sshfs",
    "duckdb",
    "pyarrow",
    "numpy",
    "sqlalchemy",
    "alembic",
    "psycopg",
    "pgpq",
    "pymysql",
    "pydantic",
    "rich",
    "ftfy",
}


def test_importing_loadlock_loads_no_driver_no_duckdb_no_pyarrow() -> None:
    assert not _loaded_after("import loadlock") & HEAVY


def test_libraries_of_other_places_are_loaded_only_for_their_addresses() -> None:
    statement = (
        "from loadlock.intake import files; from pathlib import Path; files.find_files(['pyproject.toml'], Path())"
    )
    loaded = _loaded_after(statement)
    assert "loadlock.intake.places.find" in loaded
    assert not loaded & {
        "adlfs",
        "aiohttp",
        "asyncssh",
        "botocore",
        "fsspec",
        "gcsfs",
        "s3fs",
        "sshfs",
        "urllib.request",
    }


def test_help_loads_nothing_heavy() -> None:
    statement = "from loadlock.cli.app import run; run(['--help'])"
    assert not _loaded_after(statement) & HEAVY


def test_public_names_are_sorted_and_exist() -> None:
    import loadlock

    names = loadlock.__all__
    assert names == sorted(names)
    assert all(hasattr(loadlock, name) for name in names)


def test_rooms_and_functions_stay_small() -> None:
    for name, path in modules():
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 450, f"{name} has grown past 450 lines: do two things live in one room?"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                assert length <= 60, f"{name}.{node.name} has {length} lines"


def test_no_lock_file_names_a_registry_host() -> None:
    for path in ROOT.glob("*.lock*"):
        assert "://" not in path.read_text(encoding="utf-8"), path.name
