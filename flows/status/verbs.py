"""What `pixelbytes status` does: say what the system did last and does now, and draw what became of it over time."""

from dataclasses import replace
from pathlib import Path

from flows.console import err, say
from flows.errors import DONE, FAILED, given_by_user
from flows.lineage.archive import Archive
from flows.lineage.verbs import print_whole
from flows.settings import DataRoot
from flows.status.look import crawls, disk, reigns, repos
from flows.status.report import Status
from flows.status.tables import tables
from flows.status.work import locked_work, only, served_work, trainings
from pipeline.publishing.folder_store import require_name
from pipeline.release import write_text


def status(root: DataRoot, repo: str | None, plots: Path | None, *, as_json: bool) -> int:
    """Tell everything; exit 1 when something is damaged."""
    if repo is not None:
        with given_by_user():
            require_name(repo)
    archive = Archive(root)
    found = look(root, archive, repo)
    told = found.to_json()
    if plots is not None:
        from flows.status.metrics import metrics_of
        from flows.status.page import metrics_page

        history = metrics_of(archive, repo)
        told["metrics"] = [one.to_json() for one in history]
        write_text(plots, metrics_page(history, str(root.root)))
        err.print(f"the plots: {plots}", style="dim", markup=False, soft_wrap=True)
    if as_json:
        if plots is None:
            from flows.status.metrics import metrics_of

            told["metrics"] = [one.to_json() for one in metrics_of(archive, repo)]
        say(told, "", as_json=True)
    else:
        print_whole(tables(found))
    return FAILED if found.damaged else DONE


def look(root: DataRoot, archive: Archive, repo: str | None = None) -> Status:
    """Return the status of a data root, or what of it is about one dataset."""
    damaged: list[str] = []
    served, server = served_work(root)
    training, finished = trainings(archive)
    work = [*served, *locked_work(root), *training]
    found = Status(
        data=str(root.root),
        crawls=crawls(archive, damaged),
        repos=repos(archive),
        work=only(work, repo),
        server=server,
        finished_runs=finished,
        reigns=reigns(archive, damaged),
        disk=disk(root),
    )
    found = replace(found, damaged=tuple(dict.fromkeys([*archive.damaged, *damaged])))
    if repo is None:
        return found
    sources = {one.manifest.source for one in (*archive.releases, *archive.builds) if one.manifest.name == repo}
    return replace(
        found,
        crawls=tuple(one for one in found.crawls if one.source in sources),
        repos=tuple(one for one in found.repos if one.repo == repo),
        reigns=tuple(one for one in found.reigns if one.repo == repo),
    )
