"""`doctor`: can everything be reached, is everything permitted? Looks only."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from loadlock.errors import LoadlockError
from loadlock.pipeline.model import Pipeline
from loadlock.workflow.destinations import BoundDestination, all_targets, bind_destinations
from loadlock.workflow.space import estimates, plain_size
from loadlock.workflow.workspace import find_workspace

_PACKAGES = ("duckdb", "pyarrow", "numpy", "sqlalchemy")
_EXTRAS = {
    "psycopg": "postgres",
    "pgpq": "postgres",
    "pymysql": "mysql",
    "s3fs": "s3",
    "gcsfs": "gcs",
    "adlfs": "azure",
    "sshfs": "sftp",
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing examined. `verdict` is ok, warn or fail."""

    what: str
    verdict: str
    found: str
    remedy: str | None = None


def examine(pipeline: str | None, workspace: str | Path | None) -> list[Finding]:
    """Packages, workspace, and with a pipeline its files, free space and destinations. Never raises for what it finds."""
    findings = list(_packages())
    read = None
    if pipeline is not None:
        read, finding = _pipeline(Path(pipeline))
        findings.append(finding)
    findings.append(_workspace(find_workspace(workspace, base_folder=read.base_folder if read else None)))
    if read is not None:
        findings += _files(read, find_workspace(workspace, base_folder=read.base_folder))
        findings += _destinations(read)
    return findings


def _packages() -> Iterator[Finding]:
    yield Finding(what="python", verdict="ok", found=sys.version.split()[0])
    for name in (*_PACKAGES, *_EXTRAS):
        try:
            yield Finding(what=name, verdict="ok", found=metadata.version(name))
        except metadata.PackageNotFoundError:
            extra = _EXTRAS.get(name)
            remedy = f"Only for what needs it: pip install 'loadlock[{extra}]'." if extra else "Install Loadlock again."
            yield Finding(what=name, verdict="warn" if extra else "fail", found="not installed", remedy=remedy)


def _pipeline(path: Path) -> tuple[Pipeline | None, Finding]:
    from loadlock.pipeline.read import load_pipeline

    try:
        read = load_pipeline(path)
    except LoadlockError as exc:
        return None, Finding(what="pipeline", verdict="fail", found=str(exc), remedy=exc.hint)
    return read, Finding(what="pipeline", verdict="ok", found=f"{read.name} ({path})")


def _workspace(root: Path) -> Finding:
    folder = root
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        return Finding(
            what="workspace", verdict="fail", found=f"{root} can't be written", remedy="Name another by --workspace."
        )
    free = shutil.disk_usage(folder).free
    return Finding(what="workspace", verdict="ok", found=f"{root} ({free / 1e9:.1f} GB free)")


def _files(pipeline: Pipeline, root: Path) -> Iterator[Finding]:
    from loadlock.workflow.inputs import find_inputs

    try:
        found = find_inputs(pipeline.source, Path(pipeline.base_folder))
        sizes = [file.size for file in found]
    except LoadlockError as exc:
        yield Finding(what="files", verdict="fail", found=str(exc), remedy=exc.hint)
        return
    size = sum(known for known in sizes if known is not None)
    elsewhere = sizes.count(None)
    told = f"{len(found)} files, {size / 1e6:.1f} MB" + (f" and {elsewhere} elsewhere" if elsewhere else "")
    yield Finding(what="files", verdict="ok", found=told)
    yield from _space(
        pipeline, root, plain_size((file.label, known) for file, known in zip(found, sizes, strict=True) if known)
    )


def _space(pipeline: Pipeline, root: Path, size: int) -> Iterator[Finding]:
    """What a batch of all these files would take, and what is free."""
    try:
        bound = all_targets(bind_destinations(pipeline))
    except LoadlockError:
        bound = []
    for estimate in estimates(size, root, bound, keep_source=pipeline.source.keep):
        remedy = None if estimate.verdict == "ok" else "Make room (`loadlock gc --dry-run` shows what can go)."
        yield Finding(what="space", verdict=estimate.verdict, found=estimate.told(), remedy=remedy)


def _destinations(pipeline: Pipeline) -> Iterator[Finding]:
    try:
        bound = bind_destinations(pipeline)
    except LoadlockError as exc:
        yield Finding(what="destination", verdict="fail", found=str(exc), remedy=exc.hint)
        return
    for target in all_targets(bound):
        yield _destination(target)


def _destination(bound: BoundDestination) -> Finding:
    try:
        info = bound.destination.inspect(bound.target)
    except LoadlockError as exc:
        return Finding(what="destination", verdict="fail", found=str(exc), remedy=exc.hint)
    if info is None:
        verdict, found = ("ok", "absent, will be created") if bound.spec.create else ("fail", "absent")
        remedy = None if bound.spec.create else "Create it, or set `create: true`."
        return Finding(what="destination", verdict=verdict, found=f"{bound.label}: {found}", remedy=remedy)
    return Finding(what="destination", verdict="ok", found=f"{bound.label}: {len(info.columns)} columns, {bound.mode}")
