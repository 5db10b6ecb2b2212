"""Commands about models: audit, train, evaluate, generate, and the page of a run."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from flows.app import Data, Json, Preset, ReleaseName, app, root_for_flows
from flows.settings import data_root

HeldOut = Annotated[Literal["validation", "test"], Parameter(help="records the bits are of; models learn on others")]


@app.command
def audit(release: ReleaseName, *, split: HeldOut = "validation", data: Data = None, json: Json = False) -> int:
    """Tell what a token costs: for each tokenisation its length, its capacity, and the bits that its records need.

    Capacity is tokens × log2 of the vocabulary; exact bits are those of the best count model, learned on the training
    split and chosen on validation. Whether a tokenisation is lossless is tried on every picture, and what it loses, or
    the palette lost before it, is told in CIELAB ΔE: the latter only where the raw store lies in the data root.

    Example: pixelbytes audit pixelbytes/sample@v1.0.0
    """
    from flows import audit_verbs

    return audit_verbs.audit(data_root(data), release, split, as_json=json)


@app.command
def train(
    dataset: str,
    *,
    preset: Preset = "small",
    core: str = "lstm",
    seed: int = 0,
    data: Data = None,
    json: Json = False,
) -> int:
    """Train a preset on one version of a dataset, judge it beside the baselines, let it draw, and write the page.

    Example: pixelbytes train pixelbytes/sample@v1.0.0 --preset small --seed 1
    """
    from flows import model_verbs

    return model_verbs.train(
        root_for_flows(data), dataset, model_verbs.TrainOptions(preset=preset, core=core, seed=seed), as_json=json
    )


@app.command
def evaluate(checkpoint: Path, dataset: str | None = None, *, data: Data = None, json: Json = False) -> int:
    """Score a checkpoint and the baselines on the test split: of its own dataset, or of another.

    Example: pixelbytes evaluate data/runs/RUN/checkpoints/best
    """
    from flows import model_verbs

    return model_verbs.evaluate(data_root(data), checkpoint, dataset, as_json=json)


@app.command
def generate(  # noqa: PLR0913 - a command's options
    checkpoint: Path,
    *,
    caption: str | None = None,
    picture: Path | None = None,
    count: int = 4,
    out: Path | None = None,
    seed: int = 0,
    temperature: float = 1.0,
    scale: int = 8,
    data: Data = None,
) -> int:
    """Draw pictures and write their texts: from nothing, from a caption, or a caption for a picture.

    Example: pixelbytes generate data/runs/RUN/checkpoints/best --caption "a small green serpent with horns."
    """
    from flows import model_verbs

    begun = "caption" if caption is not None else "picture" if picture is not None else "nothing"
    run = checkpoint.resolve().parent.parent.name if checkpoint.name in {"best", "last"} else checkpoint.resolve().name
    folder = out or data_root(data).root / "generated" / f"{run}-{begun}-s{seed}"
    how = model_verbs.DrawOptions(count=count, out=folder, seed=seed, temperature=temperature, scale=scale)
    return model_verbs.generate(checkpoint, caption, picture, how)


@app.command
def report(run_or_release: str, *, out: Path | None = None, data: Data = None) -> int:
    """Write the page of a run or of a release again: one HTML file that needs no network.

    Example: pixelbytes report data/runs/RUN
    """
    from flows import model_verbs

    return model_verbs.report(data_root(data), run_or_release, out)
