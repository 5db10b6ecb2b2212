"""Train and judge the paper's table again: resumable, variant by variant, under the paper's own protocol.

Each variant has a run folder; what was judged of it stands in `results/`, and `reproduction.json` is written anew after
each. A kill at any moment loses at most some seconds of training: the same call goes on.
"""

import statistics
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from model.baselines import fit_baselines
from model.checkpoint import WEIGHTS, load_checkpoint
from model.continuation import ContinuingModel, ExcerptNetwork
from model.evaluate import EvaluatedOn
from model.history import read_history
from model.language_model import LanguageModel
from model.network import Network, NetworkModel
from model.paper_metrics import paper_scores
from model.paper_protocol import PaperScores
from model.presets import PAPER_PREFIX, Preset
from model.published import PAPER
from model.report_data import read_log
from model.reproduction import (
    REPRODUCTION,
    Counted,
    Judged,
    Points,
    Reproduced,
    Reproduction,
    published_row,
    read_reproduced,
    require_splits,
    write_reproduced,
    write_reproduction,
)
from model.tensor_files import read_tensors, weights_digest
from model.token_table import TokenTable, load_tokens
from model.train import OnProgress, TrainData, train
from model.training_run import LOG
from pipeline.locks import only_one
from pipeline.release import Release, code_version

CHECKPOINTS = ("last", "best")
Shown = Callable[[Preset], AbstractContextManager[OnProgress]]
Told = Callable[[Reproduction], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What every variant is trained on and judged by."""

    data: TrainData
    test: TokenTable
    folder: Path

    @classmethod
    def of(cls, release: Release, folder: Path) -> "Ground":
        """Read all splits of a release; ValueError when one of them is empty."""
        require_splits(release)
        return cls(data=TrainData.from_release(release), test=load_tokens(release, "test"), folder=folder)

    def run(self, preset: Preset) -> Path:
        """Return the run folder of a variant."""
        return self.folder / "runs" / _short(preset.name)

    def result(self, preset: Preset) -> Path:
        """Return the file that tells what was judged of a variant."""
        return self._result(preset.name)

    def results(self) -> tuple[Reproduced, ...]:
        """Return the variants that are finished, in the order of the paper's table."""
        found = (read_reproduced(self._result(row.preset)) for row in PAPER)
        return tuple(result for result in found if result)

    def _result(self, name: str) -> Path:
        return self.folder / "results" / f"{_short(name)}.json"


def reproduce(
    ground: Ground,
    presets: Sequence[Preset],
    shown: Shown = lambda _: nullcontext(lambda _: None),
    told: Told = lambda _: None,
) -> Reproduction:
    """Train and judge some rows of the paper's table, and return all that stand in the folder by now.

    `shown` is asked before each variant for what shows its progress, `told` is given what is known after the baselines
    and after each variant. ValueError without presets or for one of ours; RuntimeError while another process
    reproduces in the folder. SIGTERM and Ctrl-C end a training as they do in `train`: TrainingStopped, and the same
    call goes on.
    """
    if not presets:
        raise ValueError("no row of the paper's table is to be trained: give at least one.")
    for preset in presets:
        published_row(preset.name)
    with only_one(ground.folder, "reproducing in"):
        baselines = judged_baselines(ground)
        found = _kept(ground, presets[0], baselines)
        told(found)
        for preset in presets:
            with shown(preset) as on_progress:
                train(ground.data, preset.model, preset.train, ground.run(preset), on_progress)
            _judge(ground, preset)
            found = _kept(ground, preset, baselines)
            told(found)
    return found


def judged_baselines(ground: Ground) -> tuple[Counted, ...]:
    """Fit the baselines to the training split and measure them on the same excerpts."""
    fitted = fit_baselines(ground.data.train, ground.data.vocabulary)
    return tuple(
        Counted(name=model.name, parameters=model.parameters, paper=paper_scores(model, ground.test))
        for model in fitted
    )


def _judge(ground: Ground, preset: Preset) -> None:
    """Measure a trained variant's two checkpoints, unless that was done with the same weights."""
    run = ground.run(preset)
    weights = {name: weights_digest(read_tensors(run / "checkpoints" / name / WEIGHTS)) for name in CHECKPOINTS}
    known = read_reproduced(ground.result(preset))
    if known and {"last": known.last.weights, "best": known.best.weights} == weights:
        return
    log, mean = read_log(run / LOG), len(ground.data.validation.ids) / len(ground.data.validation)
    curve = {row.step: (row.epoch + 1, (row.validation_bits or 0.0) / mean) for row in log}
    papers: dict[str, PaperScores] = {}  # by their weights: a last checkpoint that is the best is measured once
    judged = {}
    for name in CHECKPOINTS:
        network, info = load_checkpoint(run / "checkpoints" / name, ground.data.vocabulary)
        if weights[name] not in papers:
            papers[weights[name]] = paper_scores(_asked(network, preset), ground.test)
        epoch, bits = curve[info.step]
        paper = papers[weights[name]]
        judged[name] = Judged(epoch=int(epoch), validation_bits=bits, weights=weights[name], paper=paper)
    found = Reproduced(
        preset=preset.name,
        published=published_row(preset.name).name,
        parameters=network.parameters_count,
        training_digest=info.training_digest,
        seconds=log[-1].seconds,
        last=judged["last"],
        best=judged["best"],
        train_curve=_train_curve(run),
        validation_curve=tuple(curve.values()),
    )
    write_reproduced(found, ground.result(preset))


def _asked(network: Network, preset: Preset) -> LanguageModel | ContinuingModel:
    """Return a network as the metrics ask it: one that reads forwards only can read whole records too."""
    return (ExcerptNetwork if network.config.bidirectional else NetworkModel)(network, preset.name)


def _train_curve(run: Path) -> Points:
    """Return bits per target, the mean of each epoch's lines of history; of the log where an epoch has none."""
    bits: dict[float, list[float]] = {row.epoch: [row.train_bits] for row in read_log(run / LOG) if row.train_bits}
    told: dict[float, list[float]] = {}
    for moment in read_history(run):
        if moment.train_bits is not None:
            told.setdefault(float(moment.epoch), []).append(moment.train_bits)
    return tuple((epoch + 1, statistics.fmean(values)) for epoch, values in sorted((bits | told).items()))


def _kept(ground: Ground, preset: Preset, baselines: tuple[Counted, ...]) -> Reproduction:
    """Gather what stands in the folder by now, and write `reproduction.json`."""
    dataset = ground.data.dataset
    found = Reproduction(
        dataset=EvaluatedOn(ref=dataset.ref, revision=dataset.revision, digest=dataset.digest, split="test"),
        epochs=preset.train.epochs,
        seed=preset.train.seed,
        variants=ground.results(),
        baselines=baselines,
        code_version=code_version(),
    )
    write_reproduction(found, ground.folder / REPRODUCTION)
    return found


def _short(name: str) -> str:
    return name.removeprefix(PAPER_PREFIX)
