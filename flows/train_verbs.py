"""What `train` does with what it was given: a fresh run or one to go on with, alone or one of torchrun's processes."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path

from flows.console import err, say
from flows.errors import DONE, FAILED, UsageError, given_by_user
from flows.model_names import reference_of
from flows.server import start_guarded_server
from flows.settings import DataRoot
from flows.training_options import TrainingOptions, trained_preset
from flows.verbs import open_release
from model.config import CORE_NAMES, ModelConfig, TrainConfig, require_causal_loss
from model.devices import device_of
from model.interrupts import TrainingStopped
from model.parallel import local_rank
from model.presets import DEFAULT_PRESET, require_trainable
from pipeline.release import MANIFEST, Release


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """What `train` trains; None is what the preset, or the run to go on with, says."""

    preset: str | None
    core: str | None
    seed: int | None
    recipe: TrainingOptions
    resume: Path | None
    dry_run: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What is to be trained, and where."""

    release: Release
    folder: Path
    model: ModelConfig
    recipe: TrainConfig


def train(root: DataRoot, dataset: str | None, how: TrainOptions, *, as_json: bool) -> int:
    """Run the flow that trains on one version; of torchrun's processes only the first one runs it, the others train."""
    follows = int(os.environ.get("RANK", "0")) > 0
    err.quiet = follows or err.quiet  # one of them speaks for all
    training = _resumed(root, dataset, how) if how.resume else _fresh(root, dataset, how)
    with given_by_user():
        require_causal_loss(training.model, training.recipe)
        device_of(training.recipe, local_rank())
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    _require_processes(training.folder, processes)
    if how.dry_run:
        return DONE if follows else _say_plan(training, processes, as_json=as_json)
    try:
        if follows:
            return _follow(training)
        run = _train(root, how, training)
    except TrainingStopped as stopped:  # asked for: the message says how to go on
        err.print(str(stopped), markup=False, soft_wrap=True)
        return FAILED
    ref = training.release.version.ref
    say({"run": run, "dataset": ref}, f"the run: {run}\nthe page: {run / 'report.html'}", as_json=as_json)
    return DONE


def _train(root: DataRoot, how: TrainOptions, training: Training) -> Path:
    from flows.train_model import train_model

    start_guarded_server()
    version = training.release.version
    return train_model(
        version.repo_id,
        version.tag,
        version.digest,
        str(training.release.folder.resolve()),
        data=str(root.root),
        preset=how.preset or DEFAULT_PRESET,
        core=how.core,
        seed=how.seed or 0,
        recipe=how.recipe.given or None,
        run=str(training.folder) if how.resume else None,
    )


def _fresh(root: DataRoot, dataset: str | None, how: TrainOptions) -> Training:
    from model.runs import run_folder

    if dataset is None:
        raise UsageError("name the DATASET to train on, such as pixelbytes/sample@v1.0.0, or a run with --resume RUN.")
    found = open_release(dataset, root)
    with given_by_user():
        preset = trained_preset(how.preset, how.core, how.seed, how.recipe.given)
        if "device" in how.recipe.given:  # then it is not the preset that is wrong
            device_of(preset.train, local_rank())
        require_trainable(preset)
    if found.manifest.version == "unreleased":
        raise UsageError(f"{dataset} was never published: training names a version; run `pixelbytes rebuild` first.")
    folder = run_folder(found, root.runs, preset)
    return Training(release=found, folder=folder, model=preset.model, recipe=preset.train)


def _resumed(root: DataRoot, dataset: str | None, how: TrainOptions) -> Training:
    """Return the run of --resume; UsageError when another option or another dataset contradicts it."""
    from model.training_run import describe_run

    folder = how.resume or Path()
    folder = folder.parent.parent if folder.parent.name == "checkpoints" else folder
    with given_by_user():
        run = describe_run(folder)
    if how.preset is not None:
        raise UsageError(
            f"--preset {how.preset}: {folder} has its own recipe, and goes on with it; leave --preset out."
        )
    _require_same("--core", how.core, run.model.core, folder)
    _require_same("--seed", how.seed, run.train.seed, folder)
    for field, value in how.recipe.given.items():
        _require_same(how.recipe.named(field), value, getattr(run.train, field), folder)
    around = folder.absolute().parent.parent / "releases" / run.dataset.repo_id / run.dataset.tag
    named = dataset or (str(around) if (around / MANIFEST).is_file() else reference_of(run.dataset, root))
    release = open_release(named, root)
    if release.version.digest != run.dataset.digest:
        raise UsageError(
            f"{folder} was begun on {run.dataset.ref} with digest {run.dataset.digest[:12]}, but "
            f"{release.version.ref} has {release.version.digest[:12]}: name the release that it was begun on."
        )
    return Training(release=release, folder=folder, model=run.model, recipe=run.train)


def _require_same(option: str, given: object, own: object, run: Path) -> None:
    if given is not None and given != own:
        raise UsageError(
            f"{option} is {given}, but {run} is trained with {own}, and goes on as it was begun: leave {option} out, "
            "or train anew without --resume."
        )


def _require_processes(folder: Path, processes: int) -> None:
    """Refuse to go on with a run by more or fewer processes: they would read other batches than it was begun with."""
    from model.training_run import RUN_CONFIG, describe_run

    if not (folder / RUN_CONFIG).is_file():
        return
    with given_by_user():
        begun = describe_run(folder).processes
    if begun != processes:
        raise UsageError(
            f"{folder} is trained by {begun} processes, not {processes}: start as many (torchrun --nproc-per-node "
            f"{begun} -m flows.cli train …), or train another --seed; `pixelbytes report {folder}` shows what it made."
        )


def _follow(training: Training) -> int:
    """Train as one of several processes, and leave the rest to the first."""
    from model.train import TrainData
    from model.train import train as train_network

    data = TrainData.from_release(training.release)
    train_network(data, training.model, training.recipe, training.folder)
    return DONE


def _say_plan(training: Training, processes: int, *, as_json: bool) -> int:
    """Say what would be trained; the folder is not made."""
    from model.planned_run import plan_run
    from model.training_run import TrainData

    data = TrainData.from_release(training.release)
    plan = plan_run(data, training.model, training.recipe, training.folder, processes)
    stands = {
        "new": "it does not exist yet",
        "begun": f"it exists and would go on from step {plan.step:,}",
        "finished": f"it exists and is finished, at step {plan.step:,}: it would only be shown again",
    }[plan.state]
    several = f", by {processes} processes" if processes > 1 else ""
    text = (
        f"would train {plan.parameters:,} parameters ({CORE_NAMES[training.model.core]}) on "
        f"{training.release.version.ref}, {plan.records:,} records\n"
        f"{plan.epochs} epochs of {plan.steps_per_epoch:,} steps, {plan.steps:,} in all, on {plan.device}{several}\n"
        f"the run: {plan.folder}\n{stands}; this was a dry run: nothing was trained"
    )
    told = asdict(plan) | {"dataset": training.release.version.ref, "processes": processes}
    say(told, text, as_json=as_json)
    return DONE
