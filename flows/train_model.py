"""The flow that trains and judges a model on exactly one release."""

from pathlib import Path
from typing import Any

from prefect import flow

from flows import model_tasks as tasks
from flows.artifacts import show_run
from flows.settings import data_root
from flows.training_options import trained_preset
from model.presets import DEFAULT_PRESET


@flow(name="train-model", log_prints=True, validate_parameters=False)
def train_model(  # noqa: PLR0913 - a deployment's parameters
    repo_id: str,
    tag: str,
    digest: str = "",
    store: str | None = None,
    *,
    data: str | None = None,
    preset: str = DEFAULT_PRESET,
    core: str | None = None,
    seed: int = 0,
    recipe: dict[str, Any] | None = None,
    run: str | None = None,
) -> Path:
    """Train on the version that is named, never on whatever is newest; return the run's folder with its page.

    `recipe` changes fields of the preset's TrainConfig, which makes another run. `run` is a folder to go on with: then
    what is trained stands in it. A run that was interrupted is continued, and one that is finished is only shown again.
    ValueError when the release is not there or, with a `digest`, is another than the one announced.
    """
    root = data_root(data)
    release = tasks.open_release(repo_id, tag, digest, store, root)
    if run:
        folder = tasks.resume_network(release, Path(run))
    else:
        folder = tasks.train_network(release, root, trained_preset(preset, core, seed, recipe))
    tasks.evaluate_run(release, folder)
    tasks.draw_samples(release, folder)
    tasks.write_page(release, folder, root)
    show_run(folder, release)
    return folder
