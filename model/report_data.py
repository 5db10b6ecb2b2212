"""What a page shows: plain values, every part optional, so that a release alone makes a page too."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from model.evaluate import Evaluation
from model.history import Moment
from palettes.palette import Palette
from pipeline.records import DatasetVersion
from pipeline.release import Manifest

MAX_LOG_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A picture as the site has it beside what the dataset made of it."""

    name: str
    caption: str
    original_png: bytes  # raw bytes, PNG
    sprite: UInt8[np.ndarray, "h w"]
    source_url: str = ""
    licence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anatomy:
    """A record to take apart."""

    name: str
    ids: UInt8[np.ndarray, "L"]
    k: int = 5  # side of the window to show
    at: int | None = None  # position of its centre; None takes the liveliest pixel


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRow:
    """One line of a run's log."""

    step: int
    epoch: float
    seconds: float
    train_bits: float | None = None  # per token
    validation_bits: float | None = None  # per record
    tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What was trained."""

    model: str  # name, such as LSTM
    parameters: int
    settings: tuple[tuple[str, str], ...] = ()  # what to show of the configs, in order


@dataclass(frozen=True, slots=True, kw_only=True)
class Creature:
    """What a network made of nothing."""

    sprite: UInt8[np.ndarray, "h w"]
    caption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Illustration:
    """What a network drew for a caption, beside the real picture where there is one."""

    caption: str
    sprite: UInt8[np.ndarray, "h w"]
    real: UInt8[np.ndarray, "_ _"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Captioned:
    """What a network wrote about a picture, beside the real words where there are some."""

    sprite: UInt8[np.ndarray, "h w"]
    caption: str
    real: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A drawn picture beside the training picture that is nearest to it."""

    drawn: UInt8[np.ndarray, "h w"]
    nearest: UInt8[np.ndarray, "_ _"]  # mirrored already, where the mirror image is the nearer one
    agreement: float  # share of cells that are alike; 1 is a copy
    mirrored: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """What a network made."""

    from_nothing: tuple[Creature, ...] = ()
    from_captions: tuple[Illustration, ...] = ()
    from_pictures: tuple[Captioned, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportData:
    """All that one page shows; what is empty or None has no section."""

    title: str
    palette: Palette
    dataset: DatasetVersion | None = None
    manifest: Manifest | None = None
    pairs: tuple[Pair, ...] = ()
    anatomy: Anatomy | None = None
    run: RunFacts | None = None
    log: tuple[LogRow, ...] = ()
    history: tuple[Moment, ...] = ()  # finer than the log; older runs have none
    evaluation: Evaluation | None = None
    samples: Samples = field(default_factory=Samples)
    beside: tuple[Beside, ...] = ()


def read_log(path: Path) -> tuple[LogRow, ...]:
    """Read a run's `log.jsonl`; a last line cut off by a kill is left out, ValueError for any other bad line."""
    if path.stat().st_size > MAX_LOG_BYTES:
        raise ValueError(f"{path} is larger than {MAX_LOG_BYTES:,} bytes: it cannot be a run's log.")
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(_log_row(line))
        except (ValueError, KeyError, TypeError) as error:
            if number == len(lines) and not line.endswith("\n"):
                break
            raise ValueError(f"{path} line {number} is no line of a log ({error!r}): look at it.") from error
    return tuple(rows)


def _log_row(line: str) -> LogRow:
    told = json.loads(line)
    train, validation = told.get("train_bits"), told.get("validation_bits")
    return LogRow(
        step=int(told["step"]),
        epoch=float(told["epoch"]),
        seconds=float(told["seconds"]),
        train_bits=None if train is None else float(train),
        validation_bits=None if validation is None else float(validation),
        tokens=int(told.get("tokens", 0)),
    )
