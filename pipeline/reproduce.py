"""An old release, built again from the raw store by its own manifest, and compared with it byte for byte."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

from palettes.palette import load_palette
from pipeline.borders import cut_of
from pipeline.build import Progress, build
from pipeline.cards.card import write_card
from pipeline.crawl.collect import source_of
from pipeline.crawl.raw import RawStore
from pipeline.crawl.source_files import source_from_table
from pipeline.crawl.sources import Source
from pipeline.documents import sealed
from pipeline.drafts import require_replaceable, swap
from pipeline.engines import Pool, alone
from pipeline.locks import only_one
from pipeline.publishing.folder_store import LATEST
from pipeline.recipe import TRANSFORM_VERSION, BuildConfig
from pipeline.release import MANIFEST, UNRELEASED, Manifest, Release, code_version, made_with
from pipeline.shards import ShardFile
from pipeline.verify import file_faults
from pipeline.withhold import without

_NEEDED = frozenset({"list", "description", "miniature"})  # kinds of bodies that a build reads
#: What checking and publishing added to what was built; only the day itself knows it.
_OF_THE_DAY = ("version", "previous", "crawl_sha256", "created_at", "gates", "diff", "withheld", "visibility", "rights",
               "yanked", "made_with")  # fmt: skip
_COMPARED_APART = frozenset({*_OF_THE_DAY, "configs", "transform", "documents", "seal"})


class CannotReproduce(ValueError):  # noqa: N818 - it reads as what it is
    """A release that cannot be built again here: other code made it, or what it was made of is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A release of the past: its manifest, and what lies beside it."""

    manifest: Manifest
    written: bytes  # manifest.json as it stands
    folder: Path  # where it lies; the palette is taken from there when the one it names is gone
    older: str = ""  # the changelog as it was before this release

    @property
    def whole(self) -> bool:
        """Tell whether files of the release lie beside its manifest, so that the copy is compared with them too."""
        names = (*self.manifest.files, *(item.file for item in self.manifest.documents))
        return any((self.folder / name).exists() for name in names)

    @classmethod
    def open(cls, place: Path, releases: Path | None = None) -> "Past":
        """Read a published release's folder, or its manifest.json alone; `releases` may hold the version before it.

        ValueError when it is none, or was never published; PermissionError when it is somebody's own.
        """
        folder = place if place.name != MANIFEST else place.parent
        manifest = Release.open(folder).manifest
        if manifest.version == UNRELEASED:
            raise ValueError(f"{folder} was never published, so there is nothing to reproduce: build it again.")
        before = [folder, folder.parent / manifest.previous]
        before += [releases / manifest.name / manifest.previous] if releases else []
        written = (folder / MANIFEST).read_bytes()
        return cls(manifest=manifest, written=written, folder=folder, older=_older(before, manifest.previous))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduced:
    """A release that was built again, and where it is another than it was."""

    release: Release
    faults: tuple[str, ...]
    files: int  # that the release had, its manifest included
    whole: bool  # whether its files themselves were compared; if not, what its manifest says of them


def reproduce(
    past: Past,
    store: RawStore,
    out: Path,
    *,
    today: Source | None = None,
    pool: Pool = alone,
    progress: Progress = lambda _done, _all: None,
) -> Reproduced:
    """Build `past` again at `out` from `store`, by the rules and the config of that day, and compare every file.

    What only the day itself knows (version, gates, times, who may see it) is taken from the manifest; all else is made
    anew. Where files of the release lie beside its manifest, they are compared as well. `today` is the source as it is
    now, if there is one: a crawl that keeps no rules is read by it, and what it withholds keeps the copy its owner's
    alone. Where rows are others, the copy stays an unpublished build to look at. Only an unpublished build or an older
    copy of this release may stand at `out`; it goes at the end. CannotReproduce says what lacks; raises as `build`.
    """
    manifest = past.manifest
    require_same_code(manifest)
    config = _config(past)
    require_bodies(manifest, store)
    require_place(out, past)
    lies = tuple(file_faults(Release(folder=past.folder, manifest=manifest))) if past.whole else ()
    place = out.with_name(f".{out.name}.reproducing")
    with only_one(out.parent, f"reproducing {out.name} in", f".{out.name}.lock"):
        place.mkdir(mode=0o700, exist_ok=True)  # until it is known for whom it is
        for left in ("copy", "bare"):  # of a run that was killed
            shutil.rmtree(place / left, ignore_errors=True)
        for rules in _rules(manifest, store, today):
            built = build(
                rules, store, place / "copy", name=manifest.name, config=config, crawl=manifest.crawl, pool=pool,
                cut=cut_of(manifest.transform["parameters"]), progress=progress,
            )  # fmt: skip
            built = without(built, manifest.without, place / "bare") if manifest.without else built
            said = tuple(_said_faults(manifest, built.manifest))
            faults = (*said, *_shard_faults(manifest, built.manifest))
            if not faults:
                break
        if not said and _differs_by_arrow_alone(manifest, built.manifest):
            built = _stamped(past, built)
            faults += tuple(_document_faults(past, built))
        done = _moved(built, out, private=_is_private(manifest, today))
        shutil.rmtree(place)
    files = len(manifest.files) + len(manifest.documents) + 1
    return Reproduced(release=done, faults=(*lies, *faults), files=files, whole=past.whole)


def require_place(out: Path, past: Past) -> None:
    """Refuse to put a copy where more stands than an unpublished build or an older copy; ValueError says where.

    A release that stands among others, or is the one to be reproduced, is no copy of itself.
    """
    stands = out.resolve() == past.folder.resolve() or (out.parent / LATEST).is_symlink()
    if (out / MANIFEST).is_file() and not out.is_symlink() and not stands:
        there = Release.open(out).manifest
        if (there.name, there.version) == (past.manifest.name, past.manifest.version):
            return
    require_replaceable(out)


def _is_private(manifest: Manifest, today: Source | None) -> bool:
    """Say whether a copy is its owner's alone: as the release was, or because more is withheld today."""
    return manifest.visibility == "private" or bool(today and set(today.withheld) - set(manifest.withheld))


