"""What `publish RUN` does: a finished run becomes a version of a model repo on the Hub, with its lineage."""

from dataclasses import asdict
from pathlib import Path

from flows.console import say
from flows.errors import DONE, UsageError, given_by_user
from flows.model_verbs import release_of
from flows.release_verbs import PublishOptions
from flows.settings import DataRoot
from model.model_card import LINEAGE, export_model, open_export, read_lineage
from pipeline.publishing.audience import visibility
from pipeline.publishing.model_repo import ModelFolder, publish_model
from pipeline.publishing.references import HUB


def publish_run(root: DataRoot, run: Path, how: PublishOptions, *, as_json: bool) -> int:
    """Publish the best checkpoint of a finished run; nothing when the newest version says the same."""
    if how.to is None or not how.to.startswith(HUB):
        raise UsageError("a model goes to the Hub: add --to hub:org/name (`pixelbytes hub serve` brings a Hub).")
    if how.bare or how.gated or how.propose:
        raise UsageError("--without-withheld, --gated and --pr are for datasets: leave them out.")
    repo_id = how.to.removeprefix(HUB)
    release = release_of(run, root)
    withheld = release.manifest.restricted
    seen_by = visibility(withheld, how.audience)
    if release.manifest.visibility == "private" and how.audience.public is None:
        seen_by = "private"
    target = root.root / "exports" / repo_id

    def export(previous: Path | None) -> ModelFolder:
        last = read_lineage(previous) if previous else None
        with given_by_user():
            made = export_model(run, target, repo_id, release, last, how.audience.rights.strip())
        return ModelFolder(folder=made.folder, version=made.version, new=made.new)

    if how.dry_run:
        made = export(None)
        text = f"{repo_id} would get {made.folder} ({seen_by}); this was a dry run: nothing was published"
        say({"folder": made.folder, "visibility": seen_by}, text, as_json=as_json)
        return DONE
    done = publish_model(repo_id, export, open_export, lineage=LINEAGE, private=seen_by == "private")
    told = f"published {repo_id}@{done.version} ({seen_by}) at commit {done.revision}"
    if not done.new:
        told = f"nothing changed since {repo_id}@{done.version}: no new version"
    say(asdict(done), told, as_json=as_json)
    return DONE
