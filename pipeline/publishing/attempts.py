"""Publishing where others publish at the same moment: what was planned on what stood is planned anew when it moved."""

import time
from collections.abc import Callable
from typing import TypeVar

from pipeline.publishing.faults import HubError, Moved
from pipeline.publishing.hub_repo import HubRepo
from pipeline.publishing.remote import Standing

WAITS = (0.0, 1.0, 2.0, 4.0, 8.0)  # seconds before each attempt
Done = TypeVar("Done")


def attempted(repo: HubRepo, attempt: Callable[[Standing | None], Done]) -> Done:
    """Return what an attempt on the repo as it stands came to, made anew whenever somebody else was faster (Moved).

    HubError when that happened every time.
    """
    why = ""
    for wait in WAITS:
        time.sleep(wait)
        standing = repo.standing()
        try:
            return attempt(standing)
        except Moved as moved:
            why = str(moved)
    raise HubError(
        f"{repo.name} was changed by others {len(WAITS)} times ({why}), so nothing was published: let them finish, "
        "then run the same command again.",
        transient=True,
    )
