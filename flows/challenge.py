"""The flow that trains challengers on one version, and lets the better model reign."""

from contextlib import AbstractContextManager
from typing import Any

from prefect import flow

from flows import model_tasks
from flows.artifacts import run_log, show_decision, show_run
from flows.champion import tasks
from flows.champion.asked import Wanted, asked
from flows.champion.champions import Candidate, Decision
from flows.champion.enthroning import Case, candidate
from flows.champion.reigning import Seat
from flows.notices import notify
from flows.retrying import HOUR
from flows.settings import data_root
from model.presets import DEFAULT_PRESET, Preset
from pipeline.locks import only_one

PATIENCE = 6 * HOUR  # that another decision on the same dataset is waited for: it judges, publishes, and is done


@flow(
    name="challenge",
    log_prints=True,
    validate_parameters=False,
    on_failure=[notify],
    on_crashed=[notify],
    on_cancellation=[notify],
)
def challenge(  # noqa: PLR0913 - a deployment's parameters
    repo_id: str,
    tag: str,
    digest: str = "",
    store: str | None = None,
    *,
    data: str | None = None,
    presets: tuple[str, ...] = (DEFAULT_PRESET,),
    seed: int = 0,
    recipe: dict[str, Any] | None = None,
    models: str | None = None,
    least_change: float = 0.0,
    processes: int = 1,
) -> Decision:
    """Train every preset on the version that is named, and promote the best one if it is better beyond noise.

    Better than every baseline, and than the champion that reigns, on the version's test split; the challenger among
    the presets is chosen on validation. A champion is kept in DATA/champions and, with `models` (hub:org/model),
    published there. The same version and question twice: the decision stands, and only what it still owes is done.
    `least_change` is the share of records below which patches wait for more of them. `processes` train one run
    together, started by torchrun. ValueError for parameters that cannot be, before any work.
    """
    wanted = Wanted(repo_id=repo_id, tag=tag, digest=digest, store=store)
    how = asked(presets, seed, recipe, models, least_change, processes)
    root = data_root(data)
    release = model_tasks.open_release(wanted.repo_id, wanted.tag, wanted.digest, wanted.store, root)
    seat = Seat(root=root, repo_id=repo_id, models=how.models)
    case = Case(seat=seat, release=release, store=store or str(root.releases), asked=how)
    decision = _without_training(case)
    if decision is None:
        candidates = tuple(_trained(case, preset) for preset in how.presets)
        with _turn(case):
            decision = tasks.settle(case) or _decided(case, candidates)
    run_log().info("%s: %s, since %s", decision.dataset.ref, decision.outcome, decision.why)
    show_decision(decision)
    return decision


def _turn(case: Case) -> AbstractContextManager[None]:
    """Decide on a dataset one at a time."""
    return only_one(case.seat.home, "deciding in", patience=PATIENCE)


def _without_training(case: Case) -> Decision | None:
    """Return the decision that stands, here or in the model on the Hub, or that too little changed; None to train."""
    with _turn(case):
        if (standing := tasks.settle(case)) is not None:
            return standing
        champion = tasks.find_champion(case)
        if (elsewhere := tasks.find_published(case, champion)) is not None:
            return _stands(case, elsewhere)
        small = tasks.weigh_changes(case, champion)
        if small is None:
            return None
        return case.standing or _stands(case, small)


def _trained(case: Case, preset: Preset) -> Candidate:
    """Return a preset as a finished run: trained, judged beside the baselines, with samples and its page."""
    run_log().info("training %s on %s", preset.name, case.release.version.ref)
    run = tasks.train_candidate(case, preset)
    model_tasks.evaluate_run(case.release, run)
    model_tasks.draw_samples(case.release, run)
    model_tasks.write_page(case.release, run, case.seat.root)
    show_run(run, case.release)
    return candidate(run, preset.name, preset.train.seed)


def _decided(case: Case, candidates: tuple[Candidate, ...]) -> Decision:
    """Return who reigns from now on, published and written down."""
    champion = tasks.find_champion(case)
    decision = tasks.decide(case, candidates, champion, tasks.judge_candidates(case, candidates, champion))
    if decision.outcome == "promoted":
        decision = tasks.publish_champion(case, decision)
    return _stands(case, decision)


def _stands(case: Case, decision: Decision) -> Decision:
    """Let a decision stand, and do what follows from it."""
    tasks.write_down(case, decision)
    tasks.announce(case, decision)
    return decision
