"""What runs, waits or failed: from Prefect's server where one is named, else from locks and the folders of runs."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from flows.lineage.archive import Archive, RunFacts, read_object
from flows.settings import DataRoot, quiet_prefect
from flows.status.report import Work

API = "PREFECT_API_URL"
SECONDS = 6.0  # that the server has to answer
SHOWN = 20  # runs of each state that are asked for
_LOCKS = Path("/proc/locks")
#: Which lock says that what is being done: below the data root, and what its holder does.
_HELD = (
    ("locks/*/*.lock", "rebuilding"),
    ("raw/*/lock", "crawling"),
    ("raw/*/.lock", "building from"),
    ("releases/*/*/.lock", "publishing"),
    ("champions/*/*/.lock", "deciding on"),
    ("reproductions/*/.lock", "reproducing the paper in"),
    ("backfills/*.lock", "backfilling"),
    ("deploy/.lock", "deployed"),
    ("deploy/.*.lock", "a worker"),
)


def locked_work(root: DataRoot) -> Iterator[Work]:
    """Yield what processes of this machine do in a data root, by the locks that they hold.

    The locks themselves are not tried: a look would be in the way of who wants one at that moment. Where the system
    does not list its locks (it is Linux that does), nothing is known.
    """
    held = _held()
    for pattern, doing in _HELD:
        for path in sorted(root.root.glob(pattern)):
            if held and _is_held(path, held):
                yield Work(what=doing, about=_about(path), state="running", since=_since(path))


def _about(path: Path) -> str:
    if path.name in {".lock", "lock"}:
        parent = path.parent
        return (
            f"{parent.parent.name}/{parent.name}"
            if parent.parent.parent.name in {"releases", "champions"}
            else parent.name
        )
    name = path.name.removesuffix(".lock").removeprefix(".")
    return f"{path.parent.name}/{name}" if path.parent.parent.name == "locks" else name


def _held() -> frozenset[tuple[int, int]]:
    """Return device and number of every file that is locked by `flock`, as the system lists them."""
    found = set()
    try:
        lines = _LOCKS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return frozenset()
    for line in lines:
        parts = line.split()
        if len(parts) > 5 and parts[1] == "FLOCK":  # noqa: PLR2004 - number, FLOCK, ADVISORY, WRITE, pid, major:minor:inode
            major, _, rest = parts[5].partition(":")
            minor, _, inode = rest.partition(":")
            found.add((os.makedev(int(major, 16), int(minor, 16)), int(inode)))
    return frozenset(found)


def _is_held(path: Path, held: frozenset[tuple[int, int]]) -> bool:
    try:
        told = path.stat()
    except OSError:
        return False
    return (told.st_dev, told.st_ino) in held


def _since(path: Path) -> str:
    """Return what the holder of a lock wrote into it, such as its process and since when."""
    try:
        with path.open("rb") as file:
            told = file.read(120).partition(b"\n")[0].decode("ascii", "replace")
    except OSError:
        return ""
    return "".join(sign for sign in told if sign.isprintable())


def trainings(archive: Archive) -> tuple[list[Work], int]:
    """Return the trainings that run or were never finished, and how many were."""
    held = _held()
    going, finished = [], 0
    for run in archive.runs:
        state = _training(run, held)
        if state is None:
            finished += 1
        else:
            going.append(state)
    return going, finished


def _training(run: RunFacts, held: frozenset[tuple[int, int]]) -> Work | None:
    """Return how far a training is that is not finished; None of a finished one."""
    path = run.folder / "checkpoints" / "last" / "training.json"
    epochs = (run.recipe or {}).get("epochs")
    try:
        at = read_object(path)
    except (ValueError, OSError):
        at = {}
    epoch, step = at.get("epoch"), at.get("step")
    if at.get("stopped") is True or (isinstance(epoch, int) and isinstance(epochs, int) and epoch >= epochs):
        return None
    told = f"epoch {epoch} of {epochs}, step {step}" if at else f"nothing saved yet, of {epochs} epochs"
    lock = run.folder / ".lock"
    if _is_held(lock, held):
        return Work(what="training", about=run.folder.name, state="running", since=_since(lock), detail=told)
    return Work(what="training", about=run.folder.name, state="unfinished", detail=f"{told}; the same command goes on")


def served_work(root: DataRoot) -> tuple[list[Work], str]:
    """Return the runs that Prefect's server knows, and what it is called; why not, when it did not answer.

    Nothing is asked where PREFECT_API_URL names no server.
    """
    if not os.environ.get(API):
        return [], f"no server is named ({API} is not set): read from locks and folders of runs"
    quiet_prefect(root)
    import prefect.client.orchestration  # noqa: F401 - takes seconds, which are not the server's

    try:
        found = asyncio.run(asyncio.wait_for(_asked(), SECONDS))
    except TimeoutError:
        return [], f"the server of {API} did not answer within {SECONDS:g} s: read from locks and folders of runs"
    except Exception as error:  # noqa: BLE001 - whatever a server answers, the rest of the status is told
        return [], f"the server of {API} gave no runs ({type(error).__name__}): read from locks and folders of runs"
    return found, f"the server of {API}"


async def _asked() -> list[Work]:
    """Ask for what runs, what comes next and what failed last."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas import filters
    from prefect.client.schemas.objects import StateType
    from prefect.client.schemas.sorting import FlowRunSort

    asked = (
        ("running", [StateType.RUNNING, StateType.CANCELLING, StateType.PENDING], FlowRunSort.START_TIME_DESC),
        ("waiting", [StateType.SCHEDULED, StateType.PAUSED], FlowRunSort.NEXT_SCHEDULED_START_TIME_ASC),
        ("failed", [StateType.FAILED, StateType.CRASHED], FlowRunSort.END_TIME_DESC),
    )
    found: list[Work] = []
    async with get_client() as client:
        for state, types, order in asked:
            of_type = filters.FlowRunFilterState(type=filters.FlowRunFilterStateType(any_=types))
            runs = await client.read_flow_runs(
                flow_run_filter=filters.FlowRunFilter(state=of_type), limit=SHOWN, sort=order
            )
            flows = {run.flow_id for run in runs}
            of_flow = filters.FlowFilter(id=filters.FlowFilterId(any_=[*flows]))
            names = {flow.id: flow.name for flow in await client.read_flows(flow_filter=of_flow)} if flows else {}
            found += [_work(run, names.get(run.flow_id, "a flow"), state) for run in runs]
    return found


def _work(run: object, flow: str, state: str) -> Work:
    """Return a run of the server's as it is told: what it says of itself is bounded, since parameters may be long."""
    from prefect.client.schemas.objects import FlowRun

    if not isinstance(run, FlowRun):
        raise TypeError(f"the server gave a {type(run).__name__}, which is no run.")
    moment = run.end_time if state == "failed" else run.start_time or run.next_scheduled_start_time
    why = (run.state.message or run.state.name or "") if run.state else ""
    return Work(
        what=flow[:80],
        about=run.name[:80],
        state=state,  # type: ignore[arg-type]  # of the three above
        since=moment.isoformat(timespec="seconds") if moment else "",
        detail=" ".join(why.split())[:300],
    )


def only(work: Sequence[Work], repo: str | None) -> tuple[Work, ...]:
    """Return what is about a dataset, as far as its name tells; all without one."""
    if repo is None:
        return tuple(work)
    names = (repo, repo.replace("/", "-"))
    return tuple(one for one in work if any(name in f"{one.about} {one.detail}" for name in names))