def _moved(built: Release, out: Path, *, private: bool) -> Release:
    """Let a finished copy stand at its place, where at most an older one or a build stood."""
    if private:
        built.folder.chmod(0o700)
    return Release.open(swap(built.folder, out))


def require_same_code(manifest: Manifest) -> None:
    """Refuse a release that another transform or another version of this code made; CannotReproduce says which."""
    made, transform, here = manifest.code_version, manifest.transform["version"], code_version()
    if (made, transform) == (here, TRANSFORM_VERSION):
        return
    install = f"install that version (pip install 'pixelbytes=={made}')" if made != here else "check out its code"
    raise CannotReproduce(
        f"{manifest.name}@{manifest.version} was made by PixelBytes {made}, transform {transform}; this is {here}, "
        f"transform {TRANSFORM_VERSION}: {install} and run this again."
    )


def require_bodies(manifest: Manifest, store: RawStore) -> None:
    """Refuse when the raw store lacks the crawl of a release, or a body that it names; CannotReproduce says which."""
    if manifest.crawl not in store.crawl_names():
        known = ", ".join(store.crawl_names()) or "none"
        raise CannotReproduce(
            f"{store.root} lacks the crawl {manifest.crawl} that {manifest.name}@{manifest.version} was built from (it "
            f"has {known}): restore crawls/{manifest.crawl}.jsonl and its bodies from a copy."
        )
    gone: dict[tuple[str, str], str] = {}
    for line in store.lines(manifest.crawl):
        if line.kind in _NEEDED:
            gone.pop((line.kind, line.url), None)  # the last line counts
            if line.sha256 and not store.has(line.sha256):
                gone[line.kind, line.url] = line.sha256
    if gone:
        (kind, url), sha256 = next(iter(gone.items()))
        raise CannotReproduce(
            f"{store.root} lacks {len(gone)} of the bodies of crawl {manifest.crawl}, such as {sha256} ({kind} {url}): "
            f"restore {store.blob_path(sha256)} from a copy."
        )


def _older(folders: list[Path], previous: str) -> str:
    """Return a changelog from its section on `previous` on, out of the first folder that has one."""
    head = re.compile(rf"^## \[?{re.escape(previous)}(?![\w.])", re.MULTILINE)
    for path in (folder / "CHANGELOG.md" for folder in folders if previous):
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        if found := head.search(text):
            return text[found.start() :]
    return ""


def _config(past: Past) -> BuildConfig:
    """Return how a release was built; its palette is the one of that day, wherever it lies today."""
    manifest = past.manifest
    try:
        config = manifest.config()
    except (TypeError, KeyError) as error:
        raise CannotReproduce(f"the parameters in {past.folder / MANIFEST} are damaged: {error}.") from error
    kept = past.folder / "palettes" / f"{manifest.palette['name']}.gpl"
    for palette in (config.palette, str(kept)):
        try:
            if load_palette(palette).digest == manifest.palette["digest"]:
                return replace(config, palette=palette)
        except ValueError:
            continue  # it is gone, or something else lies there now
    raise CannotReproduce(
        f"{kept} is not there as it was on that day, and no palette called {config.palette!r} is: restore the file."
    )


