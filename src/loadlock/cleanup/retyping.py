"""New values of columns that have their type already, from rules over the row."""

from __future__ import annotations

from loadlock.cleanup import typing_sql
from loadlock.cleanup.columns import json_value, type_findings, type_spec
from loadlock.cleanup.draft import Draft
from loadlock.cleanup.plan import Change


def retyped(draft: Draft, path: str, index: int, rule: str, text: str) -> None:
    """The column's new value from a text, read as strictly as a staged one (by its formats or as ISO)."""
    column = draft.columns[index]
    spec = type_spec(draft, index)
    if column.type.kind == "text" or spec is None:
        replaced(draft, path, index, rule, (text, text, text))
        return
    number = draft.number("retyped")
    trimmed = draft.build.add(f"w{number}", typing_sql.trimmed(text))
    if column.type.kind == "json":
        final, canonical = json_value(draft, trimmed)
        replaced(draft, path, index, rule, (trimmed, final, canonical))
    else:
        plain = typing_sql.TypeSpec(type=column.type, timezone=column.timezone)
        tries = [typing_sql.strict(spec, trimmed)] if spec.formats else []
        tries.append(typing_sql.strict(plain, trimmed))
        final = draft.build.add(f"u{number}", f"coalesce({', '.join(tries)}, null)")
        replaced(draft, path, index, rule, (trimmed, final, final))
    type_findings(draft, index, spec, (draft.texts[index], draft.finals[index]))


def replaced(draft: Draft, path: str, index: int, rule: str, new: tuple[str, str, str]) -> None:
    """Put (text, value, digest value) in place of the column's; the change is counted."""
    column = draft.columns[index]
    before = draft.finals[index]
    draft.texts[index], draft.finals[index], draft.digests[index] = new
    draft.build.changes.append(
        Change(
            path=path,
            kind="rule",
            column=column.name,
            rule=rule.split()[0],
            before=before,
            after=new[1],
            condition=f"{new[1]} is distinct from {before}",
            input=draft.staged(index),
            masked=column.mask,
        )
    )
