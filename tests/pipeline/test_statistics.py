"""The numbers that a card states are those of its rows."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palettes.vocabulary import FIRST_COLOUR
from pipeline.cards.credits import Credits
from pipeline.cards.statistics import QUANTILES, Statistics, Tally, kind_of, statistics
from pipeline.records import SPLITS
from pipeline.release import Release

numbers = st.lists(st.integers(0, 3000), min_size=1, max_size=60)


@pytest.fixture(scope="module")
def found(release: Release) -> Statistics:
    with Credits() as credits_:
        return statistics(release, credits_)


def seen(tally: Tally) -> dict[int, int]:
    return {int(number): int(tally.counts[number]) for number in np.flatnonzero(tally.counts)}


def rows(release: Release, config: str) -> list[dict[str, object]]:
    tables = (release.table(config, split) for split in SPLITS)
    return [row for table in tables for row in table.to_pylist()]


@given(st.lists(numbers, min_size=1, max_size=4))
def test_a_tally_is_the_same_however_the_numbers_come(parts: list[list[int]]) -> None:
    together, tally = np.concatenate(parts), Tally()
    for part in parts:
        tally = tally.plus(np.array(part))
    assert (tally.seen, tally.total) == (len(together), together.sum())
    assert tally.mean == pytest.approx(together.mean())
    expected = [np.quantile(together, share, method="inverted_cdf") for share in QUANTILES]
    assert list(tally.quantiles()) == expected


def test_nothing_seen_has_quantiles_of_nothing() -> None:
    assert (Tally().quantile(0.5), Tally().mean, Tally().seen) == (0, 0.0, 0)


def test_counts_are_those_of_the_manifest(release: Release, found: Statistics) -> None:
    manifest = release.manifest
    assert {split: sum(counts.values()) for split, counts in found.records.items()} == manifest.counts
    assert found.palette_use.sum() == manifest.tokens["pixel"]
    assert found.characters.sum() == manifest.tokens["text"]
    assert found.lengths.total == sum(manifest.tokens.values()) == found.ids.sum()
    assert found.sizes.sum() == found.colours.seen == found.captions.seen == sum(manifest.counts.values())


def test_each_number_is_that_of_the_rows_one_by_one(release: Release, found: Statistics) -> None:
    records, tokens = rows(release, "records"), rows(release, "tokens")
    ids = [np.array(row["tokens"]) for row in tokens]
    assert seen(found.captions) == Counter(len(str(row["caption"])) for row in records)
    assert seen(found.lengths) == Counter(len(one) for one in ids)
    assert seen(found.colours) == Counter(len(set(one[one >= FIRST_COLOUR].tolist())) for one in ids)
    assert found.replaced.total == sum(int(str(row["replaced"])) for row in records)
    sizes = Counter((row["h"], row["w"]) for row in tokens)
    assert {(h, w): found.sizes[h, w] for h, w in np.argwhere(found.sizes).tolist()} == sizes
    groups = {split: set(release.table("records", split)["group"].to_pylist()) for split in SPLITS}
    assert found.families == {split: len(names) for split, names in groups.items()}


def test_what_the_records_state_is_counted(release: Release) -> None:
    expected = Counter((row["licence"], row["attribution"]) for row in rows(release, "records"))
    with Credits() as credits_:
        statistics(release, credits_)
        for licence, count in credits_.licences():
            stated = {attribution: number for (under, attribution), number in expected.items() if under == licence}
            assert dict(credits_.under(licence)) == stated
            assert sum(stated.values()) == count


def test_a_release_of_many_shards_is_read_a_batch_at_a_time(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    many = {
        config: {split: shards * 50 for split, shards in splits.items()}
        for config, splits in release.manifest.configs.items()
    }
    large = Release(folder=release.folder, manifest=Release.open(release.folder).manifest)
    object.__setattr__(large.manifest, "configs", many)
    monkeypatch.setattr(Release, "table", lambda *_: pytest.fail("a whole split was read"))
    monkeypatch.setattr(Release, "read", lambda *_: pytest.fail("a whole shard was read"))
    with Credits() as credits_:
        found = statistics(large, credits_)
    assert found.lengths.seen == 50 * sum(release.manifest.counts.values())


def test_the_reasons_of_drops_are_told_together() -> None:
    given_ = ["page 'Aardart' lacks 'Biology'", "page 'Budaye' lacks 'Biology'", "the picture is 12×5,000 px"]
    assert [kind_of(reason) for reason in given_] == ["page '…' lacks '…'"] * 2 + ["the picture is …×… px"]
    assert kind_of("no answer from https://a.org/x?y=1 so far") == "no answer from … so far"


def test_the_commonest_reasons_come_first(release: Release, found: Statistics) -> None:
    ((stage, reason, count),) = found.dropped
    assert (stage, count) == ("description", 1)
    assert reason == kind_of(release.table("quarantine", "dropped")["reason"].to_pylist()[0])
