"""What the guides say is done as they say it."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from flows.cli import run
from flows.hub_server.running import running_hub
from pipeline.crawl.raw import RawStore
from pipeline.release import Release
from pipeline.sample.wiki import sample_folder, serve_sample

ROOT = Path(__file__).parents[2]
TUXEMON = Path(os.environ.get("PIXELBYTES_TUXEMON", ROOT.parent / "shared" / "corpora" / "tuxemon")).resolve()


def blocks(guide: str, language: str) -> list[str]:
    """Return the blocks of code of one language in a guide."""
    text = (ROOT / "docs" / guide).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_guide_s_wiki_is_looked_at_crawled_and_surveyed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIXELBYTES_DATA", str(tmp_path / "data"))
    with serve_sample(sample_folder()) as served:
        mine = tmp_path / "mine.toml"
        mine.write_text(blocks("your-own-wiki.md", "toml")[0].replace("8090", str(served.port)), encoding="utf-8")
        assert run(["crawl", str(mine), "--dry-run"]) == 0
        assert "in all 1,020 requests" in capsys.readouterr().out
        assert run(["crawl", str(mine), "--limit", "5"]) == 0
        assert run(["survey", str(mine)]) == 0
        assert "510 of 510" in capsys.readouterr().out


@pytest.mark.slow
def test_the_guide_s_folder_becomes_a_release_in_two_languages(tmp_path: Path) -> None:
    if not TUXEMON.is_dir():
        pytest.skip(f"there is no {TUXEMON}: name the corpus with PIXELBYTES_TUXEMON")
    mine = tmp_path / "source.toml"
    text = blocks("your-own-wiki.md", "toml")[1]
    mine.write_text(text.replace('folder = "."', f'folder = "{TUXEMON}"'), encoding="utf-8")
    data = ["--data", str(tmp_path / "data")]
    assert run(["crawl", str(mine), *data]) == 0
    assert run(["build", str(mine), "--offline", *data]) == 0
    manifest = Release.open(tmp_path / "data" / "builds" / "pixelbytes" / "tuxemon").manifest
    assert sum(manifest.counts.values()) > 550
    assert manifest.withheld == ("texts", "pictures")
    stored = RawStore(tmp_path / "data" / "raw" / "tuxemon").latest_crawl()
    assert stored is not None
    assert len(stored.by_url("miniature")) == 373
    assert run(["crawl", str(TUXEMON), "--data", str(tmp_path / "bare")]) == 0


def test_every_file_that_a_guide_names_is_there() -> None:
    for guide in (ROOT / "docs").glob("*.md"):
        text = guide.read_text(encoding="utf-8")
        named = re.findall(r"\]\(([^)#:]+)\)", text)
        assert all((guide.parent / name).exists() for name in named), guide
        assert all((ROOT / name).exists() for name in re.findall(r"`(pipeline/[\w/.-]+\.toml)`", text)), guide


@pytest.mark.slow
def test_the_guide_to_the_hub_is_done_line_by_line(tmp_path: Path) -> None:
    tried = blocks("hub.md", "sh")
    (read,) = (block for block in tried if "pixelbytes pull" in block)
    lines = [*tried[1].splitlines(), *tried[2].splitlines()]
    lines += [line for line in read.splitlines() if not line.startswith("pixelbytes train")]
    with running_hub(tmp_path / "hub") as hub:
        scripts = Path(sys.executable).parent
        env = os.environ | {
            "HF_ENDPOINT": hub.endpoint,
            "HF_TOKEN": hub.token,
            "HF_HOME": str(tmp_path / "home"),
            "PATH": f"{scripts}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PIXELBYTES_DATA": str(tmp_path / "data"),
        }
        said = {}
        for line in lines:
            words = shlex.split(line, comments=True)
            command = [sys.executable, "-m", "flows.cli", *words[1:]] if words[0] == "pixelbytes" else words
            done = subprocess.run(
                command, check=False, capture_output=True, text=True, timeout=300, env=env, cwd=tmp_path
            )
            assert done.returncode == 0, (line, done.stderr)
            said[line.split("#")[0].strip()] = done.stdout
    assert "published me/sample@v1.0.0 (public)" in said["pixelbytes rebuild sample --to hub:me/sample"]
    assert "every digest of me/sample@v1.0.0 holds" in said["pixelbytes verify hub:me/sample@v1.0.0"]
    assert "nothing changed" in said["pixelbytes publish data/builds/me/sample --to hub:me/sample"]
    assert (tmp_path / "data" / "releases" / "me" / "sample" / "v1.0.0" / "README.md").is_file()
