"""The decisions on a dataset, and who reigns: nothing is lost in a kill, nothing hostile is believed."""

import json
import os
import string
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.champion.champions import (
    CHAMPION,
    DECISIONS,
    MAX_CHAMPION,
    Before,
    Candidate,
    Challenger,
    Champion,
    ChampionModel,
    Champions,
    Decision,
    PairedBits,
    model_folder,
    read_decision,
)
from pipeline.records import DatasetVersion

NAME = "org/beasts"
DATASET = DatasetVersion(repo_id=NAME, tag="v1.0.0", revision="c0", digest="0" * 64)
FOLDER = model_folder(NAME, "v1.0.0")
MODEL = ChampionModel(ref="org/model@v1.0.0", folder=FOLDER, revision="")
ONE = Candidate(
    name="small", run="org-beasts-v1.0.0-lstm-small-s0-01234567", preset="small", seed=0, validation_bits=9.5
)
CHALLENGER = Challenger(**asdict(ONE), bits=10.25)
PROMOTED = Decision(
    time="2026-01-01T00:00:00+00:00",
    dataset=DATASET,
    store="hub:org/beasts",
    key="a" * 64,
    outcome="promoted",
    why="small beats every baseline",
    candidates=(ONE,),
    challenger=CHALLENGER,
    champion_before=Before(ref="org/model@v0.9.0", bits=None),
    paired=PairedBits(a="small", b="x", difference_bits=-1.0, ci95=(-2.0, -0.5), p_value=0.01),
    model=MODEL,
)
REIGNS = Champion(ref=MODEL.ref, folder=FOLDER, run=ONE.run, dataset=DATASET, bits=10.25, since=PROMOTED.time)
numbers = st.floats(-1e9, 1e9)
decisions = st.builds(
    replace,
    st.just(PROMOTED),
    outcome=st.sampled_from(["promoted", "kept", "skipped"]),
    why=st.text(max_size=60),
    key=st.text("0123456789abcdef", min_size=64, max_size=64),
    candidates=st.lists(st.just(ONE), max_size=3).map(tuple),
    champion_before=st.none() | st.builds(Before, ref=st.just("org/m@v1.2.3"), bits=st.none() | numbers),
    paired=st.none()
    | st.builds(
        PairedBits,
        a=st.text(max_size=5),
        b=st.text(max_size=5),
        difference_bits=numbers,
        ci95=st.tuples(numbers, numbers),
        p_value=st.floats(0, 1),
    ),
)


@given(st.lists(decisions, max_size=4))
def test_what_is_written_down_is_read_back(tmp_path_factory: pytest.TempPathFactory, told: list[Decision]) -> None:
    known = Champions(tmp_path_factory.mktemp("champions"))
    for one in told:
        known.add(one)
    assert known.decisions(NAME) == tuple(told)
    assert known.repos() == ((NAME,) if told else ())


@given(st.lists(decisions, min_size=1, max_size=3), st.integers(0), decisions)
def test_a_kill_in_the_middle_of_a_line_loses_that_line_alone_and_the_next_one_is_whole(
    tmp_path_factory: pytest.TempPathFactory, told: list[Decision], cut: int, new: Decision
) -> None:
    known = Champions(tmp_path_factory.mktemp("champions"))
    for one in told:
        known.add(one)
    path = known.home(NAME) / DECISIONS
    body = path.read_bytes()
    last = body.rstrip(b"\n").rfind(b"\n") + 1
    path.write_bytes(body[: last + cut % (len(body) - last)])
    assert known.decisions(NAME) == tuple(told[:-1])
    known.add(new)
    assert known.decisions(NAME) == (*told[:-1], new)


def test_who_reigns_is_read_back_and_nobody_reigns_before(tmp_path: Path) -> None:
    known = Champions(tmp_path)
    assert known.champion(NAME) is None
    assert known.decisions(NAME) == ()
    known.crown(NAME, REIGNS)
    assert known.champion(NAME) == REIGNS
    assert known.repos() == ()  # nothing was decided


def test_a_model_is_named_by_what_a_command_takes() -> None:
    assert MODEL.reference == FOLDER
    assert replace(MODEL, revision="c1").reference == "hub:org/model@v1.0.0"


