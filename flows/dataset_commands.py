"""Commands that make datasets and look at them: crawl, survey, build, check, compare, rebuild."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from flows.app import (
    Address,
    Allow,
    Because,
    Contact,
    Data,
    Engine,
    Json,
    Offline,
    ReleaseName,
    SourceName,
    Store,
    Workers,
    app,
    engine_of,
    root_for_flows,
)
from flows.errors import UsageError, given_by_user
from flows.recipe_options import AS_THE_SOURCE_SAYS, RecipeOptions
from flows.settings import data_root

if TYPE_CHECKING:
    from pipeline.publishing.audience import Audience

Limit = Annotated[int | None, Parameter(help="crawl only so many rows of the list: for a first look")]
DryRun = Annotated[bool, Parameter(negative="", help="say what would be fetched and how long it takes; keep nothing")]
Named = Annotated[str | None, Parameter(name="--crawl", help="a crawl of the past, by its time; needs --offline")]
Past = Annotated[str | None, Parameter(name="--crawl", help="a crawl of the past, by its time; else the newest")]
Out = Annotated[Path | None, Parameter(help="where to build; by default builds/ORG/NAME in the data root")]
Against = Annotated[str | None, Parameter(help="an older release, for the gates about lost records and drift")]
Page = Annotated[Path | None, Parameter(help="write a page of before and after, which holds all it shows")]
DroppedOnes = Annotated[bool, Parameter(negative="", help="what did not become a record, and why")]
DatasetName = Annotated[str | None, Parameter(help="name of the dataset; by default pixelbytes/SOURCE")]
RecordId = Annotated[str | None, Parameter(help="id of a record; by default the first")]
OptionalSource = Annotated[str | None, Parameter(help="a name, a .toml file or a folder; left out with --from")]
From = Annotated[
    str | None, Parameter(name="--from", help="a release to build again: its manifest.json, its folder or its name")
]
Copy = Annotated[Path | None, Parameter(help="where the copy of --from goes; by default beside the builds")]
Public = Annotated[
    bool | None,
    Parameter(negative="--private", help="who may see the release; by default whom the source's licences allow"),
]
Rights = Annotated[
    str, Parameter(help="the right by which what the source withholds is published; stands in the release")
]


@app.command
def crawl(
    source: SourceName,
    *,
    limit: Limit = None,
    dry_run: DryRun = False,
    contact: Contact = None,
    data: Data = None,
    json: Json = False,
) -> int:
    """Bring the raw store of a source up to date: a wiki, or a folder of pictures with a records.jsonl.

    SOURCE is a name (sample, pokepedia, mediawiki-local), a .toml file, or a folder. Only what changed is fetched; a
    crawl that was killed goes on where it stopped, for a day. robots.txt is obeyed, its Crawl-delay kept, one request
    at a time for each host; a wall against robots ends the asking. A public site must know whom to write to:
    --contact. Afterwards the yields are held against what the source file asserts: exit 3 when they fall short.

    Example: pixelbytes crawl sample --limit 20

    Example: pixelbytes crawl pokepedia --dry-run --contact me@example.org
    """
    from flows import crawl_verbs

    verb = crawl_verbs.dry_run if dry_run else crawl_verbs.crawl
    return verb(data_root(data), source, limit, contact, as_json=json)


@app.command
def survey(source: SourceName, *, crawl: Past = None, data: Data = None, json: Json = False) -> int:
    """Show what a finished crawl yielded, stage by stage, and every page that fell short; exit 3 when too many did.

    Example: pixelbytes survey sample
    """
    from flows import crawl_verbs

    return crawl_verbs.survey(data_root(data), source, crawl, as_json=json)


@app.command
def build(  # noqa: PLR0913 - a command's options
    source: SourceName,
    *,
    out: Out = None,
    recipe: RecipeOptions = AS_THE_SOURCE_SAYS,
    engine: Engine = "processes",
    workers: Workers = 1,
    address: Address = None,
    offline: Offline = False,
    crawl: Named = None,
    contact: Contact = None,
    data: Data = None,
    json: Json = False,
) -> int:
    """Build a release folder from a source's raw store; crawl first unless --offline.

    A build that was interrupted goes on from its finished shards. With --crawl, from a crawl of the past, read by the
    rules of that day: so can any release be built again. --engine dask or ray builds the same bytes on a cluster, whose
    workers must see the same data root: one of --workers processes here, or the one at --address.

    Example: pixelbytes build sample --windows 3 --windows 5 --workers 2 --offline

    Example: pixelbytes build ./photos --palette pico-8 --resample area --dither floyd-steinberg

    Example: pixelbytes build sample --offline --crawl 20261121T040000Z

    Example: pixelbytes build sample --offline --engine dask --address tcp://10.0.0.1:8786
    """
    from flows import verbs

    where = engine_of(engine, workers, address)
    root = root_for_flows(data) if where.on_cluster else data_root(data)
    how = verbs.BuildOptions(out=out, recipe=recipe, engine=where, offline=offline, crawl=crawl, contact=contact)
    return verbs.build(root, source, how, as_json=json)


@app.command
def check(
    release: ReleaseName,
    *,
    against: Against = None,
    allow: Allow = (),
    because: Because = "",
    data: Data = None,
    json: Json = False,
) -> int:
    """Ask every gate of a release and keep the answers in its manifest; exit 3 when one says no.

    Example: pixelbytes check data/builds/pixelbytes/sample --against pixelbytes/sample@v1.0.0
    """
    from flows import verbs

    return verbs.check(data_root(data), release, against, verbs.Override(gates=allow, because=because), as_json=json)


@app.command
def verify(release: ReleaseName, *, data: Data = None, json: Json = False) -> int:
    """Recompute every digest of a release from its bytes; exit 1 when one differs.

    Example: pixelbytes verify pixelbytes/sample@v1.0.0
    """
    from flows import verbs

    return verbs.verify(data_root(data), release, as_json=json)


@app.command
def inspect(
    release: ReleaseName,
    record: RecordId = None,
    *,
    dropped: DroppedOnes = False,
    data: Data = None,
    json: Json = False,
) -> int:
    """Show a record in the terminal: its sprite, its text, its tokens and one window (the first record without an ID).

    Example: pixelbytes inspect pixelbytes/sample 0001

    Example: pixelbytes inspect pixelbytes/sample --dropped
    """
    if record is not None and (dropped or json):
        raise UsageError(f"--dropped and --json are about all that was dropped: leave out {record!r}, or both of them.")
    if dropped or json:
        from flows import quarantine

        return quarantine.dropped(data_root(data), release, as_json=json)
    from flows import verbs

    return verbs.inspect(data_root(data), release, record)


@app.command
def rebuild(  # noqa: PLR0913 - a command's options
    source: OptionalSource = None,
    *,
    from_: From = None,
    out: Copy = None,
    to: Store = None,
    name: DatasetName = None,
    recipe: RecipeOptions = AS_THE_SOURCE_SAYS,
    engine: Engine = "processes",
    workers: Workers = 1,
    address: Address = None,
    offline: Offline = False,
    crawl: Named = None,
    contact: Contact = None,
    allow: Allow = (),
    because: Because = "",
    public: Public = None,
    rights: Rights = "",
    data: Data = None,
    json: Json = False,
) -> int:
    """Crawl, build, check, compare and publish; no new version when nothing changed.

    When the crawl yields less than the source file asserts, the site has changed: the rebuild stops (exit 3) with the
    pages and what was expected, and the last release stays. With --from, a release of the past is built again from the
    raw store and compared with what it was, byte for byte; nothing is published.

    Example: pixelbytes rebuild sample

    Example: pixelbytes rebuild sample --to hub:org/name

    Example: pixelbytes rebuild --from pixelbytes/sample@v1.0.0
    """
    where = engine_of(engine, workers, address)
    if from_ or not source:
        from flows import reproduce_verbs

        given = reproduce_verbs.require_one(source, from_)
        changed = {f"--{key.replace('_', '-')}": value is not None for key, value in asdict(recipe).items()}
        wanted = {"--public or --private": public is not None, "--offline": offline, "--crawl": crawl, "--to": to}
        spoken = {"--name": name, "--contact": contact, "--allow": allow, "--because": because, "--rights": rights}
        reproduce_verbs.refuse_others({**changed, **wanted, **spoken})
        root = root_for_flows(data) if where.on_cluster else data_root(data)
        return reproduce_verbs.rebuild_from(root, given, out, where, as_json=json)
    from flows import verbs

    how = verbs.RebuildOptions(
        to=to,
        name=name,
        recipe=recipe,
        engine=where,
        offline=offline,
        crawl=crawl,
        contact=contact,
        override=verbs.Override(gates=allow, because=because),
        audience=audience_of(public, rights),
    )
    return verbs.rebuild(root_for_flows(data), source, how, as_json=json)


@app.command
def diff(old: ReleaseName, new: ReleaseName, *, page: Page = None, data: Data = None, json: Json = False) -> int:
    """Compare two releases record by record; exit 0 whether or not they differ.

    Example: pixelbytes diff pixelbytes/sample@v1.0.0 pixelbytes/sample@v1.1.0 --page changes.html
    """
    from flows import diff_verbs

    return diff_verbs.diff(data_root(data), old, new, page, as_json=json)


def audience_of(public: Public, rights: Rights) -> "Audience":
    """Return who shall see a release, as options say it."""
    from pipeline.publishing.audience import Audience

    with given_by_user():
        return Audience(public=public, rights=rights)
