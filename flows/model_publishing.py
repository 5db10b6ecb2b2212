"""How a finished run becomes a version of a model repo on the Hub, with its lineage: by hand, or as a champion."""

from dataclasses import asdict, dataclass
from pathlib import Path

from flows.console import say
from flows.errors import DONE, UsageError, given_by_user
from flows.model_verbs import release_of
from flows.release_verbs import PublishOptions
from flows.settings import DataRoot
from model.lineage import Lineage
from model.model_card import LINEAGE, ModelExport, add_decision, export_model, open_export, read_lineage
from pipeline.publishing.audience import AS_THE_SOURCE_ALLOWS, Audience, visibility
from pipeline.publishing.model_repo import ModelFolder, PublishedModel, publish_model
from pipeline.publishing.references import HUB
from pipeline.publishing.staging import version_key
from pipeline.release import Release, Visibility


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDraft:
    """A model repo's next version: which run it is made of, under which name, and where its folder is made."""

    run: Path
    release: Release  # that the run was trained on
    repo_id: str
    folder: Path
    audience: Audience = AS_THE_SOURCE_ALLOWS
    decision: str = ""  # what made it the champion, as its own file
    last: Lineage | None = None  # of the newest version known here: versions go on from it, or from the Hub's

    @property
    def seen_by(self) -> Visibility:
        """Who may see it: as the release's source allows, and nobody who may not see the release.

        GateError when everybody is asked for and no right is stated.
        """
        manifest = self.release.manifest
        seen = visibility(manifest.restricted, self.audience)
        return "private" if manifest.visibility == "private" and self.audience.public is None else seen

    def made(self, previous: Lineage | None) -> ModelExport:
        """Make the folder, as the version that follows `previous`, or `last` where that is newer."""
        before = max(
            (one for one in (previous, self.last) if one), key=lambda one: version_key(one.version), default=None
        )
        rights = self.audience.rights.strip()
        export = export_model(self.run, self.folder, self.repo_id, self.release, before, rights)
        return add_decision(export, self.decision) if self.decision else export


def publish_draft(draft: ModelDraft) -> PublishedModel:
    """Publish a draft to its repo on the Hub; nothing when the newest version says the same.

    GateError when it would be seen by others than may see it, HubError when the Hub fails, ValueError for a run that
    is not finished.
    """

    def export(previous: Path | None) -> ModelFolder:
        made = draft.made(read_lineage(previous) if previous else None)
        return ModelFolder(folder=made.folder, version=made.version, new=made.new)

    return publish_model(draft.repo_id, export, open_export, lineage=LINEAGE, private=draft.seen_by == "private")


def publish_run(root: DataRoot, run: Path, how: PublishOptions, *, as_json: bool) -> int:
    """Publish the best checkpoint of a finished run; nothing when the newest version says the same."""
    if how.to is None or not how.to.startswith(HUB):
        raise UsageError("a model goes to the Hub: add --to hub:org/name (`pixelbytes hub serve` brings a Hub).")
    if how.bare or how.gated or how.propose:
        raise UsageError("--without-withheld, --gated and --pr are for datasets: leave them out.")
    repo_id = how.to.removeprefix(HUB)
    release = release_of(run, root)
    folder = root.root / "exports" / repo_id
    draft = ModelDraft(run=run, release=release, repo_id=repo_id, folder=folder, audience=how.audience)
    if how.dry_run:
        seen_by = draft.seen_by
        with given_by_user():
            made = draft.made(None)
        text = f"{repo_id} would get {made.folder} ({seen_by}); this was a dry run: nothing was published"
        say({"folder": made.folder, "visibility": seen_by}, text, as_json=as_json)
        return DONE
    with given_by_user():
        done = publish_draft(draft)
    told = f"published {repo_id}@{done.version} ({draft.seen_by}) at commit {done.revision}"
    if not done.new:
        told = f"nothing changed since {repo_id}@{done.version}: no new version"
    say(asdict(done), told, as_json=as_json)
    return DONE
