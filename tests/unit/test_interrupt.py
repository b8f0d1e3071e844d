"""A signal is a signal, whoever hears it first."""

from __future__ import annotations

import pytest

from loadlock.errors import one_interrupt


def test_a_signal_that_duckdb_hears_first_is_an_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt), one_interrupt():
        raise RuntimeError("Query interrupted")  # as DuckDB words it


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="broken"), one_interrupt():
        raise RuntimeError("broken")
