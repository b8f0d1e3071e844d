"""A replay's rows among those of its batch, where only the column `_batch` tells batches apart."""

from __future__ import annotations

import pytest

from loadlock.testing.command import CommandLine
from loadlock.testing.databases import ask

PIPELINE = """\
pipeline: people
source: {{files: in.csv}}
columns: {{id: {{type: integer}}, name: {{type: text}}, facts: {{type: json}}}}
rejects: {{budget: {{percent: 100}}}}
destination: {{url: "{url}", table: people, {way}, lineage: columns}}
"""


@pytest.mark.parametrize("way", ["mode: append", "mode: upsert, key: [id]"])
def test_a_replay_into_a_table_with_lineage_is_read_back_by_its_own_rows(
    loadlock: CommandLine, url: str, way: str
) -> None:
    (loadlock.folder / "p.yaml").write_text(PIPELINE.format(url=url, way=way), encoding="utf-8")
    (loadlock.folder / "in.csv").write_text('id,name,facts\n1,Ann,\nx,Bo,"{""b"": 1, ""a"": 2}"\n', encoding="utf-8")
    batch = loadlock.json("run", "p.yaml", codes=[3])["batch"]
    loadlock.json("correct", batch, "--set", "id='2'", "--where", "row=2")
    loadlock.json("replay", batch, codes=[0])
    loadlock.json("verify", batch, codes=[0])
    assert ask(url, "select id, name from people order by id") == [(1, "Ann"), (2, "Bo")]
