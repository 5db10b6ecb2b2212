"""Training: next-token cross entropy of the scored places, resumable to the bit, best on validation kept.

B batch, L tokens, V vocabulary. Bits are per target in training and per record in validation. One loop serves whole
records and the paper's sequences (model/feeds.py), CPU and CUDA (model/devices.py), one process and several
(model/parallel.py).
"""

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from model.batches import Member
from model.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint, settle
from model.config import ModelConfig, TrainConfig, require_causal_loss
from model.devices import Engine, device_of
from model.feeds import Place, training_feed, validation_feed
from model.history import History, Moment
from model.interrupts import StopRequest, TrainingStopped, stop_requests
from model.network import Network
from model.objective import BITS, learning_rate, loss_of, nats_of
from model.parallel import Processes, local_rank, processes
from model.training_run import (
    LOG,
    Progress,
    Run,
    RunDescription,
    TrainData,
    claim,
    describe_run,
    forget,
    resume,
    save_last,
)
from pipeline.locks import only_one
from pipeline.release import Release

__all__ = ["OnProgress", "Progress", "TrainData", "TrainingStopped", "resume_run", "train"]

BETA1 = 0.9
TELL_EVERY = 20  # steps between two lines of history; on a GPU also between two looks at the loss
DROPOUT_DICE = 7919  # tells the dropout of one process from that of the next
OnProgress = Callable[[Progress], None]


def train(
    data: TrainData,
    model_config: ModelConfig,
    config: TrainConfig,
    folder: Path,
    on_progress: OnProgress = lambda _: None,
) -> CheckpointInfo:
    """Train a network and return what is known of its best checkpoint, `folder/checkpoints/best`.

    A folder that holds an unfinished run of the same model, recipe and dataset is resumed; its losses are those of
    an unbroken run. ValueError when it holds another run or this machine lacks the recipe's device, RuntimeError
    while another process trains in it. A kill at any moment leaves the last checkpoint whole; SIGTERM and Ctrl-C keep
    one of the step being done, then TrainingStopped is raised. Under torchrun all processes call it alike, and
    `batch_tokens` is what each reads at once; the first one alone writes and calls `on_progress`.
    """
    require_causal_loss(model_config, config)
    if config.threads:
        torch.set_num_threads(config.threads)
    device = device_of(config, local_rank())
    best, last = folder / "checkpoints" / "best", folder / "checkpoints" / "last"
    with ExitStack() as held:
        group = held.enter_context(processes(device))
        group.first_does(lambda: held.enter_context(only_one(folder, "training in")))
        run = _start(data, model_config, config, folder, group)
        group.first_does(lambda: _take(run))
        if last.exists():
            resume(run)
        if group.leads:
            forget(run)
            run.history = History(folder, run.at.step, run.at.evaluations)
        run.asked = held.enter_context(stop_requests())
        while run.at.epoch < config.epochs and not run.at.stopped:
            _epoch(run, on_progress if group.leads else lambda _: None)
        if not best.exists():  # stopped before the first evaluation
            _evaluate(run)
            save_last(run)
        group.sums([0.0])  # the first process has written
        return load_checkpoint(best)[1]


def resume_run(
    folder: Path, release: Release | None = None, on_progress: OnProgress = lambda _: None
) -> CheckpointInfo:
    """Go on with the run in a folder, by nothing but what its config.json says.

    Without `release` the one that config.json names is opened in the data root around the folder
    (`<root>/runs/RUN` and `<root>/releases/NAME/VERSION`). ValueError when it is not there or another one than the
    run was begun with.
    """
    run = describe_run(folder)
    if release is None:
        release = Release.open(folder.absolute().parent.parent / "releases" / run.dataset.repo_id / run.dataset.tag)
    if release.version.digest != run.dataset.digest:
        raise ValueError(
            f"{str(folder)!r} was begun on {run.dataset.ref} with digest {run.dataset.digest[:12]}, but "
            f"{release.version.ref} has {release.version.digest[:12]}: give the release that its config.json names."
        )
    return train(TrainData.from_release(release), run.model, run.train, folder, on_progress)


def _take(run: Run) -> None:
    """Make the folder this run's own, and put its checkpoints right after a kill."""
    model, dataset = run.engine.network.config, run.data.dataset
    claim(run.folder, RunDescription(model=model, train=run.config, dataset=dataset, processes=run.group.size))
    for name in ("best", "last"):
        settle(run.folder / "checkpoints" / name)


