"""A crawl that is killed, anywhere, or whose disk is full: the next run goes on, and little is asked twice."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.crawl.progress import Progress
from pipeline.crawl.raw import RawStore
from pipeline.crawl.run import CrawlError, crawl
from pipeline.crawl.source_files import wiki_source
from pipeline.sample.wiki import Served
from tests.wikis import asked, bodies

SOURCE = wiki_source("sample")

pytestmark = pytest.mark.slow


def test_a_crawl_killed_after_every_single_answer_ends_in_the_same_resources(served: Served, store: RawStore) -> None:
    whole = crawl(SOURCE, RawStore(store.root.parent / "other"), proxy=served.url)
    asked(served)
    served.wiki.crawl_delay = 0.15  # time enough to hit between two requests
    kills = 0
    for answers in range(1, 40):
        with KilledAfter(served, answers=1 + answers % 6) as killer:
            try:
                done = crawl(SOURCE, store, proxy=served.url)
                break
            except CrawlError:
                kills += killer.hit
    assert kills > 5
    assert bodies(done) == bodies(whole)
    assert [line.error for line in done.resources if line.error] == []
    times = Counter(note.path for note in served.wiki.asked if "robots.txt" not in note.path)
    assert sum(times.values()) - len(times) <= kills, "each kill costs at most the request under way"


class KilledAfter:
    """Kills the crawler's process once the site has given so many answers, or not at all if it ends before."""

    def __init__(self, served: Served, answers: int) -> None:
        self.served, self.until = served, len(served.wiki.asked) + answers
        self.hit = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "KilledAfter":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.is_set():
            if len(self.served.wiki.asked) >= self.until:
                for child in _children():
                    os.kill(child, signal.SIGKILL)
                    self.hit = 1
                return
            time.sleep(0.002)


def test_a_crawl_killed_in_the_middle_is_continued_to_the_same_resources(served: Served, store: RawStore) -> None:
    served.wiki.crawl_delay = 0.1

    def kill(progress: Progress) -> None:
        if progress.done >= 4:
            os.kill(_children()[0], signal.SIGKILL)

    with pytest.raises(CrawlError, match="run it again"):
        crawl(SOURCE, store, proxy=served.url, progress=kill)
    assert store.latest_crawl() is None
    part = next((store.root / "crawls").glob("*.part"))
    part.write_bytes(part.read_bytes() + b'{"torn')
    before = set(asked(served)) - {"/robots.txt", "/w/api.php"}
    served.wiki.crawl_delay = 0
    resumed = crawl(SOURCE, store, proxy=served.url)
    assert resumed.report is not None
    assert resumed.report.resumed >= 3
    again = before & set(asked(served))
    assert len(again) <= 1  # the one that was under way
    whole = crawl(SOURCE, RawStore(store.root.parent / "other"), proxy=served.url)
    assert [r.error for r in resumed.resources if r.error] == []
    assert bodies(resumed) == bodies(whole)


def _children() -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
            command = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[1]) == os.getpid() and b"pipeline.crawl.run" in command:
            found.append(int(status.parent.name))
    return found


def test_the_child_ends_with_its_parent_even_when_that_is_killed(served: Served, store: RawStore) -> None:
    served.wiki.crawl_delay = 2  # the whole crawl would take half a minute
    code = (
        "import sys; from pathlib import Path\n"
        "from pipeline.crawl.run import crawl; from pipeline.crawl.raw import RawStore\n"
        "from pipeline.crawl.source_files import wiki_source\n"
        "crawl(wiki_source('sample'), RawStore(Path(sys.argv[1])), proxy=sys.argv[2])"
    )
    root = Path(__file__).parent.parent.parent
    parent = subprocess.Popen([sys.executable, "-c", code, str(store.root), served.url], cwd=root)
    _wait_until(lambda: len(served.wiki.asked) > 1)
    parent.kill()
    parent.wait()
    lock = store.root / "lock"
    _wait_until(lambda: not _held(lock))
    served.wiki.crawl_delay = 0
    assert crawl(SOURCE, store, proxy=served.url).report is not None


def _held(lock: Path) -> bool:
    with lock.open("r") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not done():
        assert time.monotonic() < deadline, "waited 10 s in vain"
        time.sleep(0.05)


def test_a_full_disk_stops_the_asking_and_the_next_run_continues(served: Served, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("a small file system can only be mounted by root")
    try:
        store = RawStore(disk / "raw")
        filler = disk / "filler"
        filler.write_bytes(bytes(256 * 1024 - 56 * 1024))
        with pytest.raises(CrawlError, match=r"cannot be written.*No space left"):
            crawl(SOURCE, store, proxy=served.url)
        kept = sum(1 for path in (store.root / "blobs").rglob("*") if path.is_file())
        assert 0 < kept < 12
        assert len(asked(served)) <= kept + 6  # robots.txt and change keys are not all kept, and one was under way
        filler.unlink()
        done = crawl(SOURCE, store, proxy=served.url)
        assert done.report is not None
        assert done.report.resumed > 0
        assert len(bodies(done)) == 13
        assert all(bodies(done).values())
        assert not list((store.root / "blobs").rglob(".part-*"))
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
