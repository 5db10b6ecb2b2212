"""Training: next-token cross entropy at every position of whole records, resumable to the bit, best on validation kept.

B batch, L tokens, V vocabulary. Bits are per token in training and per record in validation.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.batches import Batch, BatchReader, TokenTable, load_tokens
from model.checkpoint import CheckpointInfo, TrainingState, load_checkpoint, read_state, save_checkpoint, settle
from model.config import ModelConfig, TrainConfig
from model.network import Network
from model.objective import BITS, learning_rate, loss_of, validation_bits
from palettes.vocabulary import Vocabulary
from pipeline.locks import only_one
from pipeline.records import DatasetVersion
from pipeline.release import Release, write_text

BETAS = (0.9, 0.98)  # a shorter memory of squares than torch's default: runs are a few thousand steps


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


OnProgress = Callable[[Progress], None]


@dataclass(slots=True, kw_only=True)
class _Counters:
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


@dataclass(slots=True, kw_only=True)
class _Run:
    """A run in memory."""

    data: TrainData
    config: TrainConfig
    folder: Path
    network: Network
    optimizer: torch.optim.AdamW
    reader: BatchReader
    validation: BatchReader
    steps: int
    at: _Counters = field(default_factory=_Counters)
    resumed_at: float = field(default_factory=time.monotonic)
    saved_at: float = field(default_factory=time.monotonic)

    def seconds(self) -> float:
        """Time trained, earlier sittings included."""
        return self.at.seconds + time.monotonic() - self.resumed_at


def train(
    data: TrainData,
    model_config: ModelConfig,
    config: TrainConfig,
    folder: Path,
    on_progress: OnProgress = lambda _: None,
) -> CheckpointInfo:
    """Train a network and return what is known of its best checkpoint, `folder/checkpoints/best`.

    A folder that holds an unfinished run of the same model, recipe and dataset is resumed; its losses are those of
    an unbroken run. ValueError when it holds another run, RuntimeError while another process trains in it. A kill at
    any moment leaves the last checkpoint whole.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    best, last = folder / "checkpoints" / "best", folder / "checkpoints" / "last"
    with only_one(folder, "training in"):
        run = _start(data, model_config, config, folder)
        settle(best)
        settle(last)
        if last.exists():
            _resume(run)
        _forget(run)
        while run.at.epoch < config.epochs and not run.at.stopped:
            _epoch(run, on_progress)
        if not best.exists():  # stopped before the first evaluation
            _evaluate(run)
            _save_last(run)
        return load_checkpoint(best)[1]


def _start(data: TrainData, model_config: ModelConfig, config: TrainConfig, folder: Path) -> _Run:
    """Make a run of fresh parameters and write down what it is."""
    torch.manual_seed(config.seed)
    network = Network(model_config, len(data.vocabulary))
    decayed = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
    reader = BatchReader(data.train, model_config)
    run = _Run(
        data=data,
        config=config,
        folder=folder,
        network=network,
        optimizer=torch.optim.AdamW(groups, lr=config.learning_rate, betas=BETAS, weight_decay=config.weight_decay),
        reader=reader,
        validation=BatchReader(data.validation, model_config),
        steps=sum(reader.steps(config.batch_tokens, (config.seed, epoch)) for epoch in range(config.epochs)),
    )
    described = {"model": model_config.to_json(), "train": config.to_json(), "dataset": _dataset_json(data.dataset)}
    _claim(folder, described)
    return run


def _claim(folder: Path, described: dict[str, dict[str, object]]) -> None:
    """Write config.json of a run; ValueError when the folder holds another run."""
    path = folder / "config.json"
    if path.exists():
        found = json.loads(path.read_text(encoding="utf-8"))
        other = [key for key in described if _unpinned(found.get(key)) != _unpinned(described[key])]
        if other:
            raise ValueError(f"{str(folder)!r} holds a run with another {other[0]}: choose another folder to train in.")
        return
    write_text(path, json.dumps(described, indent=2) + "\n")


def _unpinned(said: object) -> object:
    """Return what config.json says of something, but for the commit of a dataset: a folder with its rows has none."""
    return {key: value for key, value in said.items() if key != "revision"} if isinstance(said, dict) else said


