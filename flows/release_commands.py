"""Commands that move releases: publish, releases, pull, rollback."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from flows.app import Data, Json, ReleaseName, Store, app, root_for_flows
from flows.dataset_commands import Public, Rights, audience_of
from flows.settings import data_root

DryRun = Annotated[bool, Parameter(negative="", help="say what would be published, and publish nothing")]
Bare = Annotated[
    bool, Parameter(name="--without-withheld", negative="", help="leave out what the source does not let go out")
]
Gated = Annotated[Literal["auto", "manual"] | None, Parameter(help="on the Hub, readers ask for access first")]
Propose = Annotated[
    bool, Parameter(name="--pr", negative="", help="open a pull request on the Hub; once merged, publish again to tag")
]
Dataset = Annotated[str, Parameter(help="hub:org/name, org/name in the data root, or STORE_FOLDER/org/name")]
Version = Annotated[str, Parameter(help="the version whose content comes back, such as v1.0.0")]
Why = Annotated[str, Parameter(name="--because", help="what was wrong with the versions since; stands in the release")]
PullTo = Annotated[
    Path | None, Parameter(name="--to", help="folder of releases; by default releases/ in the data root")
]


@app.command
def publish(  # noqa: PLR0913 - a command's options
    release: ReleaseName,
    *,
    to: Store = None,
    public: Public = None,
    rights: Rights = "",
    bare: Bare = False,
    gated: Gated = None,
    propose: Propose = False,
    dry_run: DryRun = False,
    data: Data = None,
    json: Json = False,
) -> int:
    """Publish a checked build, or a finished run's model, under the version that its changes call for.

    Nothing is published when nothing changed.

    On the Hub a release is one commit, read back and verified before it gets its tag. What fails in between leaves the
    last release as it was: run the same command again, and it goes on. The token comes from HF_TOKEN or `hf auth
    login`, and HF_ENDPOINT names another Hub (`pixelbytes hub serve` brings one for this machine).

    What its source withholds goes out privately, unless you state the right to publish it, or leave it out.

    Example: pixelbytes publish data/builds/pixelbytes/sample --to /srv/releases

    Example: pixelbytes publish data/builds/pixelbytes/sample --to hub:me/sample --dry-run

    Example: pixelbytes publish data/runs/RUN --to hub:me/sample-lstm
    """
    from flows import release_verbs as verbs

    how = verbs.PublishOptions(
        to=to, audience=audience_of(public, rights), bare=bare, gated=gated, propose=propose, dry_run=dry_run
    )
    if (Path(release) / "checkpoints").is_dir():  # a run
        from flows.model_publishing import publish_run

        return publish_run(data_root(data), Path(release), how, as_json=json)
    return verbs.publish(root_for_flows(data), release, how, as_json=json)


@app.command
def releases(dataset: Dataset, *, data: Data = None, json: Json = False) -> int:
    """List the versions of a dataset: when they were made, their records, what they changed, which were yanked.

    Example: pixelbytes releases hub:me/sample
    """
    from flows import release_verbs as verbs

    return verbs.releases(data_root(data), dataset, as_json=json)


@app.command
def pull(release: ReleaseName, *, to: PullTo = None, data: Data = None, json: Json = False) -> int:
    """Download a release into a folder of releases, every digest checked, to be used where there is no network.

    Example: pixelbytes pull hub:me/sample@v1.0.0
    """
    from flows import release_verbs as verbs

    return verbs.pull(data_root(data), release, to, as_json=json)


@app.command
def rollback(dataset: Dataset, version: Version, *, because: Why, data: Data = None, json: Json = False) -> int:
    """Make a new version of an old one's content; the versions since are marked as yanked, and stay where they are.

    Example: pixelbytes rollback hub:me/sample v1.0.0 --because "half of the texts were cut"
    """
    from flows import release_verbs as verbs

    return verbs.rollback(root_for_flows(data), dataset, version, because, as_json=json)
