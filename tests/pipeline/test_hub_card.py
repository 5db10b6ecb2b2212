"""The card of a release on the Hub: its code, as it stands there, reads that version."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.on_hub import IGNORE_CLIENT, NAME, World, world

pytestmark = pytest.mark.filterwarnings(IGNORE_CLIENT)
STREAM = """
from datasets import load_dataset
first = {f"{config}/{split}": next(iter(load_dataset("NAME", config, split=split, revision="TAG", streaming=True)))
         for config, split in CONFIGS}
"""
REPORT = """
import json
print(json.dumps(REPORT, default=str))
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("hub")) as made:
        made.store(warm=True).publish(made.new)  # so that the version is not the newest
        yield made


def ran(hub: World, root: Path, code: str) -> dict[str, object]:
    """Run code as a reader would who has nothing of ours, and no token; return what it prints as JSON."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    given = {"HF_ENDPOINT": hub.hub.endpoint, "HF_HOME": str(root / "home"), "HF_HUB_DISABLE_XET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**known, **given}, cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return told


def test_the_code_of_the_card_runs_as_it_stands_on_the_hub(hub: World, tmp_path: Path) -> None:
    release = hub.store().open(NAME, "v1.0.0")
    card = Path(hub.api.hf_hub_download(NAME, "README.md", repo_type="dataset", revision="v1.0.0", local_dir=tmp_path))
    snippets = re.findall(r"```python\n(.*?)```", card.read_text("utf-8"), flags=re.DOTALL)
    assert len(snippets) >= len(release.manifest.configs)
    report = '{"records": len(records), "tokens": len(tokens), "text": text, "shape": picture.shape}'
    told = ran(hub, tmp_path, "\n".join([*snippets, REPORT.replace("REPORT", report)]))
    first = release.table("records", "train").slice(0, 1).to_pylist()[0]
    counts = hub.old.manifest.counts
    assert told["records"] == told["tokens"] == counts["train"] != hub.new.manifest.counts["train"]
    assert told["text"] == first["caption"]


@pytest.mark.slow
def test_every_config_can_be_streamed_at_its_tag(hub: World, tmp_path: Path) -> None:
    release = hub.store().open(NAME, "v1.0.0")
    rows = {
        (config, split): release.table(config, split)
        for config, splits in release.manifest.configs.items()
        for split in splits
    }
    asked = [name for name, table in rows.items() if table.num_rows]
    code = STREAM.replace("NAME", NAME).replace("TAG", "v1.0.0").replace("CONFIGS", repr(asked))
    told = ran(hub, tmp_path, code + REPORT.replace("REPORT", '{name: row.get("id") for name, row in first.items()}'))
    for config, split in asked:
        if "id" in rows[config, split].column_names:
            assert told[f"{config}/{split}"] in rows[config, split].column("id").to_pylist()