def changed(**changes: Any) -> str:
    """Return the line of a decision with some keys changed, by their dotted names."""
    told: dict[str, Any] = json.loads(PROMOTED.to_json())
    for place, value in changes.items():
        part: Any = told
        *inner, last = place.split("__")
        for key in inner:
            part = part[int(key)] if isinstance(part, list) else part[key]
        part[last] = value
    return json.dumps(told)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[]", "must be a table"),
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ('{"time": NaN}', "NaN is no number"),
        ("x" * 300_000, "nothing of ours"),
        (changed(more=1), "unknown key 'more'"),
        (changed(outcome="crowned"), "choose one of 'promoted'"),
        (changed(dataset__repo_id="org/other"), "folder"),
        (changed(dataset__repo_id="org/other", model=None, outcome="kept"), "repo_id"),
        (changed(dataset__repo_id="../.."), "repo_id"),
        (changed(dataset__tag="latest"), "tag"),
        (changed(dataset__digest="0"), "digest"),
        (changed(key="../key"), "key"),
        (changed(challenger__run="../../etc"), "run"),
        (changed(challenger__run="a/b"), "run"),
        (changed(challenger__bits=float("1e400")), "Infinity is no number"),
        (changed(challenger__seed=10**400), "below 2 to the 63"),
        (changed(challenger__seed=True), "of type int"),
        (changed(candidates=[{}] * 3), "lacks the key"),
        (changed(model__folder="/etc"), "folder"),
        (changed(model__folder=f"{FOLDER}/../v1.0.0"), "folder"),
        (changed(model__folder=model_folder("org/other", "v1.0.0")), "folder"),
        (changed(model__ref="org/model@v1.0.0\x1b[2J"), "ref"),
        (changed(champion_before__ref="hub:x"), "ref"),
        (changed(champion_before__bits="many"), "of type float"),
        (changed(model__ref="org/model@v1.0.1"), "folder"),
        (changed(model__revision="main"), "revision"),
        (changed(time="yesterday"), "time"),
        (changed(model=None), "lacks its model"),
        (changed(challenger=None), "lacks its model or challenger"),
    ],
)
def test_a_line_that_no_run_of_ours_wrote_is_refused_with_its_place(tmp_path: Path, line: str, said: str) -> None:
    known = Champions(tmp_path)
    known.add(PROMOTED)
    with (known.home(NAME) / DECISIONS).open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(ValueError, match="line 2") as caught:
        known.decisions(NAME)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 700


@given(st.text(string.printable) | st.binary().map(lambda body: body.decode(errors="replace")))
def test_no_text_makes_reading_a_decision_fail_in_another_way_than_by_its_own_words(text: str) -> None:
    with pytest.raises(ValueError, match="somewhere"):
        read_decision(text, "somewhere")


@pytest.mark.parametrize(
    "changes",
    [
        {"folder": "/etc"},
        {"folder": "champions/org/beasts/models/latest"},
        {"run": "../run"},
        {"bits": "few"},
        {"ref": "model"},
        {"dataset": {**asdict(DATASET), "repo_id": "org/other"}},
        {"more": 1},
    ],
)
def test_a_champion_that_no_run_of_ours_wrote_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    known = Champions(tmp_path)
    path = known.home(NAME) / CHAMPION
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(asdict(REIGNS) | changes))
    with pytest.raises(ValueError, match=r"champion\.json"):
        known.champion(NAME)
    path.write_text(" " * (MAX_CHAMPION + 1))
    with pytest.raises(ValueError, match="no file of ours"):
        known.champion(NAME)


@pytest.mark.parametrize("name", ["..", "org", "/etc/passwd", "org/../x", "org/beasts/more", ""])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="org/name"):
        Champions(tmp_path).decisions(name)
    with pytest.raises(ValueError, match="org/name"):
        Champions(tmp_path).champion(name)


def test_folders_that_are_no_datasets_are_not_listed(tmp_path: Path) -> None:
    for odd in (".git/x", "org/.hidden"):
        (tmp_path / odd).mkdir(parents=True)
        (tmp_path / odd / DECISIONS).touch()
    assert Champions(tmp_path).repos() == ()


@pytest.mark.parametrize("name", [DECISIONS, CHAMPION])
@pytest.mark.parametrize("kind", ["folder", "pipe", "broken link"])
def test_what_is_no_plain_file_is_refused_and_never_opened(tmp_path: Path, name: str, kind: str) -> None:
    known = Champions(tmp_path)
    path = known.home(NAME) / name
    path.parent.mkdir(parents=True)
    {"folder": path.mkdir, "pipe": lambda: os.mkfifo(path), "broken link": lambda: path.symlink_to("gone")}[kind]()
    with pytest.raises(ValueError, match="no plain file: move it away"):
        (known.decisions if name == DECISIONS else known.champion)(NAME)
