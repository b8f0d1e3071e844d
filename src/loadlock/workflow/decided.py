"""What whole columns decide (date order, decimal mark), counted once: rows at rest don't change, so that what an earlier run
of the batch decided holds for a rerun that asks the same of them."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping, Sequence
from typing import Any

from loadlock.cleanup.plan import Plan
from loadlock.cleanup.survey import Decision
from loadlock.ledger.base import PartRecord
from loadlock.workflow import cleaning
from loadlock.workflow.planning import make_plan
from loadlock.workflow.run_task import RunTask

ASKED = "asked"
"""Key of a run's state: the digest of what was asked of which rows."""


def decided(
    task: RunTask, raw: Sequence[PartRecord], plan: Plan, known: Mapping[int, Mapping[str, int]]
) -> tuple[Plan, list[Decision], dict[str, Any]]:
    """The plan with nothing left open, the decisions, and what a run's state keeps of them; `known` as for `decide_all`."""
    question = asked(plan, task.batch.generation)
    found = _before(task, plan, question) or cleaning.decide_all(task.workspace, task.engine, raw, plan, known)
    plan, decisions = found
    return plan, decisions, {"decisions": plan.decisions, "decided": list(map(vars, decisions)), ASKED: question}


def asked(plan: Plan, generation: int) -> str:
    """The digest of what a plan without decisions asks of the rows of a generation: other rules, other digest.

    Pickled rather than shown: what is shown of an object may leave something out.
    """
    source = plan.pipeline.source
    questions = (
        generation, plan.queries.get("survey"), plan.survey_steps, plan.survey_items, plan.fills, plan.inputs,
        source.flatten, source.drift, plan.wanted,
    )  # fmt: skip
    return hashlib.sha256(pickle.dumps(questions)).hexdigest()


def _before(task: RunTask, plan: Plan, question: str) -> tuple[Plan, list[Decision]] | None:
    for other in task.workspace.ledger.runs(batch=task.record.batch):
        if other.state.get(ASKED) == question:
            found = [Decision(**decision) for decision in other.state["decided"]]
            return make_plan(
                plan.pipeline, plan.names, run_time=plan.run_time, decisions=other.state["decisions"]
            ), found
    return None
