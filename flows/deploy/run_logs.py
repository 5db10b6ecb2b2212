"""Where a flow run writes what it says: into a file of its own, which outlives the worker that started it."""

import os
import sys
from pathlib import Path
from uuid import UUID

from flows.settings import data_root


def output_to_file() -> dict[str, str]:
    """Send this process's output to DATA/deploy/runs/<flow run>.log; a step of prefect.yaml, run before each flow.

    A worker reads the output of its flows through a pipe. When the worker dies, the next word of the flow would break
    that pipe and end the flow: with a file, the flow works on. What was open before stays open across the flow's exec.
    """
    run = UUID(os.environ["PREFECT__FLOW_RUN_ID"])
    path = log_of(data_root().deployed, run)
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    with path.open("ab") as file:
        for descriptor in (1, 2):  # stdout and stderr
            os.dup2(file.fileno(), descriptor)
    return {"log": str(path)}


def log_of(deployed: Path, run: UUID) -> Path:
    """Return where the output of a run is kept."""
    return deployed / "runs" / f"{run}.log"
