"""Release against release, record by record; the next version follows from what changed."""

from collections.abc import Collection, Mapping

from pipeline.records import SPLITS
from pipeline.release import Changes, Manifest, Release
from pipeline.schema import QUARANTINE_SPLIT

FIRST_VERSION = "v1.0.0"
NOT_LISTED = "no longer in the list"


def diff(old: Release | None, new: Release) -> Changes:
    """Return the ids that were added, changed and removed; everything is added when there was no release before.

    A record that moved to another split counts as changed.
    """
    before = _digests(old) if old else {}
    after = _digests(new)
    return Changes(
        added=tuple(sorted(after.keys() - before.keys())),
        changed=tuple(sorted(key for key in after.keys() & before.keys() if after[key] != before[key])),
        removed=tuple(sorted(before.keys() - after.keys())),
    )


def _digests(release: Release) -> Mapping[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for split in SPLITS:
        table = release.table("records", split, columns=["id", "digest"])
        ids, digests = (table.column(name).to_pylist() for name in ("id", "digest"))
        found.update({key: (split, digest) for key, digest in zip(ids, digests, strict=True)})
    return found


def removal_reasons(old: Release, new: Release) -> dict[str, str]:
    """Return why each record that left is gone, by id in order, as `new` tells it: `stage: reason`, or not listed.

    The reasons are one line each, but quote the site: escape them for whatever shows them.
    """
    return reasons_of(new, diff(old, new).removed)


def reasons_of(release: Release, ids: Collection[str]) -> dict[str, str]:
    """Return why a release lacks these ids: what its quarantine says, else that they are no longer in the list.

    Of several reasons for one id, that of the list comes last: it speaks of a second row, not of the record.
    """
    found: dict[str, str] = {}
    if ids and "quarantine" in release.manifest.configs:
        table = release.table("quarantine", QUARANTINE_SPLIT, columns=["id", "stage", "reason"])
        wanted = set(ids)
        for row in sorted(table.to_pylist(), key=lambda row: row["stage"] == "list"):
            if row["id"] in wanted:
                found.setdefault(row["id"], " ".join(f"{row['stage']}: {row['reason']}".split()))
    return {key: found.get(key, NOT_LISTED) for key in sorted(ids)}


def next_version(old: Manifest | None, new: Manifest | None, changes: Changes) -> str | None:
    """Return the version that the changes call for; None when nothing changed.

    Major: what gives ids their meaning (schema, vocabulary, palette, k, token layout). Minor: records came or went.
    Patch: texts or pictures changed.

    >>> next_version(None, None, Changes(added=("0001-a",)))
    'v1.0.0'
    """
    if old is None or new is None:
        return FIRST_VERSION
    major, minor, patch = (int(part) for part in old.version.removeprefix("v").split("."))
    if _meaning(old) != _meaning(new):
        return f"v{major + 1}.0.0"
    if changes.added or changes.removed:
        return f"v{major}.{minor + 1}.0"
    return f"v{major}.{minor}.{patch + 1}" if changes.changed else None


def _meaning(manifest: Manifest) -> tuple[object, ...]:
    """Return what a reader's code depends on."""
    configs = tuple(sorted(name for name in manifest.configs if name != "quarantine"))
    parameters = manifest.transform["parameters"]
    return manifest.vocabulary["digest"], manifest.k, configs, manifest.transform["version"], parameters["max_side"]
