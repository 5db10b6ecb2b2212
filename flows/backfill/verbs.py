"""What `pixelbytes backfill` does: go through versions, show how far it is, end with a table."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from rich.table import Table
from rich.text import Text

from flows.backfill.journal import (
    FOLDER,
    Choice,
    Entry,
    Journal,
    Unit,
    chosen,
    crawl_units,
    left_of,
    release_units,
    require_newest,
    require_not_older,
    work_through,
)
from flows.backfill.work import Shelf, TrainHow, publish_crawl, rebuild_one, train_one
from flows.console import err, out
from flows.crawl_verbs import known_source
from flows.errors import DONE, FAILED, UsageError, given_by_user
from flows.lineage.text import plain
from flows.lineage.verbs import print_whole
from flows.settings import DataRoot
from pipeline.crawl.raw import RawStore
from pipeline.publishing.audience import GateError
from pipeline.publishing.folder_store import require_name
from pipeline.publishing.references import destination


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How a backfill goes."""

    dry_run: bool = False
    stop: bool = False
    again: bool = False
    as_json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """A backfill that is about to go: what it is called, its pieces, and what is done to each."""

    title: str
    units: Sequence[Unit]
    journal: Journal
    work: Callable[[Unit], str]
    flows: bool = False  # whether Prefect's engine is needed


def rebuild(root: DataRoot, given: str, choice: Choice, workers: int, how: How) -> int:
    """Build versions again from the raw store, each compared byte for byte."""
    with given_by_user():
        shelf = Shelf.named(given, root)
        releases = chosen(shelf.history(), choice)
    return _run(
        Backfill(
            title=f"rebuild {given}",
            units=release_units(releases),
            journal=Journal(root.root / FOLDER, {"what": "rebuild", "name": given}),
            work=lambda unit: rebuild_one(shelf, unit.name, workers),
        ),
        how,
    )


def train(root: DataRoot, given: str, choice: Choice, training: TrainHow, how: How) -> int:
    """Train on versions, oldest first, and let the better models reign."""
    from flows.champion.asked import asked

    with given_by_user():
        asked(training.presets, training.seed, None, training.models, 0.0, training.processes)
        shelf = Shelf.named(given, root)
        releases = chosen(shelf.history(), choice)
    by_version = {one.manifest.version: one for one in releases}
    what = {"what": "train", "name": given, **asdict(training)}
    return _run(
        Backfill(
            title=f"train on {given}",
            units=release_units(releases),
            journal=Journal(root.root / FOLDER, what),
            work=lambda unit: train_one(shelf, by_version[unit.name], training),
            flows=True,
        ),
        how,
    )


def crawls(root: DataRoot, source: str, name: str | None, to: str | None, how: How) -> int:
    """Publish the versions that the crawls of the past would have made, in order, where there is none yet."""
    known = known_source(source)
    store = RawStore(root.raw(known.name))
    with given_by_user():
        place = destination(to, root.places)
        repo = place.name or require_name(name or f"pixelbytes/{known.name}")
        units = crawl_units(store)
    if not units:
        raise UsageError(f"{known.name} was never crawled into {store.root}: crawl it first.")
    journal = Journal(root.root / FOLDER, {"what": "crawls", "source": source, "name": repo, "to": to})
    if not journal.begun and (there := place.store.versions(repo)):
        raise UsageError(
            f"{repo} in {place.address} has versions already ({', '.join(there)}): crawls of the past would come after "
            "them; name a dataset or a store that has none, with --name or --to."
        )

    def publish(unit: Unit) -> str:
        require_newest(unit, units, journal.entries())
        require_not_older(unit.name, place.store.last(repo))  # and again in the flow, while nobody else can rebuild it
        return publish_crawl(root, source, repo, to, unit.name)

    return _run(
        Backfill(
            title=f"crawls of {known.name} to {repo}",
            units=units,
            journal=journal,
            work=publish,
            flows=True,
        ),
        how,
    )


def _run(backfill: Backfill, how: How) -> int:
    """Do what is left, or say what that is; exit 1 when a piece failed."""
    if how.dry_run:
        entries = {} if how.again else backfill.journal.entries()
        return _say(backfill, entries, how)
    with backfill.journal.alone():
        backfill.journal.begin(anew=how.again)
        left = left_of(backfill.units, backfill.journal.entries())
        _begin(backfill, len(left))
        done = work_through(backfill.units, backfill.journal, _told_aloud(backfill.work), stop=how.stop)
        for place, entry in enumerate(done, 1):
            style = "red" if entry.state == "failed" else None
            told = f"{place} of {len(left)}: {entry.name} {plain(entry.told)}"
            err.print(told, style=style, markup=False, soft_wrap=True)
        return _say(backfill, backfill.journal.entries(), how)


def _told_aloud(work: Callable[[Unit], str]) -> Callable[[Unit], str]:
    """Return the work that shows the traceback of what nobody foresaw, as every command does."""

    def aloud(unit: Unit) -> str:
        try:
            return work(unit)
        except (ValueError, RuntimeError, OSError, GateError):
            raise
        except Exception:
            err.print_exception()
            raise

    return aloud


def _begin(backfill: Backfill, left: int) -> None:
    done = len(backfill.units) - left
    before = f", {done} done before" if done else ""
    err.print(f"{backfill.title}: {left} to do{before}", style="dim", markup=False, soft_wrap=True)
    if left and backfill.flows:
        from flows.server import start_guarded_server

        start_guarded_server()


def _say(backfill: Backfill, entries: dict[Unit, Entry], how: How) -> int:
    """Say what became of each piece, and how many are left."""
    found = [(unit, entries.get(unit)) for unit in backfill.units]
    failed = [unit for unit, entry in found if entry is not None and entry.state == "failed"]
    left = [unit for unit, entry in found if entry is None]
    if how.as_json:
        pieces = [
            {"name": unit.name, "digest": unit.digest, "state": entry.state if entry else "left", "told": _told(entry)}
            for unit, entry in found
        ]
        what = {"backfill": backfill.title, "journal": str(backfill.journal.path), "dry_run": how.dry_run}
        out.print_json(json.dumps({**what, "pieces": pieces}))
    else:
        print_whole(_table(backfill.title, found))
        told = f"{len(found) - len(left) - len(failed)} done, {len(failed)} failed, {len(left)} left"
        told += "; this was a dry run: nothing was done" if how.dry_run else ""
        told += "; the same command tries again what failed" if failed and not how.dry_run else ""
        out.print(told, markup=False, soft_wrap=True)
    return FAILED if (failed or left) and not how.dry_run else DONE


def _table(title: str, found: Sequence[tuple[Unit, Entry | None]]) -> Table:
    table = Table("piece", "digest", "state", "", title=Text(title), title_justify="left", title_style="bold")
    for column in table.columns:
        column.overflow = "fold"
    for unit, entry in found:
        state = entry.state if entry else "left"
        style = {"failed": "red", "left": "dim"}.get(state, "")
        table.add_row(*(Text(plain(text)) for text in (unit.name, unit.digest[:12], state, _told(entry))), style=style)
    return table


def _told(entry: Entry | None) -> str:
    return entry.told if entry else ""
