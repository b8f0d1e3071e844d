"""The picture of the rows' flow shows every band whole."""

from __future__ import annotations

import re
from typing import Any

from loadlock.model import Balance
from loadlock.report.flow import flow_svg


def picture(**counts: Any) -> tuple[str, float, float]:
    """The picture, its height, and how far down anything in it reaches."""
    svg = flow_svg(Balance(**counts).to_json())
    height = float(re.findall(r'viewBox="0 0 \d+ (\d+)"', svg)[0])
    ends = [float(y) for y in re.findall(r",(\d+\.?\d*)", svg)] + [
        float(y) for y in re.findall(r' y="(\d+\.?\d*)"', svg)
    ]
    return svg, height, max(ends)


def test_a_wide_band_of_rejects_is_not_cut_off_at_the_bottom() -> None:
    svg, height, lowest = picture(received=6, staged=5, clean=2, inserted=2, rejected_intake=1, rejected_cleanup=3)
    assert "3 rejected at cleanup" in svg
    assert lowest <= height


def test_many_ways_out_stand_below_each_other() -> None:
    svg, height, lowest = picture(
        received=100, staged=100, clean=40, inserted=40, rejected_cleanup=20, skipped=20, superseded=10, discarded=10
    )
    assert all(f"{rows} {name}" in svg for rows, name in ((20, "skipped"), (10, "superseded"), (10, "discarded")))
    assert lowest <= height


def test_a_run_without_loss_has_no_room_below() -> None:
    assert picture(received=5, staged=5, clean=5, inserted=5)[1] < 220
