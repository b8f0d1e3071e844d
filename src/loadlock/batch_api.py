"""A batch in Python: its rejects, corrections and replays, with the names of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from loadlock.workflow.correct import Correction
    from loadlock.workflow.decide import Decision
    from loadlock.workflow.forget import Forgotten
    from loadlock.workflow.result import RunResult
    from loadlock.workflow.rollback import Rollback


@dataclass(frozen=True)
class Batch:
    """A batch that is known in a workspace, by its id or a unique beginning of it (or of one of its runs).

    batch = loadlock.Batch(result.batch, workspace=result.workspace)
    batch.export_rejects("fix.xlsx")            # edit it, then
    batch.correct("fix.xlsx", by="ann")
    batch.replay()
    """

    name: str
    workspace: str | Path | None = None

    def rejects(
        self,
        *,
        code: str | None = None,
        column: str | None = None,
        file: str | None = None,
        stage: str | None = None,
        state: str | None = None,
    ) -> pa.Table:
        """The rejects as an Arrow table: `loadlock.rows.reject_schema`, then `to`, `state` and `corrected` (JSON)."""
        import pyarrow as pa

        from loadlock.workflow.lists import opened, reject_filter, reject_tables

        wanted = reject_filter(code=code, column=column, file_name=file, stage=stage, state=state)
        with opened(self.workspace) as space:
            return pa.concat_tables(reject_tables(space, self.name, wanted))

    def export_rejects(
        self,
        path: str | Path,
        *,
        code: str | None = None,
        column: str | None = None,
        file: str | None = None,
        stage: str | None = None,
        state: str | None = None,
        limit: int | None = None,
    ) -> int:
        """Write rejects to a .csv, .xlsx or .jsonl file that `correct` reads back; how many."""
        from loadlock.workflow.lists import export_rejects, opened, reject_filter

        wanted = reject_filter(code=code, column=column, file_name=file, stage=stage, state=state, limit=limit)
        with opened(self.workspace) as space:
            return export_rejects(space, self.name, wanted, str(path))

    def correct(
        self, path: str | Path, *, by: str | None = None, why: str = "", take_altered: bool = False
    ) -> Correction:
        """Record the changes of an edited export. Raises UsageError, and records nothing, where rows don't belong."""
        from loadlock.workflow.acting import Who
        from loadlock.workflow.correct import correct

        return correct(self.name, path, who=Who(by=by, why=why), workspace=self.workspace, altered=take_altered)

    def correct_in_bulk(
        self,
        *,
        sets: Sequence[str] = (),
        maps: Sequence[str] = (),
        where: str | None = None,
        by: str | None = None,
        why: str = "",
    ) -> Correction:
        """Record corrections by SQL (`sets=["country='DE'"]`) or value maps (`maps=["country=countries.csv"]`)."""
        from loadlock.workflow.acting import Who
        from loadlock.workflow.bulk import Bulk, correct_in_bulk

        bulk = Bulk(sets=sets, maps=maps, where=where)
        return correct_in_bulk(self.name, bulk, who=Who(by=by, why=why), workspace=self.workspace)

    def corrections(self) -> list[dict[str, Any]]:
        """Every changed value, accepted and discarded reject: who, when, why, old and new."""
        from loadlock.workflow.audit import audit_cells

        return list(audit_cells(self.name, workspace=self.workspace))

    def undo(self, act: int | None = None, *, by: str | None = None, why: str = "") -> int:
        """Take an act back (None: the newest that stands); its number."""
        from loadlock.workflow.acting import Who
        from loadlock.workflow.correct import undo

        return undo(self.name, act=act, who=Who(by=by, why=why), workspace=self.workspace).undoes or 0

    def accept(self, *, why: str, where: str | None = None, by: str | None = None) -> Decision:
        """Let rejects pass the checks that they failed; `replay` delivers them."""
        from loadlock.workflow.decide import accept

        return accept(self.name, why=why, by=by, where=where, workspace=self.workspace)

    def discard(self, *, why: str, where: str | None = None, by: str | None = None) -> Decision:
        """Give rejects up; the balance counts them as discarded."""
        from loadlock.workflow.decide import discard

        return discard(self.name, why=why, by=by, where=where, workspace=self.workspace)

    def replay(self, *, everything: bool = False, force: bool = False, to: str | None = None) -> RunResult:
        """Send corrected and accepted rejects (`everything`: open ones too) through the rules as they are now."""
        from loadlock.workflow.replay import replay
        from loadlock.workflow.start import Options

        return replay(self.name, Options(workspace=self.workspace, force=force), everything=everything, to=to)

    def rollback(self, *, force: bool = False, to: str | None = None) -> Rollback:
        """Take back what the batch delivered; `force` restores the old rows over what others changed since.

        Raises ConflictError, whose `details` list the conflicts, and then nothing is changed."""
        from loadlock.workflow.rollback import rollback
        from loadlock.workflow.start import Options

        return rollback(self.name, Options(workspace=self.workspace, force=force), to=to)

    def forget(self, *, confirm: bool) -> Forgotten:
        """Remove the batch's data from the workspace for good."""
        from loadlock.workflow.forget import forget

        return forget(self.name, confirm=confirm, workspace=self.workspace)
