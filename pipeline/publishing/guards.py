"""What is asked of a repo before anything goes there: that it is ours, and that those see it who shall."""

from collections.abc import Collection

from pipeline.publishing.audience import GateError
from pipeline.publishing.hub_repo import HubRepo
from pipeline.publishing.remote import Standing
from pipeline.publishing.staging import version_key
from pipeline.release import VERSION


def versions_of(standing: Standing) -> tuple[str, ...]:
    """Return the versions of a repo, oldest first: its tags that are versions."""
    return tuple(sorted(filter(VERSION.fullmatch, standing.tags), key=version_key))


def require_seen_as(repo: HubRepo, standing: Standing, *, private: bool) -> None:
    """Raise GateError unless those see a repo who shall see what goes there: nothing goes out wider than it says."""
    if private and not standing.private:
        raise GateError(
            f"{repo.name} is public, but this may only go out privately: publish it to a private repo, or state the "
            "right with --rights TEXT."
        )
    if not private and standing.private:
        raise GateError(
            f"{repo.name} is private, so nobody would see a public version: publish with --private, or make the repo "
            f"public at {repo.address}/settings."
        )


def refuse_foreign(repo: HubRepo, there: Collection[str]) -> None:
    """Raise GateError that names what a version would take away."""
    named = ", ".join(sorted(there)[:5])
    raise GateError(
        f"{repo.name} holds {len(there)} files that are none of ours ({named}), and a version would take their place: "
        "name a new repo, or empty this one first."
    )
