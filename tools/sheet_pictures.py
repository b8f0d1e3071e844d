"""Makes the pictures of docs/how-to/google-sheets.md: real commands against the emulator, its sheets drawn as a page.

python tools/sheet_pictures.py        # needs Chromium
"""

from __future__ import annotations

import argparse
import html
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from loadlock.testing.sheets import SheetsEmulator  # noqa: E402

IMAGES = ROOT / "docs" / "images"
LOADER = "loader@shop-data.iam.gserviceaccount.com"
SHEET = "1aBcD_the_long_id_in_the_address"
PIPELINE = """pipeline: orders
source: orders.csv
columns:
  order_id: {type: integer, required: true}
  customer: {}
  amount: {type: "decimal(10,2)"}
  paid_on: {type: date}
destination:
  url: https://docs.google.com/spreadsheets/d/1aBcD_the_long_id_in_the_address/edit#gid=0
  mode: upsert
  key: order_id
  credentials: keys/loader.json
"""
BIG = """pipeline: years
source: years.csv
destination: {url: "gsheets://1aBcD_the_long_id_in_the_address/Years", mode: replace, credentials: keys/loader.json}
"""
STYLE = """
* { box-sizing: border-box; } body { margin: 0; padding: 16px; background: #fff; font: 14px/1.45 system-ui, sans-serif; }
pre { background: #16202b; color: #e6edf3; padding: 16px; margin: 0; border-radius: 8px; white-space: pre-wrap;
  font: 13px/1.5 ui-monospace, monospace; }
pre b { color: #7ee787; font-weight: 400; } pre i { color: #ffa198; font-style: normal; }
table { border-collapse: collapse; width: 100%; }
td, th { border: 1px solid #d0d7de; padding: 4px 10px; height: 27px; }
th { background: #f3f5f7; color: #57606a; font-weight: 400; text-align: center; width: 34px; }
td.n { text-align: right; } tr.h td { font-weight: 600; border-bottom: 2px solid #9aa4af; } td.own { background: #fff8dd; }
.tabs { margin-top: 8px; color: #57606a; } .tabs span { border: 1px solid #d0d7de; padding: 4px 14px; margin-right: 4px; }
.tabs span.on { background: #e7f3ec; color: #137333; font-weight: 600; } .tabs em { color: #9aa4af; font-style: italic; }
p { margin: 0 0 8px; color: #57606a; }
"""


