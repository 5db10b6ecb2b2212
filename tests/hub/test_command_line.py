"""The Hub and its clients as commands: `pixelbytes hub serve`, `hf upload` and `hf download`."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.cli import run
from flows.hub_commands import serve
from flows.hub_server.running import RunningHub

HF = Path(sys.executable).with_name("hf")


def environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "PIXELBYTES_"))}
    return {**kept, "HF_HOME": str(folder / "home"), "HF_HUB_DISABLE_TELEMETRY": "1", "NO_COLOR": "1", **more}


def hf(variables: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [str(HF), *arguments], env=variables, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_hf_uploads_and_downloads(hub: RunningHub, tmp_path: Path) -> None:
    variables = environment(tmp_path, HF_ENDPOINT=hub.endpoint, HF_TOKEN=hub.token, HF_HUB_DISABLE_XET="1")
    made = {"README.md": b"---\nlicense: mit\n---\n", "data/a.parquet": b"PAR1" * 1000}
    for path, data in made.items():
        (tmp_path / "up" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "up" / path).write_bytes(data)
    hf(variables, "upload", "org/typed", str(tmp_path / "up"), "--repo-type", "dataset")
    hf(variables, "repos", "tag", "create", "org/typed", "v1.0.0", "--repo-type", "dataset")
    down = tmp_path / "down"
    hf(variables, "download", "org/typed", "--repo-type", "dataset", "--revision", "v1.0.0", "--local-dir", str(down))
    assert {path: (down / path).read_bytes() for path in made} == made


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The command as a process, and the lines it greets with."""
    code = "from flows.hub_commands import hub; hub(['serve', '--port', '0'])"
    variables = environment(tmp_path, PIXELBYTES_DATA=str(tmp_path / "data"))
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=variables) as child:
        assert child.stderr is not None
        yield child, [child.stderr.readline() for _ in range(5)]
        child.kill()


@pytest.mark.slow
def test_what_the_command_tells_to_export_is_enough(
    served: tuple[subprocess.Popen[str], list[str]], tmp_path: Path
) -> None:
    child, lines = served
    token = (tmp_path / "data" / "hub-server" / "token").read_text().strip()
    assert token not in "".join(lines)
    exports = "\n".join(line for line in lines if line.strip().startswith("export "))
    script = f"{exports}\n{shlex.quote(str(HF))} auth whoami"
    done = subprocess.run(
        ["bash", "-c", script], env=environment(tmp_path), capture_output=True, text=True, timeout=60, check=False
    )
    assert "pixelbytes" in done.stdout + done.stderr
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=20) == 0


def test_a_port_and_a_webhook_that_cannot_be_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIXELBYTES_DATA", str(tmp_path))
    assert run(["hub", "serve", "--port", "70000"]) == 2
    monkeypatch.setenv("PIXELBYTES_WEBHOOK_SECRET", "a secret of sixteen characters")
    assert run(["hub", "serve", "--webhook", "ftp://127.0.0.1/"]) == 2
    monkeypatch.delenv("PIXELBYTES_WEBHOOK_SECRET")
    assert run(["hub", "serve", "--webhook", "http://127.0.0.1:9/"]) == 2
    assert re.search("PIXELBYTES_WEBHOOK_SECRET", capsys.readouterr().err)
    assert not list(tmp_path.iterdir())


def test_the_help_teaches_by_an_example() -> None:
    assert "Example: pixelbytes hub serve" in (serve.__doc__ or "")
