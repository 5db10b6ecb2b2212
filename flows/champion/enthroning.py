"""What a challenge does step by step: judge, decide, publish, write down, tell. Each may be killed and done again."""

import os
import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from flows.champion.asked import Asked
from flows.champion.champions import (
    MODELS,
    Before,
    Candidate,
    Challenger,
    Champion,
    ChampionModel,
    Decision,
    PairedBits,
    model_folder,
    read_decision,
)
from flows.champion.least_change import Difference
from flows.champion.promoting import Owed
from flows.champion.reigning import Seat, Seated
from flows.model_publishing import ModelDraft, publish_draft
from flows.notices import Notice, tell
from model.checkpoint import read_info
from model.evaluate import Evaluation, write_evaluation
from model.judging import judge
from model.lineage import LINEAGE, DataOrigin, Lineage, read_lineage
from model.network import NetworkModel
from model.promotion import chosen, rule
from model.runs import checkpoint_of, load_run
from pipeline.drafts import swap
from pipeline.manifest_file import VERSION
from pipeline.publishing.audience import GateError
from pipeline.publishing.staging import version_key
from pipeline.release import Release

PART = 95  # characters that each half of a name may have
UNKNOWN = ""  # a digest that nobody can read any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is decided on: a version, what was asked of it, and where its champion sits."""

    seat: Seat
    release: Release
    store: str  # where the version was read
    asked: Asked

    @property
    def key(self) -> str:
        """What was asked, in one digest."""
        return self.asked.key(self.release.version)

    @property
    def standing(self) -> Decision | None:
        """The newest decision on the same version and question, if there is one."""
        known = self.seat.champions.decisions(self.seat.repo_id)
        return next((one for one in reversed(known) if one.key == self.key), None)

    @property
    def owed(self) -> Owed:
        """The notes of what is still to be told."""
        return Owed(self.seat.root.root / "announcing")

    def blank(self, outcome: str, why: str) -> Decision:
        """Return a decision without candidates, made now."""
        return Decision(
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            dataset=self.release.version,
            store=self.store,
            key=self.key,
            outcome=outcome,  # type: ignore[arg-type]  # one of three
            why=" ".join(why.split()),
        )


def candidate(run: Path, preset: str, seed: int) -> Candidate:
    """Return what a finished run offers: its bits on the records that its weights were selected by."""
    bits = read_info(checkpoint_of(run)).validation_bits
    if bits is None:
        raise ValueError(f"{run} was never measured on its validation split: train it again.")
    return Candidate(name=preset, run=run.name, preset=preset, seed=seed, validation_bits=bits)


def skipped(case: Case, difference: Difference) -> Decision:
    """Return the decision that a version changes too little to be trained on."""
    least = f"{case.asked.least_change:.2%}"
    return case.blank(
        "skipped", f"{difference.told()}, less than the {least} that a patch must change to be trained on"
    )


def judged(case: Case, candidates: tuple[Candidate, ...], champion: Seated | None) -> Evaluation:
    """Score all candidates, the champion where it can be asked, and the baselines on the test split, side by side."""
    runs = case.seat.root.runs
    models = [NetworkModel(load_run(runs / one.run, case.release.vocabulary)[0], one.name) for one in candidates]
    if champion is not None and champion.model is not None and champion.seen_from(case.release).asked:
        models.append(champion.model)
    found = judge(case.release, models)
    write_evaluation(found, case.seat.home / "evaluations" / f"{case.release.version.tag}-{case.key[:8]}.json")
    return found


def decided(case: Case, candidates: tuple[Candidate, ...], champion: Seated | None, evaluation: Evaluation) -> Decision:
    """Return who reigns from now on; the model of a promotion is still to be made."""
    best = chosen({one.name: one.validation_bits for one in candidates})
    bits = {row.name: row.bits_per_record.total for row in evaluation.models}
    ruling = rule(evaluation, best, champion.seen_from(case.release) if champion else None)
    one = next(one for one in candidates if one.name == best)
    paired = ruling.paired
    return replace(
        case.blank(ruling.outcome, ruling.why),
        candidates=candidates,
        challenger=Challenger(
            name=one.name,
            run=one.run,
            preset=one.preset,
            seed=one.seed,
            validation_bits=one.validation_bits,
            bits=bits[best],
        ),
        champion_before=Before(ref=champion.ref, bits=bits.get(champion.ref)) if champion else None,
        paired=None
        if paired is None or paired.p_value is None
        else PairedBits(
            a=paired.a, b=paired.b, difference_bits=paired.difference_bits, ci95=paired.ci95, p_value=paired.p_value
        ),
    )


def adopted(case: Case, champion: Seated | None) -> Decision | None:
    """Return the decision that lies in the champion on the Hub, when it answers what is asked here; its model is kept.

    Then a run like this one, which was killed or ran elsewhere, has published it, and only the rest is to be done.
    """
    if champion is None or not champion.revision or champion.folder is None or not champion.decision():
        return None
    try:
        found = read_decision(champion.decision(), champion.ref)
    except ValueError:
        return None  # a stranger's words decide nothing
    if (found.key, found.dataset.digest, found.outcome) != (case.key, case.release.manifest.digest, "promoted"):
        return None
    name, version = case.seat.repo_id, champion.ref.partition("@")[2]
    model = ChampionModel(ref=champion.ref, folder=model_folder(name, version), revision=champion.revision)
    draft = case.seat.home / MODELS / "next"
    shutil.rmtree(draft, ignore_errors=True)
    _stand(Path(shutil.copytree(champion.folder, draft)), case.seat.root.root / model.folder)
    return replace(found, time=case.blank("promoted", "").time, store=case.store, model=model)


