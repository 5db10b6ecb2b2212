"""The commands that let the system run itself: deploy once, and a worker for each further machine."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from flows.app import Data, app
from flows.errors import DONE, UsageError, require_port
from flows.settings import data_root, serving_environment

Port = Annotated[int, Parameter(help="of Prefect's server on 127.0.0.1; 0 for a free one")]
Database = Annotated[
    str | None,
    Parameter(
        help="where the server keeps its runs, such as postgresql+asyncpg://…; by default a file in the data root"
    ),
]
WithWorker = Annotated[bool, Parameter(name="--worker", help="start a worker too")]
Activate = Annotated[
    bool | None,
    Parameter(negative="--deactivate", help="switch the schedules on or off; else they stay, and new ones are off"),
]
Limit = Annotated[int | None, Parameter(help="runs at the same time; by default as the deployments allow")]
DryRun = Annotated[bool, Parameter(negative="", help="show what would be deployed, and do nothing")]


@app.command
def deploy(  # noqa: PLR0913 - a command's options
    *,
    port: Port = 4200,
    database: Database = None,
    worker: WithWorker = True,
    activate: Activate = None,
    limit: Limit = None,
    dry_run: DryRun = False,
    data: Data = None,
) -> int:
    """Bring up Prefect's server, the deployments of prefect.yaml and a worker, until Ctrl-C. Run it from the root.

    The server listens on 127.0.0.1 and keeps its runs in the data root, or where --database or the variable
    PREFECT_SERVER_DATABASE_CONNECTION_URL says; where PREFECT_API_URL names a server, that one is used and none is
    started. Schedules stay off until --activate: nothing asks a site by surprise. Logs lie in deploy/ of the data root.

    Example: pixelbytes deploy --activate

    Example: pixelbytes deploy --dry-run
    """
    from flows.deploy.deploying import DeployOptions

    require_port(port)
    _require_limit(limit)
    if database and os.environ.get("PREFECT_API_URL"):
        raise UsageError("--database is for a server that is started here, but PREFECT_API_URL names one: give one.")
    how = DeployOptions(port=port, database=database, worker=worker, active=activate, limit=limit)
    if dry_run:
        return _show(Path.cwd())
    from flows.deploy.deploying import deploy as bring_up

    bring_up(data_root(data), Path.cwd(), how)
    return DONE


@app.command
def worker(*, limit: Limit = None, data: Data = None) -> int:
    """Run what the server at PREFECT_API_URL schedules, on this machine, until Ctrl-C.

    First, and every half minute, it looks for runs of this machine whose process died, and lets them be run again.

    Example: PREFECT_API_URL=http://127.0.0.1:4200/api pixelbytes worker --limit 2
    """
    _require_limit(limit)
    if not os.environ.get("PREFECT_API_URL"):
        raise UsageError("PREFECT_API_URL is not set, so there is nothing to work for: name the server's API with it.")
    root = data_root(data)
    os.environ.update(serving_environment(root))  # before anything brings Prefect in
    import logging

    from flows.deploy.worker import work, worker_name
    from pipeline.locks import only_one

    name = worker_name(root)
    logging.basicConfig(format="%(asctime)s %(message)s")
    logging.getLogger("pixelbytes").setLevel(logging.INFO)
    with only_one(root.deployed, "working for", f".{name}.lock"):
        work(name, limit)
    return DONE


def _require_limit(limit: int | None) -> None:
    if limit is not None and limit < 1:
        raise UsageError(f"--limit is {limit}: a worker that runs nothing is none; give 1 or more.")


def _show(folder: Path) -> int:
    """Print what would be deployed."""
    from rich.table import Table

    from flows.console import out
    from flows.deploy.deployments import require_project

    table = Table("deployment", "starts", "at once", "parameters", title="prefect.yaml")
    for one in require_project(folder):
        given = ", ".join(f"{name}={value}" for name, value in one.parameters.items())
        table.add_row(one.name, one.starts, str(one.at_once or "any"), given)
    out.print(table)
    return DONE
