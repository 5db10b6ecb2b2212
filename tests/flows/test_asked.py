"""What an event may ask of a challenge: checked before any work; the same question has the same key."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.challenge import challenge
from flows.champion.asked import Wanted, asked
from flows.champion.champions import Decision
from flows.champion.least_change import last_trained
from flows.champion.promoting import promotion_event
from pipeline.records import DatasetVersion

NAME = "org/beasts"
DIGEST = "0" * 64
VERSION = DatasetVersion(repo_id=NAME, tag="v1.0.0", revision="c0", digest=DIGEST)
USUAL: dict[str, Any] = {
    "presets": ("tiny",), "seed": 0, "recipe": None, "models": None, "least_change": 0.0, "processes": 1,
}  # fmt: skip


def key(version: DatasetVersion = VERSION, **changes: Any) -> str:
    return asked(**(USUAL | changes)).key(version)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"repo_id": "../etc"}, "org/name"),
        ({"repo_id": 7}, "repo_id is '7': it must be a text"),
        ({"tag": "latest"}, "tag is 'latest'"),
        ({"tag": "v1.0.0/../.."}, "name a version"),
        ({"digest": "0" * 63}, "64 hexadecimal digits"),
        ({"digest": None}, "digest is 'None'"),
        ({"store": "a\nb"}, "store is"),
        ({"store": "x" * 5_000}, "store is"),
        ({"store": "hub:../x"}, "org/name"),
        ({"presets": ()}, "presets is"),
        ({"presets": "small"}, "presets is 'small'"),
        ({"presets": ["tiny"] * 17}, "1 to 16 names"),
        ({"presets": ["huge"]}, "preset 'huge' is not known"),
        ({"presets": [{"tiny": 1}]}, "it must be a text"),
        ({"presets": ["paper/rnn"]}, "reads backwards"),
        ({"seed": -1}, "seed is '-1'"),
        ({"seed": True}, "seed is 'True'"),
        ({"recipe": ["epochs"]}, "recipe is"),
        ({"recipe": {"epochs": "many"}}, "epochs"),
        ({"recipe": {"colour": 1}}, "colour"),
        ({"models": "org/model"}, "give hub:org/model"),
        ({"models": "hub:model"}, "org/name"),
        ({"least_change": 2}, "from 0 to 1"),
        ({"least_change": float("nan")}, "from 0 to 1"),
        ({"least_change": "0.1"}, "from 0 to 1"),
        ({"processes": 0}, "from 1 to 1024"),
        ({"processes": 1.5}, "from 1 to 1024"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_done(
    tmp_path_factory: pytest.TempPathFactory, given: dict[str, Any], said: str
) -> None:
    root = tmp_path_factory.mktemp("data")
    with pytest.raises(ValueError, match=said):
        challenge.fn(**{"repo_id": NAME, "tag": "v1.0.0", "data": str(root), **given})
    assert not list(root.iterdir())


def test_what_a_release_event_says_is_taken() -> None:
    found = Wanted(repo_id=NAME, tag="v1.0.0", digest=DIGEST, store="hub:org/beasts")
    assert found.store == "hub:org/beasts"
    assert asked(**(USUAL | {"models": "hub:org/model", "least_change": 1})).models == "org/model"


def test_the_same_question_has_the_same_key_whoever_trains_and_wherever_a_champion_goes() -> None:
    same = [{}, {"processes": 4}, {"models": "hub:org/model"}, {"least_change": 0.5}, {"presets": ["tiny", "tiny"]}]
    assert len({key(**changes) for changes in same}) == 1
    assert key(presets=["tiny", "small"]) == key(presets=["small", "tiny"])


@given(st.integers(0, 99), st.integers(1, 99), st.sampled_from([("tiny",), ("small",), ("tiny", "small")]))
def test_another_question_has_another_key(seed: int, epochs: int, presets: tuple[str, ...]) -> None:
    question = {"seed": seed, "recipe": {"epochs": epochs}, "presets": presets}
    assert key(**question) == key(**question)
    for other in ({"seed": seed + 1}, {"recipe": {"epochs": epochs + 1}}, {"presets": (*presets, "paper/rnn-uni")}):
        assert key(**(question | other)) != key(**question)
    moved = DatasetVersion(repo_id=NAME, tag="v1.0.1", revision="c0", digest=DIGEST)
    assert key(moved, **question) != key(**question)


def decision(tag: str, outcome: str) -> Decision:
    version = DatasetVersion(repo_id=NAME, tag=tag, revision="c", digest=DIGEST)
    return Decision(time="", dataset=version, store="", key="a" * 64, outcome=outcome, why="")  # type: ignore[arg-type]


def test_the_last_version_that_was_trained_on_is_the_newest_before_it_that_was_not_skipped() -> None:
    told = [decision("v1.0.0", "promoted"), decision("v1.0.9", "kept"), decision("v1.0.10", "skipped")]
    told += [decision("v1.1.0", "promoted")]

    def found(tag: str, champion: DatasetVersion | None = None) -> str:
        version = DatasetVersion(repo_id=NAME, tag=tag, revision="c", digest=DIGEST)
        trained = last_trained(version, told, champion)
        return trained.tag if trained else ""

    assert (found("v1.0.11"), found("v1.0.5"), found("v1.0.0"), found("v2.0.0")) == ("v1.0.9", "v1.0.0", "", "v1.1.0")
    elsewhere = DatasetVersion(repo_id=NAME, tag="v1.0.4", revision="c", digest=DIGEST)
    assert found("v1.0.5", elsewhere) == "v1.0.4"
    assert found("v1.0.5", DatasetVersion(repo_id="org/x", tag="v1.0.4", revision="c", digest=DIGEST)) == "v1.0.0"


def test_only_a_promotion_is_told() -> None:
    with pytest.raises(ValueError, match="only a promotion is told"):
        promotion_event(decision("v1.0.0", "kept"))
