"""The one event that says that a release stands, whoever says it: the publisher, or the Hub by its webhook."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, UUID, uuid5

from pipeline.publishing.staging import Published
from pipeline.records import DatasetVersion
from pipeline.release import write_text

if TYPE_CHECKING:
    from prefect.events import Event

RELEASED = "pixelbytes.dataset.released"
_EVENTS = uuid5(NAMESPACE_URL, RELEASED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseEvent:
    """The event RELEASED of one release. Whoever tells of the same release tells it under the same id."""

    id: UUID
    resource: dict[str, str]  # what the event is about; the trigger in prefect.yaml matches its prefect.resource.id
    payload: dict[str, str]  # exactly the parameters that training starts from


def released_payload(version: DatasetVersion, store: Path | str) -> dict[str, str]:
    """Return what the event carries: exactly the parameters that training starts from."""
    return {"repo_id": version.repo_id, "tag": version.tag, "digest": version.digest, "store": str(store)}


def release_event(version: DatasetVersion, store: Path | str) -> ReleaseEvent:
    """Return the event of a version that stands in `store`: a folder of releases, or `hub:org/name`.

    Its id is made of the version's name, tag and revision and of the store, so that Prefect's server keeps it once,
    however often it is told. The same rows in two folders are two releases: training must find each.

    >>> version = DatasetVersion(repo_id="org/name", tag="v1.0.0", revision="c0ffee", digest="d")
    >>> release_event(version, "hub:org/name").id == release_event(version, "hub:org/name").id
    True
    """
    known_by = "\n".join((version.repo_id, version.tag, version.revision, str(store)))
    resource = {
        "prefect.resource.id": f"pixelbytes.dataset.{version.repo_id}",
        "prefect.resource.name": version.ref,
        "pixelbytes.revision": version.revision,
    }
    return ReleaseEvent(id=uuid5(_EVENTS, known_by), resource=resource, payload=released_payload(version, store))


def announce(version: DatasetVersion, store: Path | str) -> None:
    """Tell everybody who waits for a release that this one stands; for flows. Raises as `give_server`."""
    event = release_event(version, store)
    give_server(said_now(RELEASED, event.id, event.resource, event.payload))


def said_now(name: str, known_by: UUID, resource: dict[str, str], payload: Mapping[str, object]) -> "Event":
    """Return an event of ours as Prefect's server takes it, which happens now."""
    from prefect.events import Event, Resource
    from prefect.types import DateTime

    return Event(
        event=name, resource=Resource(resource), payload=dict(payload), id=known_by, occurred=DateTime.now("UTC")
    )


def give_server(event: "Event") -> None:
    """Give an event to Prefect's server and come back once it has it; nothing when it has kept it before.

    For a flow, which may itself run in a loop: nothing here does. Prefect's own `emit_event` only queues, and loses
    what no server takes. Raises what Prefect's client raises when the server does not answer, or not well.
    """
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        if not client.request("POST", "/events/filter", json=_asked(event.id)).json()["events"]:
            client.request("POST", "/events", json=[event.model_dump(mode="json")])


def was_told(tell: Callable[[], None], what: str) -> bool:
    """Tell of something, and whether that arrived; a server that fails is a line in the log, and fails no run.

    TimeoutError alone goes on: it is how Prefect ends a run at the run's own limit.
    """
    from flows.artifacts import run_log

    try:
        tell()
    except TimeoutError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a server answers; what it says may hold a token
        run_log().warning(
            "Prefect's server was not told of %s (%s): run the same again once it answers.", what, type(error).__name__
        )
        return False
    return True


async def tell_server(event: ReleaseEvent) -> None:
    """Give the event to Prefect's server and come back once it has it; nothing when it has kept it before.

    Asked first, because the server itself knows an event again for five minutes only, and would start the training
    twice. Raises what Prefect's client raises (httpx.HTTPError) when the server does not answer, or not well.
    """
    from prefect.client.orchestration import get_client

    async with get_client() as client:
        if (await client.request("POST", "/events/filter", json=_asked(event.id))).json()["events"]:
            return
        said = said_now(RELEASED, event.id, event.resource, event.payload)
        await client.request("POST", "/events", json=[said.model_dump(mode="json")])


def _asked(known_by: UUID) -> dict[str, object]:
    """Return the question whether a server keeps an event."""
    return {"filter": {"id": {"id": [str(known_by)]}}, "limit": 1}


@dataclass(frozen=True, slots=True)
class Promise:
    """To tell of a release once it stands, kept across a kill: who publishes the same again tells what we could not.

    A note in `folder` names what is being published where, from before it stands until it was told.
    """

    folder: Path
    store: str  # as the event will name it
    version: DatasetVersion  # of the build: its name and digest

    @property
    def _note(self) -> Path:
        owed = f"{self.store} {self.version.repo_id} {self.version.digest}"
        return self.folder / f"{uuid5(_EVENTS, owed)}.txt"

    def give(self) -> bool:
        """Write the note; tell whether one stood there for this content, so that a run before may not have told."""
        owed = self._note.is_file()
        write_text(self._note, f"{self.version.ref} in {self.store}\n")
        return owed

    def keep(self, published: Published, *, owed: bool) -> None:
        """Tell of a version that is new, or that a run made which could not tell of it; the note stays until then."""
        version = published.version
        due = published.new or (owed and version.digest == self.version.digest)
        if due and not was_told(lambda: announce(version, self.store), version.ref):
            return
        self._note.unlink(missing_ok=True)
