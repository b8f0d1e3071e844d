"""What each rule looked at, changed and rejected is told of a run: in its page and by `show`."""

from __future__ import annotations

from loadlock.testing.command import CommandLine


def test_a_run_tells_what_each_rule_did(loadlock: CommandLine) -> None:
    (loadlock.folder / "in.csv").write_text("id,n\n1, 1.5 \n2,x\n3,\n", encoding="utf-8")
    rule = "{phone: {country: DE}}"
    text = f"pipeline: p\nsource: in.csv\ncolumns: {{id: {{}}, n: {{rules: [trim, {rule}]}}}}\ndestination: out.csv\n"
    (loadlock.folder / "p.yaml").write_text(text, encoding="utf-8")
    done = loadlock.json("run", "p.yaml", codes=[3])
    trim, phone = done["tallies"]["rules"]
    assert (trim["looked"], trim["changed"], trim["examples"]) == (3, 1, [[" 1.5 ", "1.5"]])
    assert phone["rejected"] == done["balance"]["rejected"]["cleanup"] > 0
    told = " ".join(loadlock("show", done["run"]).said.split())
    assert f"n phone 3 {phone['changed']} {phone['rejected']}" in told
    page = (loadlock.folder / ".loadlock" / "reports" / f"{done['run']}.html").read_text(encoding="utf-8")
    row = page[page.index("<td>phone</td>") :]
    assert f'<td class="n">{phone["rejected"]}</td>' in row[: row.index("</tr>")]


def test_the_end_of_a_run_names_the_rules_that_changed_most(loadlock: CommandLine) -> None:
    (loadlock.folder / "in.csv").write_text("a,b,n\nx,y, 1\n X ,z,2\n", encoding="utf-8")
    columns = "{a: {rules: [trim, lower]}, b: {rules: [trim, upper]}, n: {type: integer}}"
    (loadlock.folder / "p.yaml").write_text(
        f"pipeline: p\nsource: in.csv\ncolumns: {columns}\ndestination: out.csv\n", encoding="utf-8"
    )
    told = loadlock("run", "p.yaml").said
    assert "values changed: b upper 2, a trim 1, a lower 1, n trimmed 1  (--json, report)" in told
