"""The same on PostgreSQL: a run, its event, a training, a damaged release; and what happens when all is killed."""

import signal
from pathlib import Path
from uuid import UUID

import pytest

from pipeline.publishing.folder_store import FolderStore
from tests.deployed import deployed, descendants, lives, until
from tests.postgres import LACKING, postgres

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(LACKING), reason=f"PostgreSQL is not installed: {', '.join(LACKING)} is missing"),
]
NAME = "pixelbytes/sample"


def test_a_system_on_postgresql_rebuilds_trains_verifies_survives_a_kill_and_keeps_its_runs(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with postgres() as database:
        known = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": database}
        with deployed(data, "--activate", **known) as system:
            assert all(one["active"] for one in system.deployment("rebuild-dataset")["schedules"])
            rebuild = system.start("rebuild-dataset")
            system.completed(rebuild)
            (training,) = until(lambda: [run for run in system.runs("train-model") if run["state_type"] == "RUNNING"])
            assert training["parameters"]["tag"] == "v1.0.0"
            shard = next((data / "releases" / NAME / "v1.0.0").rglob("*.parquet"))
            body = shard.read_bytes()
            shard.write_bytes(b"broken")
            verifying = system.ended(system.start("verify-releases"))
            assert verifying["state_type"] == "FAILED"
            assert f"1 of 1 releases are damaged, or could not be read. {NAME}@v1.0.0:" in verifying["state"]["message"]
            shard.write_bytes(body)
            ours = [system.process.pid, *descendants(system.process.pid)]
            assert system.flow(UUID(training["id"])) in ours
            system.process.send_signal(signal.SIGKILL)
            until(lambda: not any(map(lives, ours)), told=lambda: str([pid for pid in ours if lives(pid)]))
        assert not (data / "prefect" / "prefect.db").exists()
        logs = "".join(path.read_text(errors="replace") for path in (data / "deploy").glob("*.log"))
        assert "canary-password" not in system.said + logs
        with deployed(data, **known) as again:
            assert all(one["active"] for one in again.deployment("rebuild-dataset")["schedules"])  # as it stood
            assert again.run(rebuild)["state_type"] == "COMPLETED"
            resumed = UUID(training["id"])
            until(lambda: again.run(resumed)["run_count"] == 2, told=lambda: again.tale(resumed))
    assert FolderStore(data / "releases").versions(NAME) == ("v1.0.0",)