def published(case: Case, decision: Decision) -> Decision:
    """Return a promotion with its model: kept here, and on the Hub where the case names a repo; or why it is not there.

    HubError when the Hub fails, as long as it may do so only now: the same is to be done again.
    """
    if decision.challenger is None:
        raise ValueError(f"the decision on {decision.dataset.ref} has no challenger: nothing can be published.")
    draft = ModelDraft(
        run=case.seat.root.runs / decision.challenger.run,
        release=case.release,
        repo_id=case.asked.models or own_model(case.seat.repo_id),
        folder=case.seat.home / MODELS / "next",
        decision=replace(decision, time="", model=None).to_json() + "\n",  # the same bytes whenever it is made
        last=_last(case.seat),
    )
    revision, why = "", decision.why
    if case.asked.models:
        try:
            revision = publish_draft(draft).revision
        except GateError as error:  # no other try helps
            why = f"{why}; the model is kept here alone, since {' '.join(str(error).split())}"
    if not revision:
        draft.made(None)
    version = read_lineage(draft.folder / LINEAGE).version
    place = model_folder(case.seat.repo_id, version)
    _stand(draft.folder, case.seat.root.root / place)
    return replace(
        decision, why=why, model=ChampionModel(ref=f"{draft.repo_id}@{version}", folder=place, revision=revision)
    )


def written(case: Case, decision: Decision) -> None:
    """Write a decision down, and owe what follows from it; from here on it stands."""
    if decision.outcome == "promoted":
        case.owed.give(decision)
    case.seat.champions.add(decision)


def settled(case: Case, decision: Decision) -> None:
    """Do what a standing decision still owes: the crown to whoever was promoted last, and to tell of it."""
    seat = case.seat
    promoted = [one for one in seat.champions.decisions(seat.repo_id) if one.outcome == "promoted"]
    if promoted and (reigns := crowned(promoted[-1])) != seat.champions.champion(seat.repo_id):
        seat.champions.crown(seat.repo_id, reigns)
    if decision.outcome == "promoted" and decision.model and case.owed.keep(decision):
        tell(Notice(what="promoted", ref=decision.model.ref, why=decision.why))


def crowned(decision: Decision) -> Champion:
    """Return the champion that a promotion made."""
    if decision.model is None or decision.challenger is None:
        raise ValueError(f"the decision on {decision.dataset.ref} promoted nobody.")
    return Champion(
        ref=decision.model.ref,
        folder=decision.model.folder,
        run=decision.challenger.run,
        dataset=decision.dataset,
        bits=decision.challenger.bits,
        since=decision.time,
    )


def own_model(repo_id: str) -> str:
    """Return what a dataset's model is called where nobody names a repo for it.

    >>> own_model("pixelbytes/sample")
    'pixelbytes/sample-model'
    """
    return f"{repo_id[: repo_id.index('/') + PART - len('-model')]}-model"


def _last(seat: Seat) -> Lineage | None:
    """Return the lineage of the newest model ever promoted here, as far as it can be read; None where none was.

    Versions are never used twice, so all that may still tell of one is asked: decisions, who reigns, and the folders.
    """
    champions = seat.champions
    known = [one.model for one in champions.decisions(seat.repo_id) if one.model is not None]
    reigns = champions.champion(seat.repo_id)
    versions = {one.ref.partition("@")[2] for one in (*known, *((reigns,) if reigns else ()))}
    versions |= {path.name for path in (seat.home / MODELS).glob("v*") if VERSION.fullmatch(path.name)}
    if not versions:
        return None
    newest = max(versions, key=version_key)
    try:
        found = read_lineage(seat.home / MODELS / newest / LINEAGE)
    except (ValueError, OSError):
        found = None
    return found if found and found.version == newest else _lost(own_model(seat.repo_id), newest)


def _stand(draft: Path, place: Path) -> None:
    """Let a model's folder stand under its version; ValueError where another model has it: that one is kept for ever.

    The same model may stand there already, from a run that was killed, and be whole or not.
    """
    if os.path.lexists(place):
        try:
            there, ours = read_lineage(place / LINEAGE), read_lineage(draft / LINEAGE)
            same = (there.version, there.weights, there.facts) == (ours.version, ours.weights, ours.facts)
        except (ValueError, OSError):
            same = False
        if not same:
            raise ValueError(
                f"{place} holds another model than the one that is to stand there: move it out of {place.parent} and "
                "run again."
            )
    swap(draft, place)


def _lost(name: str, version: str) -> Lineage:
    """Return a lineage of which only the version is known, so that what follows it is another major version."""
    nothing = DataOrigin(
        repo_id=UNKNOWN, tag=UNKNOWN, commit="", digest=UNKNOWN, withheld=(), visibility="private", rights="",
        licences=(),
    )  # fmt: skip
    return Lineage(
        repo_id=name,
        version=version,
        dataset=nothing,
        code_version=UNKNOWN,
        training_digest=UNKNOWN,
        architecture=UNKNOWN,
        vocabulary=UNKNOWN,
        weights=UNKNOWN,
        facts=UNKNOWN,
        files={},
    )
