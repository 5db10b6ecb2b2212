"""Commands that look at the whole system: lineage, status, backfill."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from flows.app import Data, Json, SourceName, Store, Workers, app, root_for_flows
from flows.settings import data_root

Thing = Annotated[
    str,
    Parameter(
        help="a checkpoint, run, exported model, release (any REF), manifest.json, build, crawl, source, "
        "hub:org/model@v1.0.0 or champion:org/name"
    ),
]
Graph = Annotated[Path | None, Parameter(help="draw it too: a file that ends in .svg, or in .mmd for Mermaid")]
Plots = Annotated[Path | None, Parameter(help="write a page of plots of every version, which holds all it shows")]
OneRepo = Annotated[str | None, Parameter(help="only this dataset: org/name")]
Repo = Annotated[str, Parameter(help="org/name in the data root, or hub:org/name")]
Version = Annotated[str, Parameter(help="only these versions; by default all that were not yanked")]
Since = Annotated[str | None, Parameter(name="--from", help="the first version of a range")]
Until = Annotated[str | None, Parameter(help="the last version of a range")]
DryRun = Annotated[bool, Parameter(negative="", help="say what is done and what is left; do nothing")]
Stop = Annotated[bool, Parameter(negative="", help="end at the first failure; else the others are still done")]
Again = Annotated[bool, Parameter(negative="", help="begin anew: forget what the journal says is done")]
Presets = Annotated[
    tuple[str, ...], Parameter(negative="", consume_multiple=True, help="the recipes that challenge the champion")
]
Seed = Annotated[int, Parameter(help="of the networks' first weights and the order of records")]
Models = Annotated[str | None, Parameter(help="hub:org/model, where champions are published; by default only here")]
NewName = Annotated[str | None, Parameter(help="name of the dataset; by default pixelbytes/SOURCE")]

backfill = App(name="backfill", help="Build or train a list of versions again; interrupted, it goes on.")
app.command(backfill)


@app.command
def lineage(thing: Thing, *, graph: Graph = None, data: Data = None, json: Json = False) -> int:
    """Show where something comes from, back to the site, and what was made of it; exit 1 when a link is broken.

    Example: pixelbytes lineage pixelbytes/sample@v1.0.0 --graph lineage.svg
    """
    from flows.lineage import verbs as lineage_verbs

    return lineage_verbs.lineage(data_root(data), thing, graph, as_json=json)


@app.command
def status(repo: OneRepo = None, *, plots: Plots = None, data: Data = None, json: Json = False) -> int:
    """Show what the system did last and does now: crawls, releases, runs, champions, disk; exit 1 for what is damaged.

    Example: pixelbytes status

    Example: pixelbytes status pixelbytes/sample --plots metrics.html
    """
    from flows.status import verbs as status_verbs

    return status_verbs.status(data_root(data), repo, plots, as_json=json)


@backfill.command
def rebuild(  # noqa: PLR0913 - a command's options
    name: Repo,
    *versions: Version,
    first: Since = None,
    until: Until = None,
    workers: Workers = 1,
    dry_run: DryRun = False,
    stop: Stop = False,
    again: Again = False,
    data: Data = None,
    json: Json = False,
) -> int:
    """Build old versions again from the raw store, and compare each byte for byte; exit 1 when one differs.

    Example: pixelbytes backfill rebuild pixelbytes/sample --from v1.0.0 --until v1.2.0
    """
    from flows.backfill import verbs
    from flows.backfill.journal import Choice

    choice = Choice(versions=versions, first=first, last=until)
    how = verbs.How(dry_run=dry_run, stop=stop, again=again, as_json=json)
    return verbs.rebuild(data_root(data), name, choice, workers, how)


@backfill.command
def train(  # noqa: PLR0913 - a command's options
    name: Repo,
    *versions: Version,
    first: Since = None,
    until: Until = None,
    presets: Presets = ("small",),
    seed: Seed = 0,
    models: Models = None,
    dry_run: DryRun = False,
    stop: Stop = False,
    again: Again = False,
    data: Data = None,
    json: Json = False,
) -> int:
    """Train on old versions, oldest first; on each, the better model reigns from then on, as after a release.

    Example: pixelbytes backfill train pixelbytes/sample --presets tiny
    """
    root = root_for_flows(data)
    from flows.backfill import verbs
    from flows.backfill.journal import Choice
    from flows.backfill.work import TrainHow

    choice = Choice(versions=versions, first=first, last=until)
    how = verbs.How(dry_run=dry_run, stop=stop, again=again, as_json=json)
    return verbs.train(root, name, choice, TrainHow(presets=presets, seed=seed, models=models), how)


@backfill.command
def crawls(  # noqa: PLR0913 - a command's options
    source: SourceName,
    *,
    name: NewName = None,
    to: Store = None,
    dry_run: DryRun = False,
    stop: Stop = False,
    data: Data = None,
    json: Json = False,
) -> int:
    """Publish the versions that the crawls of the past would have made, in order, where there is no version yet.

    No site is asked: the raw store holds every crawl, each is read by the rules of its day.

    Example: pixelbytes backfill crawls sample --name pixelbytes/history
    """
    root = root_for_flows(data)
    from flows.backfill import verbs

    how = verbs.How(dry_run=dry_run, stop=stop, as_json=json)
    return verbs.crawls(root, source, name, to, how)
