"""What `pixelbytes deploy` refuses, shows and tells, before any server stands; and that nothing outlives it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flows import cli
from flows.deploy.deploying import without_secrets
from flows.deploy.deployments import require_project
from flows.deploy.worker import worker_name
from flows.errors import UsageError
from flows.settings import data_root, quiet_prefect, serving_environment
from tests.deployed import ROOT, lives, until


def test_deploy_and_worker_refuse_what_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    data = ["--data", str(tmp_path / "data")]
    for words, said in (
        (["deploy"], "no prefect.yaml: run this from the project's root"),
        (["deploy", "--dry-run"], "no prefect.yaml"),
        (["deploy", "--port", "70000"], "--port is 70000"),
        (["deploy", "--limit", "0"], "--limit is 0"),
        (["worker", "--limit", "-1"], "--limit is -1"),
        (["worker"], "PREFECT_API_URL is not set"),
    ):
        assert cli.run([*words, *data]) == 2
        assert said in " ".join(capsys.readouterr().err.split())
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    assert cli.run(["deploy", "--database", "postgresql+asyncpg://me:secret@localhost/x", *data]) == 2
    assert "secret" not in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "content",
    ["", "deployments: 3", "deployments: [{name: a}]", "deployments: [{name: a, entrypoint: b, triggers: 1}]"],
)
def test_a_file_that_is_no_project_of_ours_is_refused_in_words(tmp_path: Path, content: str) -> None:
    (tmp_path / "prefect.yaml").write_text(content)
    with pytest.raises(UsageError, match="compare it with the project's own"):
        require_project(tmp_path)


def test_a_project_without_the_flows_that_it_names_is_refused(tmp_path: Path) -> None:
    (tmp_path / "prefect.yaml").write_text((ROOT / "prefect.yaml").read_text())
    with pytest.raises(UsageError, match=r"has no flows/rebuild_dataset\.py"):
        require_project(tmp_path)


def test_a_dry_run_shows_each_deployment_and_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert cli.run(["deploy", "--dry-run", "--data", str(tmp_path / "data")]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("rebuild-dataset", "train-model", "reproduce-paper", "verify-releases"))
    assert not (tmp_path / "data").exists()


def test_a_taken_port_is_refused_with_what_to_do() -> None:
    import socket

    from flows.deploy.deploying import _free

    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UsageError, match="name another with --port"):
        _free(taken.getsockname()[1])
    assert 0 < _free(0) < 65_536


def test_the_environment_keeps_what_the_user_set_and_logs_what_a_command_keeps_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = data_root(tmp_path)
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PREFECT_WORKER_QUERY_SECONDS", "7")
    with monkeypatch.context() as patch:
        patch.setattr(os, "environ", dict(os.environ))
        quiet_prefect(root)
        found = serving_environment(root, api="http://127.0.0.1:1/api")
        assert os.environ["PREFECT_LOGGING_LEVEL"] == "CRITICAL"
    assert "PREFECT_LOGGING_LEVEL" not in found
    assert found["PREFECT_WORKER_QUERY_SECONDS"] == "7"
    assert found["PREFECT_API_URL"] == "http://127.0.0.1:1/api"
    assert found["PIXELBYTES_DATA"] == str(tmp_path)
    assert found["PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"].endswith("filesystem")


def test_a_worker_is_known_by_its_machine_and_its_data(tmp_path: Path) -> None:
    one, other = data_root(tmp_path / "a"), data_root(tmp_path / "b")
    names = [worker_name(root, host) for root in (one, other) for host in ("left", "right", "odd/name%")]
    assert len(set(names)) == 6
    assert worker_name(one) == worker_name(one)
    assert not any(set(name) & set("/%") for name in names)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://127.0.0.1:4200/api", "http://127.0.0.1:4200/api"),
        ("https://me:token@prefect.example.org/api?key=1", "https://prefect.example.org/api"),
    ],
)
def test_no_secret_of_an_address_is_shown(address: str, shown: str) -> None:
    assert without_secrets(address) == shown


HOLDER = """
import os, sys, time
from pathlib import Path
from flows.guard import Guarded
sleeper = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
with Guarded() as guarded:
    for name in "ab":
        one = guarded.start([sys.executable, "-c", sleeper], Path(sys.argv[1]) / name, os.environ, Path.cwd())
        print(one.pid, flush=True)
    print(guarded._guard.pid, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("end", ["well", "killed"])
def test_what_is_guarded_ends_with_its_holder_however_that_ends(tmp_path: Path, end: str) -> None:
    from tests.deployed import descendants

    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout
    first, second, guard = (int(holder.stdout.readline()) for _ in range(3))
    until(lambda: len(descendants(first)) == len(descendants(second)) == 1)
    ours = [first, second, guard, *(descendants(second) if end == "killed" else ())]
    if end == "killed":
        holder.send_signal(signal.SIGKILL)
    holder.communicate()
    until(lambda: not any(map(lives, ours)))
