"""A run that may be shown to others: trained to its end, judged on held-out records, and of one release throughout."""

from dataclasses import dataclass
from pathlib import Path

from model.checkpoint import PROGRESS, CheckpointInfo, load_checkpoint, read_json
from model.config import TrainConfig
from model.config_checks import require_kinds
from model.evaluate import Evaluation, ModelScore, read_evaluation
from model.network import Network
from model.report_data import Samples
from model.runs import EVALUATION, SAMPLES, checkpoint_of, is_of, read_samples, samples_weights
from pipeline.records import DatasetVersion
from pipeline.release import Release

RUN = "config.json"
HELD_OUT = "test"  # the split that nothing was chosen by


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRun:
    """Everything that a run says of itself, checked to be of one piece."""

    folder: Path
    network: Network  # the best checkpoint's
    info: CheckpointInfo
    recipe: TrainConfig
    evaluation: Evaluation
    score: ModelScore  # the network's row of the evaluation
    samples: Samples  # empty when none were drawn


def read_finished_run(folder: Path, release: Release) -> FinishedRun:
    """Read a run that was trained on `release`; ValueError says what it lacks to be finished, and what to do.

    The folder may come from outside: nothing in it is believed that another file can confirm.
    """
    if not (folder / RUN).is_file() or not (folder / "checkpoints").is_dir():
        raise ValueError(
            f"{folder} is no run: it has no {RUN} with a folder checkpoints beside it. Give what `pixelbytes train` "
            "made, such as data/runs/RUN."
        )
    told = read_json(folder / RUN)
    recipe = _recipe(told, folder)
    _require_end(folder, recipe)
    network, info = load_checkpoint(checkpoint_of(folder), release.vocabulary)
    _require_same(folder, info.dataset, release)
    if told.get("model") != info.model.to_json() or info.training_digest != recipe.digest():
        raise ValueError(
            f"{folder / RUN} describes another model or recipe than its best checkpoint was trained by: train it again."
        )
    evaluation = _evaluation(folder, info)
    return FinishedRun(
        folder=folder,
        network=network,
        info=info,
        recipe=recipe,
        evaluation=evaluation,
        score=_score(folder, evaluation, network),
        samples=_samples(folder),
    )


def _recipe(told: dict[str, object], folder: Path) -> TrainConfig:
    train = told.get("train")
    if not isinstance(train, dict):
        raise ValueError(f"{folder / RUN} holds no recipe of a training: train it again.")  # noqa: TRY004 - a bad file
    try:
        require_kinds(TrainConfig, train)
        return TrainConfig.from_json(train)
    except ValueError as error:
        raise ValueError(f"{folder / RUN} holds no recipe of a training ({error}): train it again.") from error


def _require_end(folder: Path, recipe: TrainConfig) -> None:
    path = folder / "checkpoints" / "last" / PROGRESS
    if not path.is_file():
        raise ValueError(f"{folder} does not say how far it came ({path} is missing): train it, or copy it whole.")
    at = read_json(path)
    epoch, stopped = at.get("epoch"), at.get("stopped")
    if stopped is not True and not (type(epoch) is int and epoch >= recipe.epochs):
        raise ValueError(
            f"{folder} is not finished: it stands at epoch {epoch!r} of {recipe.epochs}. Run `pixelbytes train` with "
            "the same dataset, preset and seed again, which goes on where it stopped."
        )


def _require_same(folder: Path, trained_on: DatasetVersion, release: Release) -> None:
    if not release.manifest.published:
        raise ValueError(
            f"{release.folder} was never published, so a model cannot name it: run `pixelbytes publish` first."
        )
    found = release.version
    if (trained_on.ref, trained_on.digest) != (found.ref, found.digest):
        raise ValueError(
            f"{folder} was trained on {trained_on.ref[:200]} with digest {trained_on.digest[:12]}, but the release "
            f"given is {found.ref} with {found.digest[:12]}: give the release it was trained on."
        )


def _evaluation(folder: Path, info: CheckpointInfo) -> Evaluation:
    path = folder / EVALUATION
    again = f"run `pixelbytes evaluate {folder}`."
    if not path.is_file():
        raise ValueError(f"{folder} was not judged yet: {EVALUATION} is missing; {again}")
    found = read_evaluation(path)
    if (found.dataset.digest, found.dataset.split) != (info.dataset.digest, HELD_OUT):
        raise ValueError(
            f"{path} is about the split {found.dataset.split} of {found.dataset.ref[:200]}, digest "
            f"{found.dataset.digest[:12]}, not about {HELD_OUT} of {info.dataset.ref}: remove it, then {again}"
        )
    if not is_of(folder, path, found.weights):
        raise ValueError(f"{path} is about other weights than the best checkpoint's: {again}")
    return found


def _score(folder: Path, evaluation: Evaluation, network: Network) -> ModelScore:
    rows = [row for row in evaluation.models if row.kind == "network"]
    if len(rows) != 1 or rows[0].parameters != network.parameters_count:
        counted = [row.parameters for row in rows]
        raise ValueError(
            f"{folder / EVALUATION} has networks of {counted} parameters, but the run's has "
            f"{network.parameters_count}: remove it, then run `pixelbytes evaluate {folder}`."
        )
    if not any(row.kind == "baseline" for row in evaluation.models):
        raise ValueError(
            f"{folder / EVALUATION} holds no baseline, beside which alone bits mean something: remove it, then run "
            f"`pixelbytes evaluate {folder}`."
        )
    return rows[0]


def _samples(folder: Path) -> Samples:
    path = folder / SAMPLES
    if path.is_file() and not is_of(folder, path, samples_weights(folder)):
        raise ValueError(
            f"{path} was drawn by other weights than the best checkpoint's: run `pixelbytes train` with the same "
            "dataset, preset and seed again, which draws anew, or remove it."
        )
    return read_samples(folder)
