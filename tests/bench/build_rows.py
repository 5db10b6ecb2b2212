"""The rows about builds: rates, processes, memory, being killed, gates and twins. Stores lie in memory where they can.

Rates of one process are of its processor's time, not the clock's, and of whole builds on one thread after a first one.
Of several runs the fastest counts, whichever way: what else the machine does only ever slows them; of builds on two
processes the median. 100,000 records are built only when the set `large` is asked for.
"""

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from pipeline.build import build
from pipeline.checks import check
from pipeline.crawl.folder import gather
from pipeline.crawl.raw import RawStore
from pipeline.release import Release
from pipeline.verify import verify
from tests.augmented import augmented, make_large_folder, make_large_store
from tests.bench import twin_rows
from tests.bench.one_build import NAME, Cost, Job, in_own_process
from tests.bench.rows import Row
from tests.bench.usual_build import build_by_loops
from tests.raw_stores import sample_source

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - only looked for; what is put there has a name of its own
RECORDS = 4096  # of a store whose rate is measured
MANY = 32_768  # of one that two processes build: the half second that a process takes to begin counts little
SMALL, MIDDLE, LARGE = 1_000, 10_000, 100_000  # of those whose memory is measured
LEAST_RATE = 3_000  # records/s that a build has to reach on one core
MOST_MEMORY = 400  # MB that a process of a build may hold
LOOPED = 3  # records that the usual way is given: it takes some tenths of a second
RUNS = 3
TURNS = 5  # of builds on one process and on two


def rows() -> Iterator[Row]:
    """Yield the rows one after the other."""
    with scratch() as folder:
        yield from rate_rows(folder)
        yield from gate_rows(folder)
        yield resume_row(folder)
        yield from memory_rows(folder, (SMALL, MIDDLE))
        yield from process_rows(folder)
    yield from twin_rows.rows()


