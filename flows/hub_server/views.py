"""What the Hub tells about repositories, commits and files, in the shapes its clients expect."""

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

import yaml

from flows.hub_server.cards import front_matter
from flows.hub_server.errors import HubError, entry_not_found
from flows.hub_server.objects import Commit, FileEntry, Tree, digest_of, tree_bytes
from flows.hub_server.repo import HEADS, PULLS, TAGS, Repo
from flows.hub_server.store import Store

Json = dict[str, object]
LOOKED_BACK = 1000  # commits at most, when asked which one changed a file last


def repo_info(store: Store, repo: Repo, commit: str, *, blobs: bool = False) -> Json:
    """Return what is told of a repository at a commit; with `blobs`, the size and digests of each file too."""
    settings, tree = repo.settings, repo.tree(commit)
    card = _card(store, tree)
    told: Json = {
        "_id": digest_of(f"{repo.kind} {repo.name} {settings.created}".encode())[:24],
        "id": repo.name,
        "author": repo.name.split("/")[0],
        "sha": commit,
        "lastModified": repo.commit(commit).date,
        "createdAt": settings.created,
        "private": settings.private,
        "gated": settings.gated or False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": _tags(card),
        "siblings": [_sibling(entry, blobs=blobs) for entry in tree.values()],
        "usedStorage": sum({entry.sha256: entry.size for entry in tree.values()}.values()),
    }
    if card:
        told["cardData"] = card
    if repo.kind == "model":
        told |= {
            "modelId": repo.name,
            "library_name": card.get("library_name"),
            "pipeline_tag": card.get("pipeline_tag"),
        }
        told |= {"model-index": card.get("model-index")}
    return told


def expanded(told: Json, names: Sequence[str]) -> Json:
    """Return of what is told only the fields asked for, and the name, as `expand=` wants it."""
    return {name: told[name] for name in ("_id", "id", *names) if name in told} if names else told


def refs_of(repo: Repo, *, pulls: bool) -> Json:
    """Return branches and tags, and the refs of pull requests when asked for."""
    refs = repo.refs()

    def listed(prefix: str) -> list[Json]:
        found = ((full, commit) for full, commit in refs.items() if full.startswith(prefix))
        return [{"name": f.removeprefix(prefix), "ref": f, "targetCommit": commit} for f, commit in found]

    told: Json = {"branches": listed(HEADS), "converts": [], "tags": listed(TAGS)}
    if pulls:
        told["pullRequests"] = [{**row, "name": row["ref"]} for row in listed(PULLS)]
    return told


def commit_row(commit: Commit, *, formatted: bool) -> Json:
    """Return what is told of a commit in a list of commits."""
    row: Json = {
        "id": commit.oid,
        "title": commit.title,
        "message": commit.message,
        "authors": [{"user": commit.author}],
        "date": commit.date,
    }
    return {**row, "formatted": {"title": commit.title, "message": commit.message}} if formatted else row


def listing(tree: Tree, folder: str, *, recursive: bool) -> list[Json]:
    """Return the files and folders in a folder ("" for the root), with `recursive` those of its folders too."""
    inside = _inside(tree, folder)
    if folder and not inside:
        raise entry_not_found(f"{folder} does not exist")
    rows: dict[str, Json] = {}
    for path, entry in inside.items():
        for above in _folders_between(folder, path):
            if above not in rows and (recursive or posixpath.dirname(above) == folder):
                rows[above] = folder_row(tree, above)
        if recursive or posixpath.dirname(path) == folder:
            rows[path] = file_row(entry)
    return [rows[path] for path in sorted(rows)]


def paths_info(tree: Tree, paths: Iterable[str]) -> list[Json]:
    """Return what is told of each path that is there, files and folders; the others are left out."""
    folders = {folder for path in tree for folder in _folders_between("", path)}
    rows = []
    for path in (given.strip("/") for given in paths):
        if path in tree:
            rows.append(file_row(tree[path]))
        elif path in folders:
            rows.append(folder_row(tree, path))
    return rows


def with_last_commits(repo: Repo, commit: str, rows: list[Json]) -> list[Json]:
    """Return the rows, each with the commit that changed it last."""
    waiting = {str(row["path"]): row for row in rows}
    oids = {path: row["oid"] for path, row in waiting.items()}
    done: dict[str, Json] = {}
    for newer, older in _pairs(repo, commit):
        tree = repo.tree(older.oid) if older else {}
        before = {str(row["path"]): row["oid"] for row in paths_info(tree, list(waiting))}
        for path in [path for path in waiting if before.get(path) != oids[path]]:
            told = {"id": newer.oid, "title": newer.title, "date": newer.date}
            done[path] = {**waiting.pop(path), "lastCommit": told}
        if not waiting:
            break
    return [done.get(str(row["path"]), row) for row in rows]


def file_row(entry: FileEntry) -> Json:
    """Return what is told of a file in a tree."""
    row: Json = {"type": "file", "oid": entry.oid, "size": entry.size, "path": entry.path}
    if entry.lfs:
        row["lfs"] = {"oid": entry.sha256, "size": entry.size, "pointerSize": entry.pointer_size}
    return row


def folder_row(tree: Tree, folder: str) -> Json:
    """Return what is told of a folder in a tree."""
    return {
        "type": "directory",
        "oid": digest_of(tree_bytes(_inside(tree, folder).values())),
        "size": 0,
        "path": folder,
    }


def _inside(tree: Tree, folder: str) -> Mapping[str, FileEntry]:
    return {path: entry for path, entry in tree.items() if path.startswith(f"{folder}/")} if folder else tree


def _folders_between(folder: str, path: str) -> Iterator[str]:
    """Yield the folders above a path that lie in a folder."""
    above = posixpath.dirname(path)
    while above != folder:
        yield above
        above = posixpath.dirname(above)


def _pairs(repo: Repo, commit: str) -> Iterator[tuple[Commit, Commit | None]]:
    """Yield each commit with the one before it, newest first; the first commit has none."""
    commits = list(islice(repo.history(commit), LOOKED_BACK))
    yield from zip(commits, [*commits[1:], None], strict=True)


def _sibling(entry: FileEntry, *, blobs: bool) -> Json:
    told: Json = {"rfilename": entry.path}
    if blobs:
        told |= {"size": entry.size, "blobId": entry.oid}
        if entry.lfs:
            told["lfs"] = {"sha256": entry.sha256, "size": entry.size, "pointerSize": entry.pointer_size}
    return told


def _card(store: Store, tree: Tree) -> Json:
    """Return the metadata of the card; empty when there is none, or none that can be read."""
    entry = tree.get("README.md")
    if entry is None or entry.lfs:
        return {}
    try:
        return front_matter(store.blob(entry.sha256).read_text(encoding="utf-8", errors="replace")) or {}
    except (HubError, yaml.YAMLError):
        return {}


def _tags(card: Json) -> list[str]:
    tags = card.get("tags")
    found = [str(tag) for tag in tags] if isinstance(tags, list) else []
    return [*found, f"license:{card['license']}"] if isinstance(card.get("license"), str) else found
