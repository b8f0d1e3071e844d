"""What a run gives back to its caller."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadlock.model import RunStatus

if TYPE_CHECKING:
    import pyarrow as pa

DONE, DONE_WITH_REJECTS, STOPPED = 0, 3, 4


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """The outcome of a run that came to its end. `document` is the JSON of the contract."""

    document: dict[str, Any]
    workspace: Path

    @property
    def run(self) -> str:
        return str(self.document["run"])

    @property
    def batch(self) -> str:
        return str(self.document["batch"])

    @property
    def status(self) -> RunStatus:
        return RunStatus(self.document["status"])

    @property
    def noop(self) -> bool:
        """True where the same batch had been delivered before and nothing was done."""
        return bool(self.document["noop"])

    @property
    def digest(self) -> str:
        """Of the clean rows, 32 hex digits."""
        return str(self.document["digest"])

    @property
    def balance(self) -> dict[str, Any]:
        return dict(self.document["balance"])

    @property
    def receipt(self) -> dict[str, Any] | None:
        """Of the first destination."""
        receipt: dict[str, Any] | None = self.document["receipt"]
        return receipt

    @property
    def exit_code(self) -> int:
        rejected = sum(self.document["balance"]["rejected"].values())
        rejected += sum(
            child["rejected"] for entry in self.document["destinations"] for child in entry.get("children", [])
        )
        if any(entry["stop"] for entry in self.document.get("plan") or ()):
            return STOPPED
        return DONE_WITH_REJECTS if rejected and not self.noop else DONE

    def rejects(self) -> pa.Table:
        """All rejects of the run as one Arrow table (`loadlock.rows.reject_schema`); `.to_pandas()` makes a DataFrame.

        After a replay: those of the batch that are not resolved.
        """
        import pyarrow as pa

        from loadlock.quarantine.read import ALL
        from loadlock.rows import reject_schema
        from loadlock.workflow.lists import reject_tables
        from loadlock.workflow.workspace import Workspace

        with Workspace.open(self.workspace, create=False) as workspace:
            tables = reject_tables(workspace, self.run, ALL)
        return pa.concat_tables(tables).select(reject_schema().names)
