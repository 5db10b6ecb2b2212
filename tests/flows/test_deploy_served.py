"""The system running itself: server, pool, schedule, event and worker, all real, by our own command."""

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.deploy.recovery import AGAIN, TIMES, Recovery
from flows.deploy.run_processes import run_processes
from pipeline.publishing.folder_store import FolderStore
from tests.deployed import ENDED, Deployed, deployed, descendants, lives, until

pytestmark = pytest.mark.slow
NAME = "pixelbytes/sample"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    often = {"PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "2"}  # schedules are looked at, else each minute
    with deployed(tmp_path_factory.mktemp("deployed") / "data", **often) as standing:
        yield standing


@pytest.fixture(scope="module")
def undisturbed(system: Deployed) -> str:
    """The digest of the sample's release: of the run that the schedule made, or of one by hand."""
    if not FolderStore(system.data / "releases").versions(NAME):
        system.deaf()
        system.completed(system.start("rebuild-dataset"))
    return digest(system, NAME)


def digest(system: Deployed, name: str) -> str:
    return FolderStore(system.data / "releases").open(name).manifest.digest


def forget_the_site(system: Deployed) -> None:
    shutil.rmtree(system.data / "raw", ignore_errors=True)
    shutil.rmtree(system.data / "builds", ignore_errors=True)


def test_schedules_are_off_until_they_are_switched_on_and_stay_so_when_all_is_deployed_again(system: Deployed) -> None:
    assert "off: --activate" in system.said
    assert all(not one["active"] for name in SCHEDULED for one in system.deployment(name)["schedules"])
    assert [one["schedule"]["timezone"] for one in system.deployment("rebuild-dataset")["schedules"]] == [
        "Europe/Paris"
    ]


SCHEDULED = ("rebuild-dataset", "verify-releases")


def test_a_schedule_makes_a_run_whose_release_starts_the_training_on_exactly_this_version(system: Deployed) -> None:
    deployment = system.deployment("rebuild-dataset")["id"]
    soon = {"interval": 86_400, "anchor_date": (datetime.now(UTC) + timedelta(seconds=8)).isoformat()}
    system.add_schedule(deployment, {"schedule": soon, "active": True})
    rebuild = until(lambda: [run for run in system.runs("rebuild-dataset") if run["state_type"] in ENDED])[0]
    assert rebuild["auto_scheduled"]
    assert rebuild["state_type"] == "COMPLETED", system.tale(UUID(rebuild["id"]))
    (training,) = until(lambda: [run for run in system.runs("train-model") if run["start_time"]])
    (event,) = until(lambda: events(system))
    began = datetime.fromisoformat(training["start_time"]) - datetime.fromisoformat(event["occurred"])
    sys.stdout.write(f"from the event to the training's run: {began.total_seconds():.1f} s\n")
    assert began < timedelta(seconds=120)  # 30 on a machine that does nothing else
    release = FolderStore(system.data / "releases").open(NAME)
    given = {name: training["parameters"][name] for name in ("repo_id", "tag", "digest", "store")}
    assert given == {
        "repo_id": NAME,
        "tag": "v1.0.0",
        "digest": release.manifest.digest,
        "store": str(system.data / "releases"),
    }
    system.deaf()
    system.cancel(UUID(training["id"]))
    assert system.ended(UUID(training["id"]))["state_type"] == "CANCELLED"


def events(system: Deployed) -> list[dict[str, str]]:
    asked = {"filter": {"event": {"name": ["pixelbytes.dataset.released"]}}}
    return list(system.ask("/events/filter", **asked)["events"])


KILLED = "pixelbytes/killed"
MOMENTS = {"crawl": "raw/sample/blobs/*/*", "build": f"builds/{KILLED}/**/*", "publish": f"releases/{KILLED}"}


def test_a_run_killed_with_its_worker_in_each_stage_is_run_again_and_ends_in_the_same_release(
    system: Deployed, undisturbed: str
) -> None:
    forget_the_site(system)
    run = system.start("rebuild-dataset", repo_id=KILLED)
    for times, (stage, moment) in enumerate(MOMENTS.items(), start=1):
        flow, worker = system.flow(run), system.worker()
        until(lambda moment=moment: any(system.data.glob(moment)), told=lambda: system.tale(run), quick=True)
        os.kill(worker, signal.SIGKILL)
        os.killpg(flow, signal.SIGKILL)
        until(lambda flow=flow: system.flow(run) != flow, told=lambda: system.tale(run))
        assert system.worker() != worker
        assert system.run(run)["labels"][AGAIN] == times, stage
    system.completed(run)
    assert digest(system, KILLED) == undisturbed
    assert FolderStore(system.data / "releases").versions(KILLED) == ("v1.0.0",)


def test_a_run_that_died_too_often_is_given_up_and_told_of_and_no_other_machine_touches_it(
    system: Deployed, undisturbed: str
) -> None:
    run = system.start("rebuild-dataset", repo_id="pixelbytes/hopeless")
    flow, worker = system.flow(run), system.worker()
    until(lambda: system.run(run)["state_type"] == "RUNNING", told=lambda: system.tale(run))
    system.ask(f"/flow_runs/{run}/labels", "PATCH", **{AGAIN: TIMES})
    os.kill(worker, signal.SIGKILL)
    os.killpg(flow, signal.SIGKILL)
    with temporary_settings({PREFECT_API_URL: system.api}):
        assert Recovery(worker="pixelbytes-elsewhere").look(sure=True) == {}
    found = system.ended(run)
    assert found["state_type"] == "CRASHED"
    assert f"Given up: its process died {TIMES + 1} times" in found["state"]["message"]
    told = "pixelbytes/hopeless given up"
    until(lambda: told in (system.data / "deploy" / "worker.log").read_text(), told=lambda: system.tale(run))
    assert undisturbed


def test_a_flow_whose_worker_alone_was_killed_is_left_to_finish(system: Deployed, undisturbed: str) -> None:
    run = system.start("rebuild-dataset", repo_id="pixelbytes/orphan")
    flow, worker = system.flow(run), system.worker()
    until(lambda: system.run(run)["state_type"] == "RUNNING", told=lambda: system.tale(run))
    os.kill(worker, signal.SIGKILL)
    until(lambda: system.worker() != worker)
    found = system.completed(run)
    assert AGAIN not in found["labels"]
    assert found["run_count"] == 1
    assert digest(system, "pixelbytes/orphan") == undisturbed
    until(lambda: not lives(flow))


def test_a_run_that_is_cancelled_while_no_worker_lives_ends_as_cancelled_with_its_processes(
    system: Deployed, undisturbed: str
) -> None:
    run = system.start("train-model", repo_id=NAME, tag="v1.0.0", digest=undisturbed)
    flow, worker = system.flow(run), system.worker()
    until(lambda: system.run(run)["state_type"] == "RUNNING", told=lambda: system.tale(run))
    os.kill(worker, signal.SIGKILL)
    system.cancel(run)
    until(lambda: system.run(run)["state_type"] == "CANCELLED", told=lambda: system.tale(run))
    until(lambda: not lives(flow) and not run_processes().get(run))


def test_the_command_killed_with_minus_9_takes_all_with_it(system: Deployed) -> None:
    ours = [system.process.pid, *descendants(system.process.pid)]
    system.process.kill()
    until(lambda: not [pid for pid in ours if lives(pid)], told=lambda: str(ours))
