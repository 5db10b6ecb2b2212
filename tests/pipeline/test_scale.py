"""Building many records takes no more memory than building few: the whole way, in processes of its own."""

from pathlib import Path

import pytest

from pipeline.crawl.folder import gather
from pipeline.crawl.raw import RawStore
from tests.augmented import augmented, make_large_folder, make_large_store
from tests.bench.one_build import Cost, Job, in_own_process

FEW, MANY = 5_000, 20_000
MOST = 400e6 / 2**20  # MiB that a process of a build may hold
FLAT = 60e6 / 2**20  # MiB that four times the records may add

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Raw stores of a few and of many creatures, by their number."""
    root = tmp_path_factory.mktemp("stores")
    return {count: make_large_store(root / str(count), augmented(count)).root for count in (FEW, MANY)}


@pytest.mark.parametrize("workers", [1, 2])
def test_memory_stays_flat_and_below_400_mb_whatever_the_number_of_records(
    stores: dict[int, Path], tmp_path: Path, workers: int
) -> None:
    few, many = (
        _cost(Job(str(root), str(tmp_path / str(count)), workers=workers), count) for count, root in stores.items()
    )
    for peak, other in ((few.peak, many.peak), (few.peak_of_workers, many.peak_of_workers)):
        assert other < MOST, (few, many)
        assert other - peak < FLAT, (few, many)
    assert (many.peak_of_workers > 0) == (workers > 1)


def test_a_folder_of_many_pictures_is_built_in_400_mb(tmp_path: Path) -> None:
    source = make_large_folder(tmp_path / "pictures", augmented(FEW))
    gather(source, RawStore(tmp_path / "raw"))
    cost = _cost(Job(str(tmp_path / "raw"), str(tmp_path / "built"), folder=source.folder), FEW)
    assert cost.peak < MOST, cost


def _cost(job: Job, count: int) -> Cost:
    """Return what a build costs of which every record came through."""
    cost = in_own_process(job)
    assert cost is not None
    assert cost.records == count
    return cost
