"""Every rule that is registered keeps the contract of rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from loadlock.registry import components
from loadlock.testing.contracts.rules import FACTS


@pytest.mark.parametrize("name", components("rules"))
@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.__name__)
def test_a_rule(name: str, fact: Callable[[type[Any]], None]) -> None:
    fact(components("rules")[name])