def _epoch(run: _Run, on_progress: OnProgress) -> None:
    """Read what is left of an epoch, evaluate where it is due, and save."""
    config, at = run.config, run.at
    batches = run.reader.epoch(config.batch_tokens, config.text_first, (config.seed, at.epoch))
    for number, batch in enumerate(batches):
        if number < at.batch:
            continue
        _step(run, batch)
        at.batch = number + 1
        on_progress(_progress(run))
        if time.monotonic() - run.saved_at > config.checkpoint_seconds:
            _save_last(run)
        if config.seconds is not None and run.seconds() > config.seconds:
            at.stopped = True
            break
    due = (at.epoch + 1) % config.evaluate_every == 0 or at.epoch + 1 == config.epochs
    if due or at.stopped:
        _evaluate(run)
        on_progress(_progress(run))
    at.epoch, at.batch, at.epoch_nats, at.epoch_tokens = at.epoch + 1, 0, 0.0, 0
    _save_last(run)


def _step(run: _Run, batch: Batch) -> None:
    rate = learning_rate(run.config, run.at.step, run.steps)
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    nats = loss_of(run.network(torch.from_numpy(batch.windows)), batch)
    run.optimizer.zero_grad()
    (nats / batch.tokens).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    torch.nn.utils.clip_grad_norm_(run.network.parameters(), run.config.clip)
    run.optimizer.step()
    run.at.step += 1
    run.at.tokens += batch.tokens
    run.at.epoch_tokens += batch.tokens
    run.at.epoch_nats += float(nats.detach())


def _evaluate(run: _Run) -> None:
    """Measure on validation, write a line of log, keep the network when it is the best so far."""
    at = run.at
    at.validation_bits = validation_bits(run.network, run.validation)
    at.evaluations += 1
    at.evaluations_since_best += 1
    if at.best_bits is None or at.validation_bits < at.best_bits:
        at.best_bits, at.evaluations_since_best = at.validation_bits, 0
        save_checkpoint(run.folder / "checkpoints" / "best", run.network, _info(run))
    if run.config.patience is not None and at.evaluations_since_best >= run.config.patience:
        at.stopped = True
    line = {
        "step": at.step,
        "epoch": at.epoch,
        "seconds": round(run.seconds(), 3),
        "train_bits": at.epoch_nats * BITS / max(at.epoch_tokens, 1),
        "validation_bits": at.validation_bits,
        "tokens": at.tokens,
    }
    with (run.folder / "log.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")


def _info(run: _Run) -> CheckpointInfo:
    return CheckpointInfo(
        model=run.network.config,
        vocabulary=run.data.vocabulary,
        dataset=run.data.dataset,
        training_digest=run.config.digest(),
        step=run.at.step,
        validation_bits=run.at.validation_bits,
    )


def _save_last(run: _Run) -> None:
    tensors = {"torch_rng": torch.get_rng_state()}
    for i, values in run.optimizer.state_dict()["state"].items():
        tensors |= {f"{i}.{name}": tensor.contiguous() for name, tensor in values.items()}
    numbers = asdict(run.at) | {"seconds": run.seconds()}
    state = TrainingState(tensors=tensors, numbers=numbers)
    save_checkpoint(run.folder / "checkpoints" / "last", run.network, _info(run), state)
    run.saved_at = time.monotonic()


def _resume(run: _Run) -> None:
    """Take up weights, optimiser, random generator and counters."""
    folder = run.folder / "checkpoints" / "last"
    network, _ = load_checkpoint(folder, run.data.vocabulary)
    run.network.load_state_dict(network.state_dict())
    state = read_state(folder)
    run.at = _Counters(**state.numbers)  # type: ignore[arg-type]  # written by asdict
    moments: dict[int, dict[str, Tensor]] = {}
    for key, tensor in state.tensors.items():
        number, _, name = key.partition(".")
        if name:
            moments.setdefault(int(number), {})[name] = tensor
    run.optimizer.load_state_dict({"state": moments, "param_groups": run.optimizer.state_dict()["param_groups"]})
    torch.set_rng_state(state.tensors["torch_rng"])


def _forget(run: _Run) -> None:
    """Drop the log's lines of evaluations that will be done again: all of them when nothing was saved before a kill."""
    log = run.folder / "log.jsonl"
    if log.exists():
        lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
        write_text(log, "".join(lines[: run.at.evaluations]))


def _progress(run: _Run) -> Progress:
    at, seconds = run.at, run.seconds()
    return Progress(
        step=at.step,
        steps=run.steps,
        epoch=at.epoch,
        epochs=run.config.epochs,
        seconds=seconds,
        train_bits=at.epoch_nats * BITS / max(at.epoch_tokens, 1),
        tokens_per_second=at.tokens / max(seconds, 1e-9),
        validation_bits=at.validation_bits,
        best_bits=at.best_bits,
    )


def _dataset_json(dataset: DatasetVersion) -> dict[str, object]:
    return {"ref": dataset.ref, **asdict(dataset)}
