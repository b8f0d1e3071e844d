"""The Python API: the same verbs and names as the command line.

import loadlock

result = loadlock.Pipeline.load("orders.yaml").run()
print(result.balance, result.rejects().to_pandas())
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

if TYPE_CHECKING:
    from loadlock.pipeline.model import Pipeline as PipelineSpec
    from loadlock.workflow.preview import Preview
    from loadlock.workflow.result import RunResult

F = TypeVar("F", bound=Callable[..., Any])
KINDS = ("value", "column", "table")


@dataclass(frozen=True)
class Pipeline:
    """A pipeline ready to run: read from YAML by `load`, or built in Python by `build`."""

    spec: PipelineSpec
    path: str | None = None

    @classmethod
    def load(cls, path: str | Path) -> Pipeline:
        """Read a pipeline file. Raises PipelineError with all its mistakes."""
        from loadlock.pipeline.read import load_pipeline

        return cls(load_pipeline(Path(path)), str(Path(path).resolve()))

    @classmethod
    def build(
        cls,
        name: str,
        *,
        files: str | Sequence[str],
        columns: Mapping[str, Any] | None = None,
        destination: str | Mapping[str, Any] | None = None,
        base_folder: str | Path = ".",
        **sections: Any,
    ) -> Pipeline:
        """Build a pipeline with the names of the YAML file; `sections` are its other keys (`source`, `rules`, `checks`,
        `destinations` ...).

        A Python function may stand where a rule stands: `rules=[{"python": function, "column": "name"}]`.
        """
        from loadlock.pipeline.build import make_pipeline

        spec = make_pipeline(
            name=name, files=files, columns=columns, destination=destination, base_folder=base_folder, **sections
        )
        return cls(spec)

    def run(
        self,
        *,
        workspace: str | Path | None = None,
        force: bool = False,
        files: str | None = None,
        wait_seconds: float = 0.0,
        report: bool = True,
        progress: Any = None,
    ) -> RunResult:
        """Take the files through all stages. Raises LoadlockError; what was rejected is in the result, not raised."""
        from loadlock.workflow.progress import Silent
        from loadlock.workflow.start import Options, run_pipeline

        options = Options(
            workspace=workspace,
            force=force,
            files=files,
            wait_seconds=wait_seconds,
            report=report,
            progress=progress or Silent(),
        )
        return run_pipeline(self.spec, options, path=self.path)

    def plan(
        self,
        *,
        workspace: str | Path | None = None,
        force: bool = False,
        files: str | None = None,
        wait_seconds: float = 0.0,
        progress: Any = None,
    ) -> RunResult:
        """Play a run through up to the publish. `document["plan"]` says what it would change; `resume` carries it out."""
        from loadlock.workflow.progress import Silent
        from loadlock.workflow.start import Options, run_pipeline

        options = Options(
            workspace=workspace,
            force=force,
            files=files,
            wait_seconds=wait_seconds,
            plan=True,
            progress=progress or Silent(),
        )
        return run_pipeline(self.spec, options, path=self.path)

    def preview(self, *, rows: int | None = None, whole: bool = False) -> Preview:
        """Rows before and after cleanup that show each rule and problem at work; touches nothing.

        The first 64 MiB of the files are looked at, or the `whole`.
        """
        from loadlock.workflow.preview import preview

        return preview(self.spec, rows=rows, whole=whole)


@overload
def rule(function: F, *, kind: str = "value") -> F: ...


@overload
def rule(function: None = None, *, kind: str = "value") -> Callable[[F], F]: ...


def rule(function: F | None = None, *, kind: str = "value") -> Any:
    """Mark a function as a rule. `kind`: `value` (one value in, one out), `column` (an Arrow array), `table` (an Arrow table).

    @loadlock.rule
    def shout(value: str | None) -> str | None:
        return None if value is None else value.upper()
    """
    return _marked(function, {"kind": kind, "is": "rule"})


@overload
def check(function: F, *, kind: str = "value") -> F: ...


@overload
def check(function: None = None, *, kind: str = "value") -> Callable[[F], F]: ...


def check(function: F | None = None, *, kind: str = "value") -> Any:
    """Mark a function as a check: true = passes. `kind` as for `rule`; a column check gives a boolean array."""
    return _marked(function, {"kind": kind, "is": "check"})


def _marked(function: F | None, mark: dict[str, str]) -> Any:
    if mark["kind"] not in KINDS:
        raise ValueError(f"unknown kind {mark['kind']!r}; one of {', '.join(KINDS)}")

    def decorate(target: F) -> F:
        target.__loadlock__ = mark  # type: ignore[attr-defined]
        return target

    return decorate if function is None else decorate(function)


def resume(run: str, *, workspace: str | Path | None = None, to: str | None = None) -> RunResult:
    """Finish a run that was killed, interrupted or failed."""
    from loadlock.workflow.start import Options
    from loadlock.workflow.start import resume as go_on

    return go_on(run, Options(workspace=workspace), to=to)
