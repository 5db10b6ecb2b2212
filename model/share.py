"""One of several processes that train a run together: `… -m model.share RUN RELEASE REVISION`, started by torchrun.

It trains and nothing else: judging, drawing and the page are the first flow's. The run's config.json, which whoever
starts it has written, says what is trained and by how many. Exit 0 done, 1 failed, 3 asked to stop (the state is kept).
"""

import os
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

from model.train import Progress, TrainingStopped, resume_run
from pipeline.release import Release

DONE, FAILED, STOPPED = 0, 1, 3
LOOK, GRACE = 1.0, 60.0  # seconds between two looks at who started us; that a step and its saving may take
TELL_EVERY = 100  # steps


def main(run: str, folder: str, revision: str) -> int:
    """Train, by what stands in the folder of the run."""
    _end_with(os.getppid())
    release = replace(Release.open(Path(folder)), revision=revision)
    last: float | None = None

    def told(at: Progress) -> None:
        nonlocal last
        if at.step % TELL_EVERY == 0 or at.validation_bits != last:
            last = at.validation_bits
            known = "" if last is None else f", validation {last:,.1f} bits per record"
            sys.stdout.write(f"step {at.step:,} of {at.steps:,}, epoch {at.epoch + 1} of {at.epochs}{known}\n")
            sys.stdout.flush()

    try:
        resume_run(Path(run), release, told)
    except TrainingStopped as stopped:
        return _said(f"stopped: {stopped}", STOPPED)
    except (ValueError, RuntimeError, OSError) as error:
        return _said(f"failed: {error}", FAILED)
    return DONE


def _said(text: str, code: int) -> int:
    """Say in one line how it ended; whoever started us looks for it in the log."""
    sys.stderr.write(f"process {os.environ.get('RANK', '0')} {text}\n")
    sys.stderr.flush()
    return code


def _end_with(parent: int) -> None:
    """Stop the training when torchrun is gone, which a kill keeps from stopping us; by force when that takes long."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE)
        os._exit(FAILED)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