def _start(data: TrainData, model_config: ModelConfig, config: TrainConfig, folder: Path, group: Processes) -> Run:
    """Make a run of fresh parameters, the same in every process."""
    torch.manual_seed(config.seed)
    network = Network(model_config, len(data.vocabulary))
    feed = training_feed(data.train, model_config, config, Place(device=group.device, processes=group.size))
    network.learn_counts(data.train)
    engine = Engine.of(network, config, group.device)
    if group.rank:
        torch.manual_seed(config.seed + DROPOUT_DICE * group.rank)
    decayed = [p for name, p in network.named_parameters() if p.ndim > 1 and not name.endswith("A_log")]
    plain = [p for p in network.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
    betas = (BETA1, config.beta2)
    return Run(
        data=data,
        config=config,
        folder=folder,
        engine=engine,
        optimizer=torch.optim.AdamW(groups, lr=config.learning_rate, betas=betas, weight_decay=config.weight_decay),
        feed=feed,
        validation=validation_feed(data.validation, model_config, config, Place(device=group.device)),
        steps=sum(len(feed.plan((config.seed, epoch))) for epoch in range(config.epochs)),
        group=group,
        asked=StopRequest(),
        unread=torch.zeros((), dtype=torch.float64, device=group.device),
    )


def _epoch(run: Run, on_progress: OnProgress) -> None:
    """Read what is left of an epoch, evaluate where it is due, and save."""
    config, at = run.config, run.at
    plan = run.feed.plan((config.seed, at.epoch))
    for members in plan[at.batch :]:
        _step(run, members)
        at.batch += 1
        _tell(run)
        on_progress(run.progress())
        if _is_over(run):
            at.stopped = True
            break
    due = (at.epoch + 1) % config.evaluate_every == 0 or at.epoch + 1 == config.epochs
    if due or at.stopped:
        _evaluate(run)
        on_progress(run.progress())
    at.epoch, at.batch, at.epoch_nats, at.epoch_tokens = at.epoch + 1, 0, 0.0, 0
    save_last(run)


def _step(run: Run, members: list[Member]) -> None:
    """Learn from one batch, of which every process reads its share."""
    rate = learning_rate(run.config, run.at.step, run.steps)
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    tokens = run.feed.tokens(members)
    run.optimizer.zero_grad()
    if mine := run.group.share(members):
        batch = run.feed.batch(mine)
        nats = loss_of(run.engine.logits(batch.windows), batch)
        (nats / tokens).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        run.unread += nats.detach()
    network = run.engine.network
    run.group.add_gradients(network)
    torch.nn.utils.clip_grad_norm_(network.parameters(), run.config.clip)
    run.optimizer.step()
    run.at.step += 1
    run.at.tokens += tokens
    run.at.epoch_tokens += tokens
    run.at.told_tokens += tokens


def _is_over(run: Run) -> bool:
    """Tell whether the time is up, and keep the state where that is due.

    TrainingStopped when somebody asked for the end. All processes agree: the first one's clock, anybody's signal.
    """
    config = run.config
    clock = run.group.leads
    late = clock and config.seconds is not None and run.seconds() > config.seconds
    unsaved = clock and time.monotonic() - run.saved_at > config.checkpoint_seconds
    asked, over, save = run.group.anyone(run.asked.wanted, late, unsaved)
    if asked or save:
        save_last(run)
    if asked:
        raise TrainingStopped(
            f"training was stopped by {run.asked.name or 'another process'} at step {run.at.step} of {run.steps}; its "
            f"state is kept in {run.folder}: run the same command, or "
            f"`pixelbytes train --resume {run.folder}`, to go on."
        )
    return over


def _tell(run: Run) -> None:
    """Fetch the loss and write a line of history where it is time; on a CPU the loss is always at hand."""
    due = run.at.step % TELL_EVERY == 0
    if due or run.group.device.type == "cpu":
        run.fetch()
    if due:
        _write(run, train_bits=run.at.told_nats * BITS / max(run.at.told_tokens, 1))
        run.at.told_nats, run.at.told_tokens = 0.0, 0


def _write(run: Run, *, train_bits: float | None = None, validation_bits: float | None = None) -> None:
    at, seconds = run.at, run.seconds()
    if run.history is None:
        return
    run.history.add(
        Moment(
            step=at.step,
            epoch=at.epoch,
            evaluations=at.evaluations,
            train_bits=train_bits,
            validation_bits=validation_bits,
            learning_rate=run.optimizer.param_groups[0]["lr"],
            tokens_per_second=round(at.tokens / max(seconds, 1e-9), 1),
            seconds=round(seconds, 3),
            time=round(time.time(), 3),
        )
    )


def _evaluate(run: Run) -> None:
    """Measure on validation, write a line of log, keep the network when it is the best so far."""
    at, plan = run.at, run.validation.plan((0,))
    run.fetch()
    (nats,) = run.group.sums([nats_of(run.engine.network, run.validation, run.group.share(plan))])
    at.validation_bits = run.validation.per_record(nats, sum(map(run.validation.tokens, plan))) * BITS
    at.evaluations += 1
    at.evaluations_since_best += 1
    if at.best_bits is None or at.validation_bits < at.best_bits:
        at.best_bits, at.evaluations_since_best = at.validation_bits, 0
        if run.group.leads:
            save_checkpoint(run.folder / "checkpoints" / "best", run.engine.network, run.info())
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
    if run.group.leads:
        with (run.folder / LOG).open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
    _write(run, validation_bits=at.validation_bits)
