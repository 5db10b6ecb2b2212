"""A training in a process of its own, for tests that start several or stop one: `python -m tests.one_training FOLDER`.

The recipe's changes are JSON in the second argument; `stop_at` in it is the step at which the process that tells of its
steps sends itself SIGTERM. Exit 3 when it was asked to stop, with the message on stderr.
"""

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from model.train import Progress, TrainingStopped, train
from tests.stripes import MODEL, recipe, stripes_data

STOPPED = 3


def main(folder: Path, changes: dict[str, object]) -> int:
    """Train without dropout, whose masks would differ between processes; a line on stdout after each step."""
    stop_at = changes.pop("stop_at", None)

    def told(at: Progress) -> None:
        sys.stdout.write(f"{at.step} {at.train_bits!r}\n")
        sys.stdout.flush()
        if at.step == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)

    try:
        train(stripes_data(), replace(MODEL, dropout=0.0), recipe(threads=1, **changes), folder, told)
    except TrainingStopped as stopped:
        sys.stderr.write(f"{stopped}\n")
        return STOPPED
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), json.loads(sys.argv[2])))
