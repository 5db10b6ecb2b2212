"""A training in memory: what it is, where it stands, how it is kept and taken up again."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.checkpoint import CheckpointInfo, TrainingState, load_checkpoint, read_json, read_state, save_checkpoint
from model.config import ModelConfig, TrainConfig
from model.config_checks import require_kinds, require_sizes
from model.devices import Engine, random_state, restore_random_state
from model.feeds import Feed
from model.history import History
from model.interrupts import StopRequest
from model.objective import BITS
from model.parallel import Processes
from model.token_table import TokenTable, load_tokens
from palettes.vocabulary import Vocabulary
from pipeline.records import DatasetVersion
from pipeline.release import Release, write_text

RUN_CONFIG, LOG = "config.json", "log.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainData:
    """What a run learns from and is judged by."""

    train: TokenTable
    validation: TokenTable
    vocabulary: Vocabulary
    dataset: DatasetVersion

    @classmethod
    def from_release(cls, release: Release) -> "TrainData":
        """Read both splits of a release."""
        return cls(
            train=load_tokens(release, "train"),
            validation=load_tokens(release, "validation"),
            vocabulary=release.vocabulary,
            dataset=release.version,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What can be shown after a step."""

    step: int
    steps: int  # of the whole run
    epoch: int
    epochs: int
    seconds: float
    train_bits: float  # per token, over this epoch so far
    tokens_per_second: float
    validation_bits: float | None  # per record, of the last evaluation
    best_bits: float | None

    @property
    def remaining(self) -> float:
        """Seconds left at this pace."""
        return self.seconds / max(self.step, 1) * (self.steps - self.step)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDescription:
    """What config.json of a run says: enough to train it again, or further, with nothing but the release it names."""

    model: ModelConfig
    train: TrainConfig
    dataset: DatasetVersion
    processes: int = 1  # that share a batch

    def to_json(self) -> dict[str, object]:
        """Return the keys of config.json; one process alone is not mentioned, as it never was."""
        told: dict[str, object] = {
            "model": self.model.to_json(),
            "train": self.train.to_json(),
            "dataset": {"ref": self.dataset.ref, **asdict(self.dataset)},
        }
        return told if self.processes == 1 else told | {"processes": self.processes}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "RunDescription":
        """Return what `to_json` wrote, by this version or an older one: what it lacks is at its default."""
        require_kinds(ModelConfig, told["model"])
        require_kinds(TrainConfig, told["train"])
        model = ModelConfig.from_json(told["model"])
        require_sizes(model)
        return cls(
            model=model,
            train=TrainConfig.from_json(told["train"]),
            dataset=DatasetVersion(**{key: told["dataset"][key] for key in ("repo_id", "tag", "revision", "digest")}),
            processes=told.get("processes", 1),
        )


def describe_run(folder: Path) -> RunDescription:
    """Return what a run folder says of itself; ValueError when it is none."""
    path = folder / RUN_CONFIG
    if not path.is_file():
        raise ValueError(f"{str(folder)!r} has no {RUN_CONFIG}: give a run's folder, such as data/runs/RUN.")
    try:
        return RunDescription.from_json(read_json(path))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{str(path)!r} is not a run's config ({error!r}): restore it, or train anew.") from error


def claim(folder: Path, run: RunDescription) -> None:
    """Write config.json of a run; ValueError when the folder holds another one.

    The commit of a dataset does not count: a folder of releases with its rows has none.
    """
    if not (folder / RUN_CONFIG).exists():
        write_text(folder / RUN_CONFIG, json.dumps(run.to_json(), indent=2) + "\n")
        return
    found = describe_run(folder)
    pinned = replace(found, dataset=replace(found.dataset, revision=run.dataset.revision))
    other = [name for name in ("model", "train", "dataset", "processes") if getattr(pinned, name) != getattr(run, name)]
    if other:
        raise ValueError(f"{str(folder)!r} holds a run with another {other[0]}: choose another folder to train in.")


@dataclass(slots=True, kw_only=True)
class Counters:
    """Where a run stands: all of it is saved, so that a resumed run goes on exactly here."""

    step: int = 0
    epoch: int = 0  # the one being read
    batch: int = 0  # batches of it already read
    tokens: int = 0  # of loss, in all
    epoch_nats: float = 0.0
    epoch_tokens: int = 0
    seconds: float = 0.0
    evaluations: int = 0
    evaluations_since_best: int = 0
    validation_bits: float | None = None
    best_bits: float | None = None
    stopped: bool = False
    told_nats: float = 0.0  # since the last line of history
    told_tokens: int = 0


