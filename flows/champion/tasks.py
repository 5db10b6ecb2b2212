"""Prefect tasks of champions: each wraps one step of flows/champion/enthroning.py, and holds no logic of its own."""

from hashlib import sha256
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from flows.champion import enthroning
from flows.champion.champions import Candidate, Decision
from flows.champion.enthroning import Case
from flows.champion.least_change import difference, last_trained, store_of
from flows.champion.reigning import Seated, seated
from flows.console import err, working
from flows.retrying import HOUR, PUBLISH, network_task
from flows.torchrun import Together, train_together
from model import runs
from model.evaluate import Evaluation
from model.presets import Preset
from model.progress import progress_bar
from model.training_run import RUN_CONFIG, describe_run
from pipeline.locks import only_one

PATIENCE = 30 * 24 * HOUR  # that a run which somebody else trains is waited for


@task(cache_policy=NO_CACHE)
def settle(case: Case) -> Decision | None:
    """Return the decision that stands on the same question, with all that it still owes done; None for a new one.

    That a version changed too little is weighed anew each time: less may be asked of it now.
    """
    found = case.standing
    if found is None or found.outcome == "skipped":
        return None
    enthroning.settled(case, found)
    return found


@network_task(PUBLISH)
def find_champion(case: Case) -> Seated | None:
    """Return who reigns, opened as far as it can be."""
    return seated(case.seat)


@network_task(PUBLISH)
def weigh_changes(case: Case, champion: Seated | None) -> Decision | None:
    """Return the decision to train nothing on a patch that changes little; None when it is to be trained on."""
    if not case.asked.least_change:
        return None
    known = case.seat.champions.decisions(case.seat.repo_id)
    trained = last_trained(case.release.version, known, champion.dataset if champion else None)
    found = difference(case.release, trained, store_of(case.store, case.seat.root.places))
    if found is None or found.share >= case.asked.least_change:
        return None
    return enthroning.skipped(case, found)


@task(cache_policy=NO_CACHE)
def train_candidate(case: Case, preset: Preset) -> Path:
    """Train, or go on with, the run of this version, preset and seed; whoever trains the same is waited for.

    A run that was begun by several processes is gone on with by as many: others would read other batches.
    """
    run = runs.run_folder(case.release, case.seat.root.runs, preset)
    name = f".training-{sha256(run.name.encode()).hexdigest()[:16]}.lock"
    with only_one(case.seat.home, f"training {run.name} for", name, patience=PATIENCE):
        together = Together.here(case.asked.processes)
        begun = describe_run(run).processes if (run / RUN_CONFIG).is_file() else together.all
        if begun != together.all:
            err.print(f"    {run.name} was begun by {begun} processes, and goes on by as many", markup=False)
            together = Together(processes=begun)
        if together.all > 1:
            train_together(case.release, run, preset, together)
        else:
            with progress_bar(err) as on_progress:
                runs.train_run(case.release, case.seat.root.runs, preset, on_progress)
    return run


@task(cache_policy=NO_CACHE)
def judge_candidates(case: Case, candidates: tuple[Candidate, ...], champion: Seated | None) -> Evaluation:
    """Score candidates, champion and baselines on the version's test split, with paired statistics."""
    with working("judging the candidates beside the champion"):
        return enthroning.judged(case, candidates, champion)


@task(cache_policy=NO_CACHE)
def decide(case: Case, candidates: tuple[Candidate, ...], champion: Seated | None, evaluation: Evaluation) -> Decision:
    """Rule who reigns from now on."""
    return enthroning.decided(case, candidates, champion, evaluation)


@network_task()
def find_published(case: Case, champion: Seated | None) -> Decision | None:
    """Return the decision that a run like this one published before it was killed, or elsewhere."""
    return None if case.seat.champions.champion(case.seat.repo_id) else enthroning.adopted(case, champion)


@network_task(PUBLISH)
def publish_champion(case: Case, decision: Decision) -> Decision:
    """Keep the promoted model, and publish it where its repo is named."""
    return enthroning.published(case, decision)


@task(cache_policy=NO_CACHE)
def write_down(case: Case, decision: Decision) -> None:
    """Let a decision stand."""
    enthroning.written(case, decision)


@task(cache_policy=NO_CACHE)
def announce(case: Case, decision: Decision) -> None:
    """Crown whoever was promoted, and tell everybody who waits for it."""
    enthroning.settled(case, decision)