@dataclass(frozen=True, kw_only=True)
class Desk:
    """The emulator, and a folder with a pipeline."""

    emulator: SheetsEmulator
    folder: Path

    def command(self, *words: str) -> str:
        """What a command prints, behind its prompt."""
        program = str(Path(sys.executable).with_name("loadlock"))
        environment = {**os.environ, "LOADLOCK_SHEETS_ENDPOINT": self.emulator.url}
        done = subprocess.run(
            [program, *words], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        said = "\n".join(
            line
            for line in (done.stdout + done.stderr).splitlines()
            if not line.endswith(" done") and "report:" not in line
        )
        said = said.replace(str(self.folder), "/home/ann/shop")
        code = f"exit code {done.returncode}"
        end = code if done.returncode == 0 else f"<i>{code}</i>"
        return f"<b>$ loadlock {html.escape(' '.join(words))}</b>\n{html.escape(said)}\n{end}"

    def sheet(self, title: str, own: Sequence[int] = ()) -> str:
        """A sheet as people see it; columns of theirs are coloured."""
        rows = self.emulator.rows(SHEET, f"{title}!A1:F8")
        letters = "".join(f"<th>{letter}</th>" for letter in "ABCDEF")
        lines = [self._line(number, row, own) for number, row in enumerate(rows, 1)]
        tabs = [f'<span class="on">{name}</span>' for name in self.emulator.tabs(SHEET) if not name.startswith("__")]
        hidden = [f"<em>hidden: {name}</em>" for name in self.emulator.tabs(SHEET) if name.startswith("__")]
        body = f"<tr><th></th>{letters}</tr>{''.join(lines)}"
        return f"<table>{body}</table><div class='tabs'>{''.join(tabs)}{' '.join(hidden)}</div>"

    def _line(self, number: int, row: list[Any], own: Sequence[int]) -> str:
        cells = "".join(
            f'<td class="{"n" if not isinstance(value, str) else ""} {"own" if place in own else ""}">{_shown(value, place)}</td>'
            for place, value in enumerate([*row, *[None] * (6 - len(row))])
        )
        return f'<tr class="{"h" if number == 1 else ""}"><th>{number}</th>{cells}</tr>'


def _shown(value: Any, place: int) -> str:
    import datetime as dt

    if value is None:
        return ""
    if isinstance(value, int | float) and value > 40_000:  # the dates of the story
        return (dt.date(1899, 12, 30) + dt.timedelta(days=int(value))).isoformat()
    return html.escape(f"{value:.2f}" if isinstance(value, float) else str(value))


def story(desk: Desk) -> dict[str, tuple[str, int]]:
    """The body of each picture, and its height."""
    orders = "order_id,customer,amount,paid_on\n1,Ann,10.50,2024-03-01\n2,=1+2,0.70,2024-03-02\n3,Cy,1200.00,\n"
    (desk.folder / "orders.csv").write_text(orders)
    not_shared = desk.command("run", "orders.yaml")
    desk.emulator.share(SHEET, LOADER, "writer")
    first = desk.command("run", "orders.yaml") + "\n"
    found = {"sheets-share": (f"<pre>{not_shared}</pre>", 150)}
    found["sheets-first"] = (f"<pre>{first}</pre><br>{desk.sheet('Orders')}", 470)
    desk.emulator.write(SHEET, "Orders!E1", [["who calls?"], ["Ann, done"], [None], ["Bea"]])
    (desk.folder / "orders.csv").write_text(orders.replace("10.50", "11.50") + "4,Di,7.00,2024-03-05\n")
    desk.command("run", "orders.yaml")
    note = "<p>The next day: order 1 was changed, order 4 is new. Column E is the operator's.</p>"
    found["sheets-operator"] = (note + desk.sheet("Orders", own=(4,)), 290)
    (desk.folder / "big.yaml").write_text(BIG)
    with (desk.folder / "years.csv").open("w") as file:
        file.write(",".join(["order_id", *(f"c{place}" for place in range(1, 12))]) + "\n")
        file.writelines(f"{number},a,b,c,d,e,f,g,h,i,j,k\n" for number in range(900_000))
    found["sheets-refused"] = (f"<pre>{desk.command('run', 'big.yaml')}</pre>", 240)
    return found


def picture(name: str, body: str, height: int, folder: Path) -> None:
    """Draw a page with Chromium."""
    page = folder / f"{name}.html"
    page.write_text(f"<!doctype html><meta charset=utf-8><style>{STYLE}</style>{body}", encoding="utf-8")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        raise SystemExit("Chromium is not installed")
    words = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--user-data-dir={folder / 'profile'}",
    ]
    goal = IMAGES / f"{name}.png"
    subprocess.run(
        [program, *words, f"--window-size=960,{height}", f"--screenshot={goal}", page.as_uri()],
        check=True,
        capture_output=True,
    )
    print(goal.relative_to(ROOT), goal.stat().st_size)


def main() -> None:
    """Tell the story, draw its pictures."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with SheetsEmulator() as emulator, tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "shop"
        (folder / "keys").mkdir(parents=True)
        (folder / "orders.yaml").write_text(PIPELINE)
        (folder / "keys" / "loader.json").write_text(json.dumps(emulator.service_account(LOADER)))
        header = ["order_id", "customer", "amount", "paid_on"]
        emulator.add_spreadsheet(tabs={"Orders": [header]}, spreadsheet_id=SHEET)
        for title, (body, height) in story(Desk(emulator=emulator, folder=folder)).items():
            picture(title, body, height, Path(name))


if __name__ == "__main__":
    main()
