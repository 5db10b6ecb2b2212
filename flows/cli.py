"""The command `pixelbytes`: one function per verb; all work is done below this floor."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter

from flows.errors import BAD_USAGE, DONE, UsageError, explain
from flows.settings import DATA_VARIABLE, DataRoot, data_root, quiet_prefect
from pipeline.release import code_version

Data = Annotated[
    Path | None, Parameter(name="--data", env_var=DATA_VARIABLE, help="folder for everything that is made")
]
Offline = Annotated[bool, Parameter(negative="", help="use what the raw store holds; ask no site")]
Contact = Annotated[
    str | None, Parameter(help="whom a public site may write to: a mail address, sent as part of the user agent")
]
Allow = Annotated[tuple[str, ...], Parameter(negative="", help="a gate to let through, by its name; needs --because")]
Workers = Annotated[int, Parameter(help="processes that build shards")]
Preset = Annotated[str, Parameter(help="recipe: small (minutes) or tiny (seconds)")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="write the result as JSON")]

app = App(
    name="pixelbytes",
    help="Datasets that mix pixel art and text, and the small models that read and write both.",
    version=code_version,
    version_flags=["--version"],
)
sample = App(name="sample", help="The bundled bestiary.")
app.command(sample)


def _root(data: Path | None) -> DataRoot:
    return data_root(data)


def _root_for_flows(data: Path | None) -> DataRoot:
    """Return the data root, with Prefect told to stay in it; must come before Prefect is imported."""
    root = data_root(data)
    quiet_prefect(root)
    return root


@app.command
def demo(*, preset: Preset = "small", data: Data = None, workers: Workers = 1) -> int:
    """Run the bundled sample end to end, to a page: crawl, build, publish, train, evaluate, draw.

    What was interrupted goes on where it stopped; what has not changed is not done again.

    Example: pixelbytes demo
    """
    root = _root_for_flows(data)
    from flows.demo import run_demo

    return _say_page(run_demo(root, preset=preset, workers=workers))


@sample.command
def serve(*, port: int = 8090) -> int:
    """Serve the bestiary as a small wiki on loopback, until Ctrl-C.

    Example: pixelbytes sample serve --port 8090
    """
    from flows.console import err
    from pipeline.sample.wiki import run_forever, sample_folder

    if not 0 <= port <= 65_535:  # noqa: PLR2004 - what a port can be
        raise UsageError(f"--port is {port}: give 0 (a free one) to 65535.")
    err.print(f"the bestiary stands at http://127.0.0.1:{port}/ (Ctrl-C ends it)")
    run_forever(sample_folder(), port)
    return DONE


@app.command
def crawl(
    source: str, *, limit: int | None = None, contact: Contact = None, data: Data = None, json: Json = False
) -> int:
    """Bring the raw store of a source up to date: only what changed is fetched, a killed crawl goes on.

    Example: pixelbytes crawl sample --limit 20
    """
    from flows import verbs

    return verbs.crawl(_root(data), source, limit, contact, as_json=json)


@app.command
def build(  # noqa: PLR0913 - a command's options
    source: str,
    *,
    out: Path | None = None,
    k: int = 3,
    palette: str = "nes",
    workers: Workers = 1,
    offline: Offline = False,
    data: Data = None,
    json: Json = False,
) -> int:
    """Build a release folder from a source's raw store; crawl first unless --offline.

    Example: pixelbytes build sample --k 5 --workers 2 --offline
    """
    from flows import verbs

    how = verbs.BuildOptions(out=out, k=k, palette=palette, workers=workers, offline=offline)
    return verbs.build(_root(data), source, how, as_json=json)


@app.command
def check(
    release: str,
    *,
    against: str | None = None,
    allow: Allow = (),
    because: str = "",
    data: Data = None,
    json: Json = False,
) -> int:
    """Ask every gate of a release and keep the answers in its manifest; exit 3 when one says no.

    Example: pixelbytes check data/builds/pixelbytes/sample --against pixelbytes/sample@v1.0.0
    """
    from flows import verbs

    return verbs.check(_root(data), release, against, verbs.Override(gates=allow, because=because), as_json=json)


@app.command
def verify(release: str, *, data: Data = None, json: Json = False) -> int:
    """Recompute every digest of a release from its bytes; exit 1 when one differs.

    Example: pixelbytes verify pixelbytes/sample@v1.0.0
    """
    from flows import verbs

    return verbs.verify(_root(data), release, as_json=json)


@app.command
def inspect(release: str, record: str | None = None, *, data: Data = None) -> int:
    """Show a record in the terminal: its sprite, its text, its tokens and one window (the first record without an ID).

    Example: pixelbytes inspect pixelbytes/sample 0001
    """
    from flows import verbs

    return verbs.inspect(_root(data), release, record)


@app.command
def rebuild(  # noqa: PLR0913 - a command's options
    source: str,
    *,
    to: Path | None = None,
    name: str | None = None,
    k: int = 3,
    workers: Workers = 1,
    offline: Offline = False,
    contact: Contact = None,
    allow: Allow = (),
    because: str = "",
    data: Data = None,
    json: Json = False,
) -> int:
    """Crawl, build, check, compare and publish; no new version when nothing changed.

    Example: pixelbytes rebuild sample
    """
    from flows import verbs

    how = verbs.RebuildOptions(
        to=to,
        name=name,
        k=k,
        workers=workers,
        offline=offline,
        contact=contact,
        override=verbs.Override(gates=allow, because=because),
    )
    return verbs.rebuild(_root_for_flows(data), source, how, as_json=json)


@app.command
def publish(release: str, *, to: Path | None = None, data: Data = None, json: Json = False) -> int:
    """Publish a build that was checked, under the version that its changes call for; nothing when nothing changed.

    Example: pixelbytes publish data/builds/pixelbytes/sample --to /srv/releases
    """
    from flows import verbs

    return verbs.publish(_root_for_flows(data), release, to, as_json=json)


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
        _root_for_flows(data), dataset, model_verbs.TrainOptions(preset=preset, core=core, seed=seed), as_json=json
    )


@app.command
def evaluate(checkpoint: Path, dataset: str | None = None, *, data: Data = None, json: Json = False) -> int:
    """Score a checkpoint and the baselines on the test split: of its own dataset, or of another.

    Example: pixelbytes evaluate data/runs/RUN/checkpoints/best
    """
    from flows import model_verbs

    return model_verbs.evaluate(_root(data), checkpoint, dataset, as_json=json)


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

    return model_verbs.report(_root(data), run_or_release, out)


@app.command
def diff(old: str, new: str, *, data: Data = None, json: Json = False) -> int:
    """Compare two releases record by record.

    Example: pixelbytes diff pixelbytes/sample@v1.0.0 pixelbytes/sample@v1.1.0
    """
    from flows import verbs

    return verbs.diff(_root(data), old, new, as_json=json)


def _say_page(page: Path) -> int:
    from flows.console import out

    out.print(f"the page: {page}", soft_wrap=True)
    return DONE


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 bad usage, 3 a gate said no."""
    from flows.console import err

    try:
        command, bound, _ = app.parse_args(list(arguments), exit_on_error=False, print_error=False)
        done = command(*bound.args, **bound.kwargs)
    except CycloptsError as error:
        err.print(f"{str(error).strip()} Try pixelbytes --help.", markup=False, soft_wrap=True)
        return BAD_USAGE
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last floor
        return explain(error)
    return done if isinstance(done, int) else DONE


def main() -> None:
    """Run the command line."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
