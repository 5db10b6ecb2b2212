"""Champion and challenger: kills between any two steps, several at a time, and champions on the Hub."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi
from huggingface_hub.utils import close_session

from flows import cli, known_models
from flows.champion import enthroning, promoting, reigning
from flows.champion import tasks as champion_tasks
from flows.champion.champions import CHAMPIONS, Champions
from flows.champion.promoting import PromotionEvent, promotion_event
from flows.hub_server.running import RunningHub, running_hub
from model.model_card import open_export
from pipeline.publishing import model_repo
from pipeline.publishing.client import hub_client
from pipeline.publishing.guards import versions_of
from pipeline.publishing.hub_repo import HubRepo
from tests.challenges import (
    MODEL,
    NAME,
    First,
    challenged,
    champions_files,
    first_decision,
    forked,
    killed,
    without_prefect,
)
from tests.on_hub import IGNORE_CLIENT

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings(IGNORE_CLIENT)]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> First:
    return first_decision(tmp_path_factory.getbasetemp())


@pytest.fixture
def root(first: First, tmp_path: Path) -> Path:
    """A copy of its data root, times included."""
    return Path(shutil.copytree(first.root, tmp_path / "data", symlinks=True))


@pytest.fixture
def fresh(root: Path) -> Path:
    """The same before anything was decided."""
    shutil.rmtree(root / CHAMPIONS)
    return root


@pytest.fixture
def told() -> Iterator[list[PromotionEvent]]:
    with without_prefect() as events:
        yield events


def timeless(root: Path) -> dict[str, Any]:
    """Return the same without the times of decisions."""
    found: dict[str, Any] = champions_files(root)
    lines = [json.loads(line) for line in found.pop(f"champions/{NAME}/decisions.jsonl").splitlines()]
    found["decisions"] = [line | {"time": ""} for line in lines]
    found["champion"] = json.loads(found.pop(f"champions/{NAME}/champion.json")) | {"since": ""}
    return {name: value for name, value in found.items() if "/evaluations/" not in name}  # which hold seconds


# kills and crowds -----------------------------------------------------------------------------------------------------

STEPS = [
    (champion_tasks, "train_candidate", True),
    (champion_tasks, "judge_candidates", True),
    (champion_tasks, "publish_champion", False),
    (champion_tasks, "publish_champion", True),
    (champion_tasks, "write_down", True),
    (enthroning, "swap", True),
    (Champions, "add", False),
    (Champions, "add", True),
    (Champions, "crown", True),
    (promoting, "announce", False),
    (promoting, "announce", True),
]


@pytest.mark.parametrize("moment", STEPS)
def test_a_kill_between_any_two_steps_ends_in_the_same_decision_model_and_event(
    first: First,
    fresh: Path,
    told: list[PromotionEvent],
    monkeypatch: pytest.MonkeyPatch,
    moment: tuple[object, str, bool],
) -> None:
    owner, step, after = moment
    with monkeypatch.context() as patch:
        patch.setattr(owner, step, killed(getattr(owner, step), after=after))
        assert forked(lambda: challenged(fresh, "v1.0.0", store=str(first.root / "releases"))) == -9
    decision = challenged(fresh, "v1.0.0", store=str(first.root / "releases"))
    assert decision.outcome == "promoted"
    assert told == [promotion_event(decision)]  # what the killed one said has the same id
    assert told == list(first.told)
    assert timeless(fresh) == timeless(first.root)
    assert challenged(fresh, "v1.0.0") == decision
    assert len(told) == 1


def test_two_at_a_time_decide_one_after_the_other(fresh: Path, told: list[PromotionEvent]) -> None:
    children = []
    for tag in ("v1.0.0", "v1.1.0", "v1.0.0"):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                challenged(fresh, tag)
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    decisions = Champions(fresh / CHAMPIONS).decisions(NAME)
    assert sorted(one.dataset.tag for one in decisions) == ["v1.0.0", "v1.1.0"]
    promoted = [one for one in decisions if one.outcome == "promoted"]
    champion = Champions(fresh / CHAMPIONS).champion(NAME)
    assert champion is not None
    assert promoted[-1].model is not None
    assert champion.ref == promoted[-1].model.ref
    assert told == []  # they told it, not we
    assert not list((fresh / "announcing").glob("*.txt"))


# the Hub --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningHub]:
    with running_hub(tmp_path / "hub") as found:
        for module in (known_models, reigning, model_repo):
            monkeypatch.setattr(module, "hub_client", lambda *_: hub_client(found.endpoint))
        monkeypatch.setenv("HF_TOKEN", found.token)
        close_session()
        yield found
        close_session()


def on_hub() -> tuple[str, ...]:
    """Return the versions that stand there."""
    standing = HubRepo(MODEL, "model", reigning.hub_client()).standing()
    return versions_of(standing) if standing else ()


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("moment", ["before it is written down", "never"])
def test_a_champion_goes_to_the_hub_once_and_a_new_machine_finds_it_there(
    fresh: Path, told: list[PromotionEvent], monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    if moment != "never":
        with monkeypatch.context() as patch:
            patch.setattr(champion_tasks, "write_down", killed(champion_tasks.write_down, after=False))
            assert forked(lambda: challenged(fresh, "v1.0.0", models=f"hub:{MODEL}")) == -9
        assert on_hub() == ("v1.0.0",)
    decision = challenged(fresh, "v1.0.0", models=f"hub:{MODEL}")
    assert decision.model is not None
    assert (decision.outcome, decision.model.ref, len(decision.model.revision)) == ("promoted", f"{MODEL}@v1.0.0", 40)
    assert on_hub() == ("v1.0.0",)
    kept = open_export(fresh / decision.model.folder)

    # another machine: nothing was decided there, and nobody needs to train
    shutil.rmtree(fresh / CHAMPIONS)
    shutil.rmtree(fresh / "models", ignore_errors=True)
    with monkeypatch.context() as patch:
        patch.setattr(champion_tasks, "train_candidate", killed(champion_tasks.train_candidate, after=False))
        again = challenged(fresh, "v1.0.0", models=f"hub:{MODEL}")
    assert again.model == decision.model
    assert open_export(fresh / decision.model.folder).lineage == kept.lineage
    assert [event.id for event in told] == [promotion_event(decision).id] * 2
    newer = challenged(fresh, "v1.1.0", models=f"hub:{MODEL}")
    assert newer.champion_before is not None
    assert newer.champion_before.ref == f"{MODEL}@v1.0.0"
    assert on_hub() == (("v1.0.0", "v1.1.0") if newer.outcome == "promoted" else ("v1.0.0",))


@pytest.mark.usefixtures("hub", "told")
def test_a_new_machine_without_decisions_finds_the_reigning_champion_on_the_hub(fresh: Path) -> None:
    challenged(fresh, "v1.1.0", models=f"hub:{MODEL}")
    shutil.rmtree(fresh / CHAMPIONS)
    late = challenged(fresh, "v1.0.0", models=f"hub:{MODEL}")
    assert late.outcome == "kept"
    assert "which is newer" in late.why
    assert on_hub() == ("v1.0.0",)


@pytest.mark.usefixtures("told")
def test_a_model_that_may_not_go_where_it_is_sent_is_kept_here_and_the_decision_says_why(
    fresh: Path, hub: RunningHub
) -> None:
    HfApi(endpoint=hub.endpoint, token=hub.token).create_repo(MODEL, private=True)
    decision = challenged(fresh, "v1.0.0", models=f"hub:{MODEL}")
    assert decision.outcome == "promoted"
    assert decision.model is not None
    assert decision.model.revision == ""
    assert f"the model is kept here alone, since model {MODEL} is private" in decision.why
    assert on_hub() == ()
    assert open_export(fresh / decision.model.folder).lineage.version == "v1.0.0"


@pytest.mark.usefixtures("hub")
def test_a_run_that_is_published_by_hand_goes_the_same_way(fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = next((fresh / "runs").glob("*v1.0.0*"))
    publish_by_hand = ["publish", str(run), "--to", f"hub:{MODEL}", "--data", str(fresh)]
    assert cli.run([*publish_by_hand, "--dry-run"]) == 0
    assert "nothing was published" in capsys.readouterr().out
    assert on_hub() == ()
    assert cli.run(publish_by_hand) == 0
    assert f"published {MODEL}@v1.0.0 (public)" in capsys.readouterr().out
    assert cli.run(publish_by_hand) == 0
    assert f"nothing changed since {MODEL}@v1.0.0" in capsys.readouterr().out
    assert on_hub() == ("v1.0.0",)