def _rules(manifest: Manifest, store: RawStore, today: Source | None) -> list[Source]:
    """Return the rules that a release was built by; where it does not say, those of its crawl, then those of today.

    A build from the newest crawl goes by the source file as it is then, which may be younger than the crawl.
    """
    if kept := manifest.transform["parameters"].get("rules"):
        return [source_from_table(json.loads(store.get(kept)), where=f"the rules of {manifest.version}")]
    try:
        found = [source_of(store.crawl(manifest.crawl), store)]
    except ValueError:
        if today is None:
            raise
        return [today]  # an old crawl keeps none; the comparison tells whether these are they
    return found + ([today] if today is not None and today != found[0] else [])


def _said_faults(old: Manifest, new: Manifest) -> Iterator[str]:
    """Say where what was built says of itself else than a manifest says of what was built that day."""
    for what in (field.name for field in fields(Manifest) if field.name not in _COMPARED_APART):
        was, now = getattr(old, what), getattr(new, what)
        if was != now:
            yield f"{what} was {was}, but is {now}"
    was, now = (one.transform["parameters"] for one in (old, new))
    yield from (
        f"parameter {key} was {was.get(key)}, but is {now.get(key)}"
        for key in sorted({*was, *now})
        if was.get(key) != now.get(key)
    )


def _shard_faults(old: Manifest, new: Manifest) -> Iterator[str]:
    """Say which shards are not as a manifest says that they were that day."""
    before, after = old.files, new.files
    for file in sorted({*before, *after}):
        if file not in before or file not in after:
            yield f"{file} {'was there, but is not made' if file in before else 'was not there, but is made'}"
        elif before[file] != after[file]:
            yield f"{file}: {_why(before[file], after[file], old, same=old.digest == new.digest)}"


def _why(was: ShardFile, now: ShardFile, old: Manifest, *, same: bool) -> str:
    """Say how a shard differs; `same` when the records of the whole release say and show the same."""
    if (was.rows, was.content_digest) == (now.rows, now.content_digest):
        arrow = _others(old, "pyarrow")
        return f"same rows, other bytes: {arrow}" if arrow else "same rows, but other bytes than the manifest says"
    told = f"other rows: {was.rows} with digest {was.content_digest}, now {now.rows} with {now.content_digest}"
    pillow = _others(old, "pillow") if same and was.rows == now.rows and was.file.startswith("records/") else ""
    return f"{told}; it may be the pictures' bytes alone: {pillow}" if pillow else told


def _others(old: Manifest, *libraries: str) -> str:
    """Say which of these libraries are known to be others than on that day; nothing where they are the same."""
    here = made_with()
    names = [name for name in libraries if name in old.made_with and old.made_with[name] != here.get(name)]
    return ", ".join(f"{name} {old.made_with[name]} wrote them, here it is {here.get(name, 'none')}" for name in names)


def _differs_by_arrow_alone(old: Manifest, new: Manifest) -> bool:
    """Tell whether the shards hold the same rows, in other bytes at most because Arrow is another than on that day."""
    before, after = old.files, new.files
    rows = [{file: (one.rows, one.content_digest) for file, one in files.items()} for files in (before, after)]
    return rows[0] == rows[1] and (before == after or bool(_others(old, "pyarrow")))


def _stamped(past: Past, built: Release) -> Release:
    """Let a build say what its release said on the day: its manifest, then the documents that follow from it."""
    day = {name: getattr(past.manifest, name) for name in _OF_THE_DAY}
    stamped = built.with_manifest(**day)
    write_card(stamped, past.older)
    return sealed(stamped)


def _document_faults(past: Past, done: Release) -> Iterator[str]:
    """Say which documents are not those of that day; the manifest only when nothing else explains it."""
    was, now = ({item.file: item for item in one.documents} for one in (past.manifest, done.manifest))
    faults = [f"{file} was there, but is not made" for file in sorted(was.keys() - now.keys())]
    faults += [f"{file} was not there, but is made" for file in sorted(now.keys() - was.keys())]
    for file in sorted(was.keys() & now.keys()):
        if was[file] != now[file]:
            drawn = _others(past.manifest, "matplotlib", "pillow") if file.endswith(".png") else ""
            faults.append(f"{file} has other bytes than it had" + (f": {drawn}" if drawn else ""))
    if not faults and past.manifest.files == done.manifest.files:
        altered = (done.folder / MANIFEST).read_bytes() != past.written
        faults += [f"{MANIFEST} has other bytes than it had: somebody wrote to it since"] if altered else []
    yield from faults
