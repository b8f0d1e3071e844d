"""Runs the checks that the user wrote in Python over the final values of a part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from loadlock.cleanup.plan import Finding, Plan, PythonCheck
from loadlock.model import Severity
from loadlock.rows import HIDDEN

if TYPE_CHECKING:
    import pyarrow as pa

MESSAGE_LIMIT = 300


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """Rows that Python checks found bad: for each finding its rows (ascending)."""

    found: list[tuple[Finding, np.ndarray[Any, Any]]] = field(default_factory=list)

    def rejecting(self, rows: int) -> np.ndarray[Any, Any]:
        """Rows that are kept out, as flags."""
        bad = np.zeros(rows, bool)
        for finding, indexes in self.found:
            if finding.severity == Severity.REJECT:
                bad[indexes] = True
        return bad


def run_checks(plan: Plan, finals: Sequence[pa.Array]) -> CheckResult:
    """Call every Python check of the plan on the columns' values."""
    found: list[tuple[Finding, np.ndarray[Any, Any]]] = []
    names = [name for name, _ in plan.columns]
    for check in plan.python_checks:
        if check.kind == "table":
            found += _whole(check, dict(zip(names, finals, strict=True)))
        else:
            assert check.finding.column is not None
            found += _column(check, finals[names.index(check.finding.column)])
    return CheckResult(found=found)


def _column(check: PythonCheck, values: pa.Array) -> list[tuple[Finding, np.ndarray[Any, Any]]]:
    if check.kind == "column":
        return _whole(check, values)
    call = check.function.load()
    distinct = values.dictionary_encode(null_encoding="encode")
    verdicts = [_judge(check, call, value) for value in distinct.dictionary.to_pylist()]
    codes = distinct.indices.to_numpy(zero_copy_only=False)
    return _grouped(check, verdicts, codes)


def _grouped(
    check: PythonCheck, verdicts: list[tuple[str, str] | None], codes: np.ndarray[Any, Any]
) -> list[tuple[Finding, np.ndarray[Any, Any]]]:
    """One finding for each different (code, message), with the rows whose value got that verdict."""
    found = []
    for verdict in dict.fromkeys(verdict for verdict in verdicts if verdict is not None):
        those = np.isin(codes, [number for number, given in enumerate(verdicts) if given == verdict])
        found.append((replace(check.finding, code=verdict[0], message=verdict[1]), np.flatnonzero(those)))
    return found


def _judge(check: PythonCheck, call: Any, value: Any) -> tuple[str, str] | None:
    """None = passes; else (code, message). A check may give a message in place of False."""
    try:
        passed = call(value)
    except Exception as error:
        if check.finding.masked:
            return "python_error", f"{check.function.name}({HIDDEN}) raised {type(error).__name__}"
        shown = repr(value) if len(repr(value)) <= 80 else repr(value)[:80] + "…"
        return "python_error", f"{check.function.name}({shown}) raised {type(error).__name__}: {error}"[:MESSAGE_LIMIT]
    if passed is None or passed is True:
        return None
    said = passed[:MESSAGE_LIMIT] if isinstance(passed, str) else check.finding.message
    return "python_check", said.replace(str(value), HIDDEN) if check.finding.masked and value not in (
        None,
        "",
    ) else said


def _whole(check: PythonCheck, values: Any) -> list[tuple[Finding, np.ndarray[Any, Any]]]:
    """A check over a whole column or table gives one boolean a row; null passes."""
    import pyarrow as pa

    given = pa.table(values) if isinstance(values, dict) else values
    rows = given.num_rows if isinstance(given, pa.Table) else len(given)
    try:
        result = check.function.load()(given)
        passed = pa.array(result, pa.bool_()) if not isinstance(result, pa.Array | pa.ChunkedArray) else result
        if len(passed) != rows:
            raise TypeError(f"gave {len(passed)} verdicts for {rows} rows")
        ok = passed.cast(pa.bool_()).fill_null(True)
        failed = ~np.asarray(ok.to_numpy() if isinstance(ok, pa.ChunkedArray) else ok.to_numpy(zero_copy_only=False))
        return [(replace(check.finding, code="python_check"), np.flatnonzero(failed))]
    except Exception as error:
        message = f"{check.function.name} raised {type(error).__name__}: {error}"[:MESSAGE_LIMIT]
        return [(replace(check.finding, code="python_error", message=message), np.arange(rows))]