def large_rows() -> Iterator[Row]:
    """Yield what 100,000 records take, against 1,000: some minutes."""
    with scratch() as folder:
        yield from memory_rows(folder, (SMALL, LARGE))


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a folder that goes away again: in shared memory, where there is such."""
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None) as name:
        yield Path(name)


def rate_rows(folder: Path) -> Iterator[Row]:
    """Yield how fast a wiki's pages and a folder's records become Parquet, beside the usual way, in turn."""
    few = list(augmented(LOOPED))
    make_large_store(folder / "raw", augmented(RECORDS))
    source = make_large_folder(folder / "pictures", augmented(RECORDS))
    gather(source, RawStore(folder / "gathered"))
    wiki = Job(str(folder / "raw"), str(folder / "built"), runs=RUNS)
    gathered = wiki._replace(root=str(folder / "gathered"), folder=source.folder)
    jobs = {"pages of a wiki": wiki, "records of a folder": gathered}
    looped: list[float] = []
    costs: dict[str, list[Cost]] = {what: [] for what in jobs}
    for _ in range(RUNS):
        looped.append(_cpu(lambda: build_by_loops(few)))
        for what, job in jobs.items():
            costs[what].append(_cost(job))
    for what, found in costs.items():
        each = [seconds / RECORDS for cost in found for seconds in cost.cpu[1:]]
        clock = max(RECORDS / seconds for cost in found for seconds in cost.seconds[1:])
        note = (
            f"{RECORDS:,} records, {1e6 * min(each):,.0f} µs each ({1e6 * statistics.median(each):,.0f} in the median, "
            f"{1e6 * max(each):,.0f} at most), {found[0].bytes_a_token:.3f} B a token; "
            f"by the clock {clock:,.0f}/s at a load of {os.getloadavg()[0]:.1f}"
        )
        for reference, usual, target in (
            (f"{LEAST_RATE:,} records/s", LEAST_RATE, 1.0),
            ("BeautifulSoup, k-means, loops per pixel, nested lists", LOOPED / min(looped), 300.0),
        ):
            yield Row(name=f"build, {what}", unit="records a CPU second", reference=reference, usual=usual,
                      ours=1 / min(each), target=target, note=note)  # fmt: skip


def process_rows(folder: Path) -> Iterator[Row]:
    """Yield two processes against one; and against two builds of half of it each, which is what the machine can do.

    All in turn, by the clock, in the median: a core here is now as fast as it can be, now half as fast.
    """
    beasts = list(augmented(MANY))
    many = Job(str(folder / "many"), str(folder / "built"))
    halves = [Job(str(folder / half), str(folder / f"built {half}")) for half in ("first", "last")]
    for job, some in ((many, beasts), (halves[0], beasts[: MANY // 2]), (halves[1], beasts[MANY // 2 :])):
        make_large_store(Path(job.root), some)
    one, two, apart = [], [], []
    for _ in range(TURNS):
        one += _cost(many).seconds
        two += _cost(many._replace(workers=2)).seconds
        with ThreadPoolExecutor(2) as at_once:  # each waits for a process of its own
            apart.append(max(cost.seconds[0] for cost in at_once.map(_cost, halves)))
    for job in (many, *halves):
        shutil.rmtree(job.root)
    usual, ours, most = (MANY / statistics.median(seconds) for seconds in (one, two, apart))
    turns = " ".join(f"{alone / both:.2f}" for alone, both in zip(one, two, strict=True))
    name, unit = "build, 2 processes", "records/s"
    note = (
        f"{MANY:,} records, the second process started; turn by turn {turns} ×; two builds at once of half of "
        f"them each {most / usual:.2f} ×; by the clock at a load of {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )
    yield Row(name=name, unit=unit, reference="one process", usual=usual, ours=ours, target=1.7, note=note)
    note = "what two processes can do here that share nothing and wait for nothing"
    yield Row(name=name, unit=unit, reference="two builds at once", usual=most, ours=ours, target=0.8, note=note)


def memory_rows(folder: Path, sizes: tuple[int, int]) -> Iterator[Row]:
    """Yield memory and time of a small store against those of a large one, in one process and in two."""
    for size in sizes:
        make_large_store(folder / str(size), augmented(size))
    jobs = {size: Job(str(folder / str(size)), str(folder / "built")) for size in sizes}
    for workers in (1, 2):
        few, many = (_cost(jobs[size]._replace(workers=workers)) for size in sizes)
        peaks = [max(cost.peak, cost.peak_of_workers) * 1.048576 for cost in (few, many)]  # MB
        each = [1e6 * (cost.cpu if workers == 1 else cost.seconds)[0] / cost.records for cost in (few, many)]
        name = f"build, {sizes[1]:,} records, {workers} process{'es' * (workers - 1)}"
        yield Row(name=f"{name}, memory", unit="builds in 400 MB", reference="one build in 400 MB", usual=1,
                  ours=MOST_MEMORY / peaks[1], target=1,
                  note=f"{peaks[0]:.0f} MB at {sizes[0]:,} and {peaks[1]:.0f} MB at {sizes[1]:,}")  # fmt: skip
        yield Row(name=f"{name}, linear", unit="records/s", reference=f"{sizes[0]:,} records", usual=1e6 / each[0],
                  ours=1e6 / each[1], target=0.9,
                  note=f"{each[0]:.0f} and {each[1]:.0f} µs each, start included")  # fmt: skip


def resume_row(folder: Path) -> Row:
    """A build that was killed at half of its steps and built on, both parts together, against one that was not."""
    job = Job(str(folder / "raw"), str(folder / "resumed"))
    whole = _cost(job).cpu[0]
    shutil.rmtree(folder / "resumed")
    if in_own_process(job._replace(killed_at=0.75)) is not None:
        raise RuntimeError("the build was to be killed, but came to its end.")
    rest = _cost(job).cpu[0]
    return Row(name="build, finished after a kill", unit="builds a CPU second", reference="a whole build",
               usual=1 / whole, ours=1 / rest, target=2,
               note=f"{whole:.2f} s whole; {rest:.2f} s after a kill with half of the shards done")  # fmt: skip


def gate_rows(folder: Path) -> Iterator[Row]:
    """What looking at a release takes, against building it."""
    source, store = sample_source(), RawStore(folder / "raw")

    def made() -> Release:
        return build(source, store, folder / "looked at", name=NAME)

    release = made()
    usual = RECORDS / _cpu(made)
    looks: dict[str, Callable[[], object]] = {"check": lambda: check(release), "verify": lambda: verify(release)}
    for name, look in looks.items():
        ours = RECORDS / _cpu(look)
        yield Row(name=f"{name} of a release", unit="records a CPU second", reference="building it", usual=usual,
                  ours=ours, target=1, note=f"{1e6 / ours:,.0f} µs a record")  # fmt: skip


def _cpu(work: Callable[[], object]) -> float:
    """Return the median of the processor's seconds that work takes, once it was done before."""
    work()
    seconds = []
    for _ in range(RUNS):
        begun = time.process_time()
        work()
        seconds.append(time.process_time() - begun)
    return statistics.median(seconds)


def _cost(job: Job) -> Cost:
    """Return what a build costs that comes to its end, as most do."""
    cost = in_own_process(job)
    if cost is None:
        raise RuntimeError(f"the build of {job.root} was killed: run it again.")
    return cost
