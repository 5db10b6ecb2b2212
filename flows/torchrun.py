"""Training by several processes, on one machine or more, from a flow: torchrun trains, the flow does all the rest."""

import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen, TimeoutExpired

from flows.console import err
from flows.guard import Guarded
from model.interrupts import StopRequest, TrainingStopped, stop_requests
from model.presets import Preset
from model.training_run import RunDescription, claim
from pipeline.release import Release

HOSTS, ENDPOINT = "PIXELBYTES_HOSTS", "PIXELBYTES_RENDEZVOUS"  # variables of the environment
MAX_HOSTS = 1_024
LOOK, PATIENCE = 0.2, 90.0  # seconds: between two looks; that processes have to keep their state when asked to stop
TAIL, LINES = 8_192, 12  # bytes and lines of a log that a failure shows
LOG = "logs/processes.log"
PROJECT = Path(__file__).resolve().parent.parent
_ENDPOINT = re.compile(r"([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:]{2,45}\]):[0-9]{1,5}")
_SECRET = re.compile(r"TOKEN|SECRET|PASSWORD|API_KEY|AUTH|NOTICE_URL|CONNECTION_URL")  # in names of variables
_LAST_WORDS = re.compile(r"process \d+ (?:failed|stopped): .*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """How many processes train one run; each reads its share of every batch."""

    processes: int = 1  # on each host
    hosts: int = 1
    endpoint: str = ""  # host:port where the hosts meet; needed for more than one

    def __post_init__(self) -> None:
        """Check what the types cannot say."""
        if min(self.processes, self.hosts) < 1 or self.hosts > MAX_HOSTS:
            raise ValueError(f"{self.processes} processes on {self.hosts} hosts cannot train: give at least 1 of each.")
        if self.hosts > 1 and not _ENDPOINT.fullmatch(self.endpoint):
            raise ValueError(
                f"{ENDPOINT} is {self.endpoint[:80]!r}: name the place where {self.hosts} hosts meet, as host:port."
            )

    @classmethod
    def here(cls, processes: int, environment: Mapping[str, str] = os.environ) -> "Together":
        """Return so many processes on each of the hosts that this machine's environment names."""
        told = environment.get(HOSTS, "1")
        if not re.fullmatch(r"[0-9]{1,4}", told):
            raise ValueError(f"{HOSTS} is {told[:80]!r}: give how many hosts train together, such as 2.")
        return cls(processes=processes, hosts=int(told), endpoint=environment.get(ENDPOINT, ""))

    @property
    def all(self) -> int:
        """How many there are on all hosts."""
        return self.processes * self.hosts

    def command(self, run: Path, release: Release) -> list[str]:
        """Return what starts this host's processes; on each host the same, with paths that mean the same there."""
        meeting = ["--standalone"]
        if self.hosts > 1:
            meeting = ["--nnodes", str(self.hosts), "--rdzv-backend", "c10d", "--rdzv-endpoint", self.endpoint]
            meeting += ["--rdzv-id", run.name]
        start = [sys.executable, "-m", "torch.distributed.run", *meeting, "--nproc-per-node", str(self.processes)]
        return [*start, "-m", "model.share", str(run), str(release.folder.resolve()), release.version.revision]


def train_together(release: Release, run: Path, preset: Preset, together: Together) -> None:
    """Train a preset, or go on with it, by several processes; the folder is as one started by hand would leave it.

    What they say goes to LOG in the run. They end with us, however we end; SIGTERM and Ctrl-C let them keep their
    state, then TrainingStopped is raised. RuntimeError says the end of the log when they failed, ValueError what
    cannot be, such as a run that others than so many processes train.
    """
    version = release.version
    claim(run, RunDescription(model=preset.model, train=preset.train, dataset=version, processes=together.all))
    log = run / LOG
    err.print(f"training by {together.all} processes; what they say: {log}", markup=False, soft_wrap=True)
    start = log.stat().st_size if log.is_file() else 0
    with Guarded() as guarded, stop_requests() as asked:
        process = guarded.start(together.command(run, release), log, _environment(), PROJECT)
        code = _awaited(process, asked)
    if asked.wanted:
        raise TrainingStopped(f"training was stopped by {asked.name}; its state is kept in {run}: run the same again.")
    if code:
        raise RuntimeError(f"{together.all} processes failed to train {run}: {_why(log, start)} (all of it: {log})")


def _awaited(process: "Popen[bytes]", asked: StopRequest) -> int:
    """Return how torchrun ended, which is asked to end once we are."""
    while process.poll() is None and not asked.wanted:
        time.sleep(LOOK)
    if process.poll() is None:
        process.terminate()
    try:
        return process.wait(PATIENCE)
    except TimeoutExpired:
        return 1  # what is left is ended by force


def _environment() -> dict[str, str]:
    """Return our environment without what no training needs: secrets do not travel further than they must."""
    kept = {name: value for name, value in os.environ.items() if not _SECRET.search(name.upper())}
    return {"OMP_NUM_THREADS": "1", **kept}


def _why(log: Path, start: int) -> str:
    """Return why a training failed: the first process's last words, else the end of what was said since `start`."""
    with log.open("rb") as file:
        file.seek(max(start, log.stat().st_size - TAIL))
        lines = file.read(TAIL).decode(errors="replace").splitlines()
    return next(_said(lines), " | ".join(line.strip() for line in lines[-LINES:] if line.strip()) or "it said nothing")


def _said(lines: list[str]) -> Iterator[str]:
    found = (_LAST_WORDS.search(line) for line in lines)
    return (match[0] for match in found if match)
