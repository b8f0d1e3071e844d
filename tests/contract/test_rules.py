"""Every rule that is registered keeps the contract of rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from loadlock.cleanup.components import is_over_row
from loadlock.registry import components
from loadlock.testing.contracts import row_rules
from loadlock.testing.contracts.rules import FACTS

OF_VALUES = [name for name, found in components("rules").items() if hasattr(found, "sql") or hasattr(found, "apply")]
OVER_ROWS = [name for name in components("rules") if is_over_row(name)]


@pytest.mark.parametrize("name", OF_VALUES)
@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.__name__)
def test_a_rule(name: str, fact: Callable[[type[Any]], None]) -> None:
    fact(components("rules")[name])


@pytest.mark.parametrize("name", OVER_ROWS)
@pytest.mark.parametrize("fact", row_rules.FACTS, ids=lambda fact: fact.__name__)
def test_a_rule_over_the_row(name: str, fact: Callable[[type[Any]], None]) -> None:
    fact(components("rules")[name])
