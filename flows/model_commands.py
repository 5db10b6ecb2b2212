"""Commands about models: audit, train, evaluate, generate, and the page of a run."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from flows.app import Data, Json, ReleaseName, app, root_for_flows
from flows.settings import data_root
from flows.training_options import AS_THE_PRESET_SAYS, TrainingOptions

HeldOut = Annotated[Literal["validation", "test"], Parameter(help="records the bits are of; models learn on others")]
Seed = Annotated[int, Parameter(help="number from which all chance comes: the same gives the same again")]


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
def train(  # noqa: PLR0913 - a command's options
    dataset: Annotated[
        str | None, Parameter(help="hub:org/name@v1.0.0, org/name@v1.0.0 in the data root, or a release folder")
    ] = None,
    *,
    preset: Annotated[
        str | None,
        Parameter(help="recipe: small (minutes; the default), tiny (seconds), base or large (a GPU)"),
    ] = None,
    core: Annotated[
        str | None, Parameter(help="what reads the tokens: lstm, transformer or mamba; by default the preset's own")
    ] = None,
    seed: Annotated[int | None, Parameter(help="number from which all chance comes; by default 0")] = None,
    resume: Annotated[
        Path | None, Parameter(help="a run's folder to go on with, by its own recipe; DATASET may be left out then")
    ] = None,
    dry_run: Annotated[bool, Parameter(negative="", help="say what would be trained, and train nothing")] = False,
    recipe: TrainingOptions = AS_THE_PRESET_SAYS,
    data: Data = None,
    json: Json = False,
) -> int:
    """Train a preset on one version of a dataset, judge it beside the baselines, let it draw, and write the page.

    The same dataset, recipe and seed are the same run: what was stopped (Ctrl-C and SIGTERM keep its state) goes on
    where it was, and what is finished is only shown again. Several processes train one run by torchrun, each with a
    batch of its own: torchrun --nproc-per-node 2 -m flows.cli train DATASET.

    Example: pixelbytes train pixelbytes/sample@v1.0.0 --preset small --seed 1

    Example: pixelbytes train --resume data/runs/RUN
    """
    from flows import train_verbs

    how = train_verbs.TrainOptions(preset=preset, core=core, seed=seed, recipe=recipe, resume=resume, dry_run=dry_run)
    return train_verbs.train(root_for_flows(data), dataset, how, as_json=json)


@app.command
def evaluate(  # noqa: PLR0913 - a command's options
    checkpoint: Annotated[
        str,
        Parameter(help="a run, a checkpoint, an exported model, hub:org/model@v1.0.0, or a saved baseline's folder"),
    ],
    dataset: Annotated[
        str | None, Parameter(help="the release whose test split is read; by default the one it was trained on")
    ] = None,
    *,
    beside: Annotated[
        tuple[str, ...], Parameter(negative="", help="another such model to stand beside it; may be repeated")
    ] = (),
    paper: Annotated[
        bool, Parameter(negative="", help="the paper's metrics too, of every model, beside its published table")
    ] = False,
    validity: Annotated[
        int, Parameter(help="draw so many records without the grammar, and count those that are well formed")
    ] = 0,
    memorisation: Annotated[
        int, Parameter(help="draw so many pictures, and find the nearest training picture of each")
    ] = 0,
    plots: Annotated[Path | None, Parameter(help="folder for a page with figures, and the figures as SVG")] = None,
    data: Data = None,
    json: Json = False,
) -> int:
    """Score models and the baselines on the test split: of the first model's own dataset, or of another.

    Bits per record by part, what differs for sure and by how much (95 % intervals by bootstrap over records, p by
    sign flips), and what else is asked for. What stands in the run's evaluation.json already is not measured again.

    Example: pixelbytes evaluate data/runs/RUN --paper --validity 64 --memorisation 64 --plots figures

    Example: pixelbytes evaluate data/runs/ONE pixelbytes/sample@v1.0.0 --beside data/runs/OTHER
    """
    from flows import evaluate_verbs

    how = evaluate_verbs.EvaluateOptions(
        beside=beside, paper=paper, validity=validity, memorisation=memorisation, plots=plots
    )
    return evaluate_verbs.evaluate(data_root(data), checkpoint, dataset, how, as_json=json)


@app.command
def generate(  # noqa: PLR0913 - a command's options
    checkpoint: Annotated[
        str, Parameter(help="a run, one of its checkpoints, an exported model, or hub:org/model@v1.0.0")
    ],
    *,
    caption: Annotated[str | None, Parameter(help="a text to draw a picture for")] = None,
    picture: Annotated[Path | None, Parameter(help="a picture to write a text for")] = None,
    complete: Annotated[
        Path | None, Parameter(help="a picture whose first rows are kept and the others drawn; --caption may join it")
    ] = None,
    rows: Annotated[int | None, Parameter(help="rows that --complete keeps; by default half of them")] = None,
    count: Annotated[int, Parameter(help="records to draw")] = 4,
    out: Annotated[
        Path | None, Parameter(help="folder for what is drawn; by default one in generated/ of the data root")
    ] = None,
    seed: Seed = 0,
    first: Annotated[
        int | None,
        Parameter(help="number of the first sample; by default it goes on after those in the folder, from 0"),
    ] = None,
    temperature: Annotated[
        float, Parameter(help="1 keeps the model's odds, less sharpens them; 0 takes the most probable")
    ] = 1.0,
    top_k: Annotated[int | None, Parameter(help="draw among this many of the most probable tokens")] = None,
    top_p: Annotated[float, Parameter(help="draw among the most probable tokens that together hold this share")] = 1.0,
    scale: Annotated[int, Parameter(help="screen pixels to a pixel of the pictures that are written")] = 8,
    data: Data = None,
    json: Json = False,
) -> int:
    """Draw pictures and write their texts: from nothing, from a caption, for a picture, or on from half a picture.

    Sample n of a seed is always the same, however many are drawn. Nothing in the folder is overwritten: drawing again
    goes on with the next numbers. Beside pictures and texts it gets a contact sheet and samples.jsonl, which tells how
    each was drawn.

    Example: pixelbytes generate data/runs/RUN/checkpoints/best --caption "a small green serpent with horns."

    Example: pixelbytes generate data/runs/RUN --complete sprite.png --rows 8 --count 16 --top-p 0.95
    """
    from flows import model_verbs

    how = model_verbs.GenerateOptions(
        caption=caption, picture=picture, complete=complete, rows=rows, count=count, out=out, seed=seed, first=first,
        temperature=temperature, top_k=top_k, top_p=top_p, scale=scale,
    )  # fmt: skip
    return model_verbs.generate(data_root(data), checkpoint, how, as_json=json)


@app.command
def report(
    run_or_release: Annotated[str, Parameter(help="a run's folder, or what names a release")],
    *,
    out: Annotated[
        Path | None, Parameter(help="file of the page; by default report.html of the run, or in pages/")
    ] = None,
    data: Data = None,
) -> int:
    """Write the page of a run or of a release again: one HTML file that needs no network.

    Example: pixelbytes report data/runs/RUN
    """
    from flows import model_verbs

    return model_verbs.report(data_root(data), run_or_release, out)