@dataclass(slots=True, kw_only=True)
class Run:
    """A run in memory."""

    data: TrainData
    config: TrainConfig
    folder: Path
    engine: Engine
    optimizer: torch.optim.AdamW
    feed: Feed
    validation: Feed
    steps: int
    group: Processes
    asked: StopRequest
    unread: Tensor  # nats of this process that were not yet fetched from the device
    history: History | None = None  # of the process that writes
    at: Counters = field(default_factory=Counters)
    resumed_at: float = field(default_factory=time.monotonic)
    saved_at: float = field(default_factory=time.monotonic)

    def seconds(self) -> float:
        """Time trained, earlier sittings included."""
        return self.at.seconds + time.monotonic() - self.resumed_at

    def fetch(self) -> None:
        """Count the nats that lie on the device, of all processes: this waits for the device."""
        (nats,) = self.group.sums([float(self.unread)])
        self.at.epoch_nats += nats
        self.at.told_nats += nats
        self.unread.zero_()

    def info(self) -> CheckpointInfo:
        """Return what a checkpoint made now says."""
        return CheckpointInfo(
            model=self.engine.network.config,
            vocabulary=self.data.vocabulary,
            dataset=self.data.dataset,
            training_digest=self.config.digest(),
            step=self.at.step,
            validation_bits=self.at.validation_bits,
        )

    def progress(self) -> Progress:
        """Return what can be shown now."""
        at, seconds = self.at, self.seconds()
        return Progress(
            step=at.step,
            steps=self.steps,
            epoch=at.epoch,
            epochs=self.config.epochs,
            seconds=seconds,
            train_bits=at.epoch_nats * BITS / max(at.epoch_tokens, 1),
            tokens_per_second=at.tokens / max(seconds, 1e-9),
            validation_bits=at.validation_bits,
            best_bits=at.best_bits,
        )


def save_last(run: Run) -> None:
    """Keep all that a resumed run needs; every process takes part, the first one writes."""
    run.fetch()
    tensors: dict[str, Tensor] = {}
    for rank, states in enumerate(run.group.gathered(random_state(run.group.device))):
        tensors |= {_of_rank(name, rank): state for name, state in states.items()}
    for i, values in run.optimizer.state_dict()["state"].items():
        tensors |= {f"{i}.{name}": tensor.contiguous() for name, tensor in values.items()}
    numbers = asdict(run.at) | {"seconds": run.seconds()}
    if run.group.leads:
        place = run.folder / "checkpoints" / "last"
        save_checkpoint(place, run.engine.network, run.info(), TrainingState(tensors=tensors, numbers=numbers))
    run.saved_at = time.monotonic()


def resume(run: Run) -> None:
    """Take up weights, optimiser, random generators and counters."""
    folder = run.folder / "checkpoints" / "last"
    network, _ = load_checkpoint(folder, run.data.vocabulary)
    run.engine.network.load_state_dict(network.state_dict())
    state = read_state(folder)
    run.at = Counters(**state.numbers)  # type: ignore[arg-type]  # written by asdict
    moments: dict[int, dict[str, Tensor]] = {}
    for key, tensor in state.tensors.items():
        number, _, name = key.partition(".")
        if name:
            moments.setdefault(int(number), {})[name] = tensor
    run.optimizer.load_state_dict({"state": moments, "param_groups": run.optimizer.state_dict()["param_groups"]})
    names = ("torch_rng", "cuda_rng")
    mine = {name: _of_rank(name, run.group.rank) for name in names}
    restore_random_state(
        {name: state.tensors[key] for name, key in mine.items() if key in state.tensors}, run.group.device
    )


def _of_rank(name: str, rank: int) -> str:
    return f"{name}_{rank}" if rank else name


def forget(run: Run) -> None:
    """Drop the log's lines of evaluations that will be done again: all of them when nothing was saved before a kill."""
    log = run.folder / LOG
    if log.exists():
        lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
        write_text(log, "".join(lines[: run.at.evaluations]))
