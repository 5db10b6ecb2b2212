"""What happens after the Hub has its answer: each new tag becomes one event, though told twice or broken off."""

import asyncio
import json
import logging
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from flows.releasing import ReleaseEvent, release_event
from flows.webhook.service import NewTag
from pipeline.publishing.references import HUB
from pipeline.records import DatasetVersion
from pipeline.release import DamagedRelease
from pipeline.shards import sync_folder

MOST_REMEMBERED = 10_000  # tags that were announced; of those forgotten, Prefect's server still knows the event
MOST_WAITING = 256  # tags that were accepted and are not announced yet
AT_ONCE = 4  # tags that are worked on at the same time
DELAYS = (5.0, 30.0, 120.0, 600.0, 3600.0, 21600.0)  # seconds before another try, when the Hub or Prefect is silent
LONGEST_LINE = 300  # characters of a reason in the log
log = logging.getLogger("pixelbytes.webhook")

# repo and revision -> what the manifest there says it is, under the commit found there. DamagedRelease when it holds
# no release of ours; whatever else is raised is tried again.
ReadVersion = Callable[[str, str], DatasetVersion]
Tell = Callable[[ReleaseEvent], Awaitable[None]]  # returns once the event is in good hands
Accepted = Literal["taken", "known", "full"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Which tags were announced, and which still wait, as small files in a folder of one process alone.

    A file appears whole or not at all and is never written again; the oldest ones go when there are too many.
    """

    folder: Path
    most: int = MOST_REMEMBERED

    def __post_init__(self) -> None:
        """Make the folders, and sweep what a crash left half written."""
        for folder in (self._told, self._waits):
            folder.mkdir(parents=True, exist_ok=True)
            for draft in folder.glob(".*.part"):
                draft.unlink()

    @property
    def _told(self) -> Path:
        return self.folder / "announced"

    @property
    def _waits(self) -> Path:
        return self.folder / "waiting"

    def knows(self, tag: NewTag) -> bool:
        """Tell whether this tag was announced."""
        return (self._told / f"{tag.key}.json").exists()

    def note(self, tag: NewTag) -> None:
        """Keep a tag that was accepted, so that it is announced even if we are killed before."""
        _create(self._waits / f"{tag.key}.json", json.dumps(asdict(tag)))

    def keep(self, tag: NewTag, event: ReleaseEvent) -> None:
        """Remember that a tag was announced, by which event; it waits no longer."""
        _create(self._told / f"{tag.key}.json", json.dumps({**asdict(tag), "event": str(event.id)}))
        self.drop(tag)
        told = sorted(self._told.glob("[0-9a-f]*.json"), key=lambda path: path.stat().st_mtime_ns)
        for path in told[: -self.most]:
            path.unlink()

    def drop(self, tag: NewTag) -> None:
        """Let a tag wait no longer."""
        (self._waits / f"{tag.key}.json").unlink(missing_ok=True)

    def waiting(self) -> Iterator[NewTag]:
        """Yield the tags that were accepted and never announced; what is no such note is swept."""
        for path in sorted(self._waits.glob("[0-9a-f]*.json")):
            try:
                tag = NewTag(**json.loads(path.read_text(encoding="utf-8")))
            except (TypeError, ValueError):
                log.warning("%s is no note of a tag: removed", path.name)
                path.unlink()
                continue
            yield tag


def _create(path: Path, text: str) -> None:
    """Write a file that is whole on the disk when it appears; one that is there already stays as it is."""
    draft = path.with_name(f".{path.name}.part")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    with suppress(FileExistsError):
        os.link(draft, path)  # fails where something is, unlike a rename
    draft.unlink()
    sync_folder(path.parent)


@dataclass(slots=True, kw_only=True)
class Deliveries:
    """The tags that are on their way from the Hub to Prefect; all of it runs on the app's one event loop."""

    memory: Memory
    read: ReadVersion
    tell: Tell
    delays: tuple[float, ...] = DELAYS
    running: dict[str, "asyncio.Task[None]"] = field(default_factory=dict)
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    def accept(self, tag: NewTag) -> Accepted:
        """Take a tag in, and work on it later; the same tag twice is one. Full also means that the disk is."""
        if self.memory.knows(tag):
            return "known"
        if tag.key in self.running:
            return "taken"
        if len(self.running) >= MOST_WAITING:
            return "full"
        try:
            self.memory.note(tag)
        except OSError as error:
            log.error("%s cannot be noted (%s)", tag.ref, _kind(error))  # noqa: TRY400 - a line, no traceback
            return "full"
        self._start(tag)
        return "taken"

    def resume(self) -> None:
        """Go on with what was accepted before we were ended."""
        for tag in self.memory.waiting():
            if tag.key not in self.running:
                self._start(tag)

    async def settled(self) -> None:
        """Wait until nothing is on its way."""
        while self.running:
            await asyncio.gather(*self.running.values())

    async def stop(self) -> None:
        """End what is on its way; it waits on the disk."""
        tasks = list(self.running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, tag: NewTag) -> None:
        task = asyncio.get_running_loop().create_task(self._announce(tag))
        self.running[tag.key] = task
        task.add_done_callback(lambda _: self.running.pop(tag.key, None))

    async def _announce(self, tag: NewTag) -> None:
        """Announce a tag, trying again after each delay, at last giving up in the log; a replay starts anew."""
        for delay in (*self.delays, None):
            try:
                async with self.turns:
                    await self._announce_once(tag)
            except DamagedRelease as error:
                log.warning("%s is not announced: %s", tag.ref, _line(str(error)))
                self.memory.drop(tag)
                return
            except Exception as error:  # noqa: BLE001 - the last floor of a task; what it says may hold a token
                if delay is None:
                    log.error("%s is not announced (%s): deliver it again.", tag.ref, _kind(error))  # noqa: TRY400
                    self.memory.drop(tag)
                    return
                log.warning("%s is not announced yet (%s): again in %.0f s", tag.ref, _kind(error), delay)
                await asyncio.sleep(delay)
            else:
                return

    async def _announce_once(self, tag: NewTag) -> None:
        version = await asyncio.to_thread(self.read, tag.repo_id, tag.revision)
        if (version.repo_id, version.tag) != (tag.repo_id, tag.tag):
            raise DamagedRelease(f"its manifest says that it is {version.ref}.")
        event = release_event(version, f"{HUB}{tag.repo_id}")
        await self.tell(event)
        self.memory.keep(tag, event)
        log.info("announced %s (%s)", tag.ref, tag.revision)


def _line(text: str) -> str:
    """Return a reason that may quote a manifest as one short line that no terminal obeys."""
    return "".join(sign if sign.isprintable() else " " for sign in text)[:LONGEST_LINE]


def _kind(error: BaseException) -> str:
    """Name an error without its words, which may quote an address with a token in it."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return type(error).__name__ + (f", HTTP {status}" if isinstance(status, int) else "")
