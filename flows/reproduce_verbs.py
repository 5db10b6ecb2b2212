"""What `rebuild --from` does: build an old release again from the raw store, and say whether it is the same."""

from pathlib import Path

from flows.console import counting, err, say
from flows.engines import EngineOptions, pool_of
from flows.errors import DONE, FAILED, UsageError, given_by_user
from flows.settings import DataRoot
from pipeline.crawl.raw import RawStore
from pipeline.crawl.source_files import known_sources, load_source
from pipeline.publishing.folder_store import LATEST
from pipeline.publishing.references import resolve
from pipeline.release import MANIFEST
from pipeline.reproduce import Past, Reproduced, reproduce

SHOWN = 20  # differences named to a person


def rebuild_from(root: DataRoot, reference: str, out: Path | None, engine: EngineOptions, *, as_json: bool) -> int:
    """Reproduce the release that `reference` names, a manifest.json, a folder or org/name@version; publish nothing.

    The copy lies at `out`, by default beside the builds. Exit 1 when it differs, with every difference.
    """
    past = _past(reference, root)
    manifest = past.manifest
    target = out or root.built(f"{manifest.name}-reproduced") / manifest.version
    _require_outside(target, root)
    store = RawStore(root.raw(manifest.source))
    today = load_source(manifest.source) if manifest.source in known_sources() else None
    pool = pool_of(engine, root.root, target.parent)
    title = f"reproducing {manifest.name}@{manifest.version}"
    with counting(title, "steps") as progress:
        done = reproduce(past, store, target, today=today, pool=pool, progress=progress)
    told = f"{manifest.name}@{manifest.version} from crawl {manifest.crawl} at {done.release.folder}: "
    if done.faults:
        told += f"{len(done.faults)} difference{'s' if len(done.faults) > 1 else ''}\n" + "\n".join(
            f"  {fault}" for fault in done.faults[:SHOWN]
        )
        told += f"\n  and {len(done.faults) - SHOWN} more (--json names all)" if len(done.faults) > SHOWN else ""
    else:
        same = "byte for byte the same" if done.whole else "the same as its manifest says; no file of it lies there"
        told += f"{same} ({done.files} files)"
    result: dict[str, object] = {"release": f"{manifest.name}@{manifest.version}", "folder": str(done.release.folder)}
    result |= {"same": not done.faults, "files": done.files, "compared": _compared(done), "faults": list(done.faults)}
    say(result, told, as_json=as_json)
    return FAILED if done.faults else DONE


def _past(reference: str, root: DataRoot) -> Past:
    """Return the release of the past that a reference names, and say on stderr what it resolved to."""
    with given_by_user():
        is_file = Path(reference).name == MANIFEST and Path(reference).is_file()
        place = Path(reference) if is_file else resolve(reference, root.places).folder
        past = Past.open(place, root.releases)
    name = f"{past.manifest.name}@{past.manifest.version}"
    if reference != name:
        told = f"{reference} is {name}, digest {past.manifest.digest[:12]}"
        err.print(told, style="dim", markup=False, soft_wrap=True)
    return past


def _compared(done: Reproduced) -> str:
    """Say what the copy was held against, for programs: the release's own files, or what its manifest says of them."""
    return "files" if done.whole else "manifest"


def _require_outside(target: Path, root: DataRoot) -> None:
    """Refuse to put a copy among releases: there it would count as published."""
    place = target.resolve()
    if place.is_relative_to(root.releases.resolve()) or (place.parent / LATEST).is_symlink():
        raise UsageError(f"{target} lies among published releases, where nothing is put by hand: name another folder.")


def require_one(source: str | None, past: str | None) -> str:
    """Return what `rebuild --from` was given; UsageError when a source was named too, or neither."""
    if source and past:
        raise UsageError(f"--from reproduces {past} as it was, and asks nothing of {source}: leave one of them out.")
    if not past:
        raise UsageError("rebuild needs a SOURCE, or --from with a release of the past.")
    return past


def refuse_others(given: dict[str, object]) -> None:
    """Refuse options that mean nothing with `rebuild --from`, by their name on the command line and their value.

    None, False, an empty text and an empty list count as not given. UsageError names all that were.
    """
    named = [
        name for name, value in given.items() if value is not None and value is not False and value not in ("", ())
    ]
    if named:
        raise UsageError(
            f"--from reproduces a release as it was, so {', '.join(named)} would change nothing: leave "
            f"{'it' if len(named) == 1 else 'them'} out (--out, --engine, --workers, --address, --data, --json remain)."
        )
