"""What prefect.yaml deploys, and how it comes to a server."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from flows.deploy.worker import POOL
from flows.errors import UsageError

FILE = "prefect.yaml"
MAX_BYTES = 2**20
SHOWN = 2_000  # characters of what failed that are shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One deployment of prefect.yaml, in words."""

    name: str
    entrypoint: str
    starts: str  # when it runs
    at_once: int | None  # runs at the same time; None: as many as there are
    parameters: Mapping[str, object]


def require_project(folder: Path) -> tuple[Deployment, ...]:
    """Return the deployments of the project in a folder; UsageError when it is no root of this project."""
    path = folder / FILE
    if not path.is_file() or path.stat().st_size > MAX_BYTES:
        raise UsageError(f"{folder} has no {FILE}: run this from the project's root, where {FILE} and flows/ lie.")
    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
        found = tuple(_deployment(one) for one in told["deployments"])
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path} cannot be read ({type(error).__name__}): compare it with the project's own."
        ) from None
    missing = [one.entrypoint for one in found if not (folder / one.entrypoint.partition(":")[0]).is_file()]
    if missing:
        raise UsageError(f"{folder} has no {missing[0]}, which {FILE} names: run this from the project's root.")
    return found


def _deployment(told: Mapping[str, object]) -> Deployment:
    limit = told.get("concurrency_limit")
    at_once = limit["limit"] if isinstance(limit, dict) else limit
    parameters = told.get("parameters") or {}
    if not isinstance(parameters, dict) or not isinstance(at_once, int | None):
        raise TypeError("parameters or concurrency_limit")
    return Deployment(
        name=str(told["name"]),
        entrypoint=str(told["entrypoint"]),
        starts=_starts(told),
        at_once=at_once,
        parameters=parameters,
    )


def _starts(told: Mapping[str, object]) -> str:
    schedules, triggers = told.get("schedules") or [], told.get("triggers") or []
    when = [f"cron {one['cron']} ({one['timezone']})" for one in _tables(schedules)]
    when += [f"event {expected}" for one in _tables(triggers) for expected in one["expect"]]
    return ", ".join(when) or "by hand"


def _tables(told: object) -> list[dict[str, list[str]]]:
    if not isinstance(told, list):
        raise TypeError("schedules or triggers")
    return told


def deploy_all(folder: Path, environment: Mapping[str, str], log: Path) -> None:
    """Give all deployments of a folder's prefect.yaml to the server of PREFECT_API_URL; RuntimeError when it fails."""
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", FILE]
    known = {**environment, "PWD": str(folder), "NO_COLOR": "1"}  # prefect.yaml takes the flows' folder from PWD
    with log.open("w", encoding="utf-8") as file:
        done = subprocess.run(command, cwd=folder, env=known, stdout=file, stderr=file, check=False)  # noqa: S603
    told = log.read_text(encoding="utf-8", errors="replace")
    if done.returncode:
        raise RuntimeError(f"the deployments could not be made (all of it is in {log}): {told[-SHOWN:].strip()}")


def make_pool() -> None:
    """Make the work pool on the server of PREFECT_API_URL, unless it is there."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists
    from prefect.workers.process import ProcessWorker

    template = ProcessWorker.get_default_base_job_template()
    with get_client(sync_client=True) as client:
        try:
            client.create_work_pool(WorkPoolCreate(name=POOL, type="process", base_job_template=template))
        except ObjectAlreadyExists:
            return


def schedules_of(names: tuple[str, ...]) -> Mapping[str, bool]:
    """Return for each deployment that the server has, and that has a schedule, whether any is active."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        known = client.read_deployments(limit=200)
        return {
            one.name: any(schedule.active for schedule in one.schedules)
            for one in known
            if one.name in names and one.schedules
        }


def set_schedules(active: Mapping[str, bool]) -> None:
    """Switch the schedules of each deployment on or off."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        for one in client.read_deployments(limit=200):
            for schedule in one.schedules:
                if one.name in active and schedule.active != active[one.name]:
                    client.update_deployment_schedule(one.id, schedule.id, active=active[one.name])
