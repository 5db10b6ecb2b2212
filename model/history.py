"""What a training did, for plots: `logs/history.jsonl`, a line every few steps, and TensorBoard's event file beside it.

A run that is resumed goes back to its last state, so the lines after it are dropped and written again: no step is told
twice. The event file is made anew from the lines that stay.
"""

import json
import os
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from model import event_file
from pipeline.release import write_text

HISTORY = "logs/history.jsonl"
EVENTS = "events.out.tfevents"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One line."""

    step: int
    epoch: int
    evaluations: int  # done so far; a line with validation bits counts its own
    train_bits: float | None  # per target, since the last such line; None where only validation was measured
    validation_bits: float | None  # per record; None between evaluations
    learning_rate: float
    tokens_per_second: float
    seconds: float  # trained so far, earlier sittings included
    time: float  # since 1970


class History:
    """The lines of one run, open for more."""

    def __init__(self, run: Path, step: int, evaluations: int) -> None:
        """Open a run's history where it stands: later lines, and a torn last one, are dropped."""
        self.path = run / HISTORY
        self.path.parent.mkdir(parents=True, exist_ok=True)
        kept = [one for one in read_history(run) if (one.step, one.evaluations) <= (step, evaluations)]
        write_text(self.path, "".join(map(_line, kept)))
        for old in self.path.parent.glob(f"{EVENTS}.*"):
            old.unlink()
        now = time.time()
        self._events = self.path.parent / f"{EVENTS}.{now:.6f}.{os.getpid()}.pixelbytes"
        event_file.append(self._events, event_file.header(now) + b"".join(map(_event, kept)))

    def add(self, moment: Moment) -> None:
        """Write one more line, and the same for TensorBoard."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_line(moment))
        event_file.append(self._events, _event(moment))


def read_history(run: Path) -> list[Moment]:
    """Return the lines of a run, none when it has written none; a torn last line is left out.

    ValueError when another line is damaged.
    """
    path = run / HISTORY
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n") if path.is_file() else [""]
    try:  # what follows the last line's end is empty, or torn
        return [Moment(**{one.name: told[one.name] for one in fields(Moment)}) for told in map(json.loads, lines[:-1])]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} holds a line that is no moment of a training ({error!r}): remove it.") from error


def _line(moment: Moment) -> str:
    return json.dumps(asdict(moment)) + "\n"


def _event(moment: Moment) -> bytes:
    told = {
        "bits/train_per_target": moment.train_bits,
        "bits/validation_per_record": moment.validation_bits,
        "learning_rate": moment.learning_rate,
        "tokens_per_second": moment.tokens_per_second,
    }
    known = {name: value for name, value in told.items() if value is not None}
    return event_file.scalars(moment.step, moment.time, known)
