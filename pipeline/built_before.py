"""What stands where a build goes, and from what it was made: the same is not built again.

A note beside the build names a digest over all that shapes its rows. It is believed as long as what it speaks of stands
there: the same manifest, and every shard with its bytes, which are read much faster than they are built. (Prefect's
cache of results is no place for it: it unpickles what it finds when the file itself says so, and takes a result for
good without a look at the folder, which somebody may have emptied.)
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from pipeline.crawl.ledger import source_line
from pipeline.crawl.raw import RawStore
from pipeline.crawl.sources import Source
from pipeline.drafts import require_replaceable
from pipeline.own_code import code_digest
from pipeline.recipe import TRANSFORM_VERSION, BuildConfig
from pipeline.records import Resource
from pipeline.release import Release, code_version, made_with, write_text
from pipeline.shards import file_sha256

FORMAT = 1  # of the note; raise it when it says something else
MAX_NOTE = 1_000  # bytes
_READ = ("list", "description", "miniature")  # what is crawled for; robots.txt and change keys come anew each time


def asked_of(source: Source, store: RawStore, *, name: str, config: BuildConfig, crawl: str | None) -> str:
    """Return the digest of all that shapes a build: pages, rules, recipe, palette, code, libraries and name.

    Of the newest crawl its pages count, not its name: two crawls between which nothing changed are one input, and the
    build keeps the name of the crawl that it was made from, which still lies in the raw store and gives these rows.
    Whoever names a crawl gets a build that names it, too. ValueError when there is no such crawl.
    """
    chosen = crawl or next(reversed(store.crawl_names()), None)
    if chosen is None:
        raise ValueError(f"{store.root} holds no finished crawl: crawl {source.name} first.")
    said = {
        "pages": pages_digest(store, chosen),
        "crawl": crawl or "",
        "rules": source_line(store, source).sha256,
        "config": asdict(config),
        "vocabulary": config.vocabulary().digest,
        "transform": TRANSFORM_VERSION,
        "code": [code_version(), code_digest()],
        "libraries": made_with(),
        "name": name,
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def pages_digest(store: RawStore, crawl: str) -> str:
    """Return a digest of what a crawl has of each page: equal for two crawls between which nothing changed.

    A page that is carried over keeps its line, and its time. One without a body is asked for each time, and only that
    it has none enters a build. Lists count in the order in which they came, all else in that of its address.
    """
    last: dict[tuple[str, str], bytes] = {}
    for line in store.lines(crawl):
        if line.kind in _READ:
            last[line.kind, line.url] = hashlib.sha256(_said(line)).digest()
    lists = [key for key in last if key[0] == "list"]
    rest = sorted(key for key in last if key[0] != "list")
    return hashlib.sha256(b"".join(last[key] for key in (*lists, *rest))).hexdigest()


def _said(line: Resource) -> bytes:
    said = line if line.sha256 else replace(line, time="", etag="", last_modified="")
    return json.dumps(asdict(said), sort_keys=True).encode()


def built_before(out: Path, asked: str) -> Release | None:
    """Return the release at `out` when it was built from what is asked for and stands as it was; None otherwise."""
    note = _note(out)
    try:
        if not note.is_file() or note.stat().st_size > MAX_NOTE or out.is_symlink():
            return None
        told = json.loads(note.read_text(encoding="utf-8"))
        require_replaceable(out)
        release = Release.open(out)
        if told != {"format": FORMAT, "asked": asked, "built": _standing(release)}:
            return None
    except (OSError, ValueError, RecursionError):
        return None  # nothing that can be read: it is built, and noted, anew
    return release if all(_there(release)) else None


def remember(release: Release, asked: str) -> None:
    """Note beside a build from what it was made."""
    told = {"format": FORMAT, "asked": asked, "built": _standing(release)}
    write_text(_note(release.folder), json.dumps(told, sort_keys=True) + "\n")


def _note(out: Path) -> Path:
    return out.with_name(f".{out.name}.built.json")


def _standing(release: Release) -> str:
    """Return the digest of a manifest as the build left it: the answers of gates come after."""
    return hashlib.sha256(replace(release.manifest, gates=(), seal="").to_json().encode()).hexdigest()


def _there(release: Release) -> Iterator[bool]:
    palette = release.folder / "palettes" / f"{release.manifest.palette['name']}.gpl"
    yield palette.is_file()
    for name, shard in release.manifest.files.items():
        path = release.folder / name
        whole = path.is_file() and not path.is_symlink() and path.stat().st_size == shard.bytes
        yield whole and file_sha256(path) == shard.sha256
