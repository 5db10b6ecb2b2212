"""The flow that trains and judges a model on exactly one release."""

from pathlib import Path

from prefect import flow

from flows import model_tasks as tasks
from flows.settings import data_root
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
    core: str = "lstm",
    seed: int = 0,
) -> Path:
    """Train on the version that is named, never on whatever is newest; return the run's folder with its page.

    A run that was interrupted is continued, and one that is finished is only shown again. ValueError when the release
    is not there or, with a `digest`, is another than the one announced.
    """
    root = data_root(data)
    release = tasks.open_release(repo_id, tag, digest, store, root)
    run = tasks.train_network(release, root, preset, core, seed)
    tasks.evaluate_run(release, run)
    tasks.draw_samples(release, run)
    tasks.write_page(release, run, root)
    return run
