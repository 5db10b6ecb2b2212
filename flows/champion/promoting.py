"""The one event that says that a new champion reigns, and the note that makes sure that it is told."""

from dataclasses import dataclass
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

from flows.champion.champions import Decision
from flows.releasing import give_server, said_now, was_told
from pipeline.release import write_text

PROMOTED = "pixelbytes.model.promoted"
_EVENTS = uuid5(NAMESPACE_URL, PROMOTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionEvent:
    """The event PROMOTED of one decision. Whoever tells of the same decision tells it under the same id."""

    id: UUID
    resource: dict[str, str]
    payload: dict[str, str | float]


def promotion_event(decision: Decision) -> PromotionEvent:
    """Return the event of a promotion; its id is made of the dataset, of what was asked of it, and of the model.

    ValueError for a decision that promoted nobody.
    """
    model, challenger, dataset = decision.model, decision.challenger, decision.dataset
    if decision.outcome != "promoted" or model is None or challenger is None:
        raise ValueError(f"the decision on {dataset.ref} is {decision.outcome!r}: only a promotion is told.")
    resource = {"prefect.resource.id": f"pixelbytes.model.{dataset.repo_id}", "prefect.resource.name": model.ref}
    if model.revision:
        resource["pixelbytes.revision"] = model.revision
    payload: dict[str, str | float] = {
        "repo_id": dataset.repo_id,
        "model": model.ref,
        "dataset": dataset.ref,
        "digest": dataset.digest,
        "bits_per_record": challenger.bits,
        "run": challenger.run,
    }
    known_by = f"{dataset.repo_id}\n{decision.key}\n{model.ref}\n{model.revision}"
    return PromotionEvent(id=uuid5(_EVENTS, known_by), resource=resource, payload=payload)


def announce(event: PromotionEvent) -> None:
    """Tell everybody who waits for a champion; raises as `flows.releasing.give_server`."""
    give_server(said_now(PROMOTED, event.id, event.resource, event.payload))


@dataclass(frozen=True, slots=True)
class Owed:
    """To tell of promotions once they stand, kept across a kill: a note lies in `folder` until it was told."""

    folder: Path

    def _note(self, decision: Decision) -> Path:
        return self.folder / f"{uuid5(_EVENTS, f'{decision.dataset.repo_id} {decision.key}')}.txt"

    def give(self, decision: Decision) -> None:
        """Write the note, before the decision stands."""
        write_text(self._note(decision), f"{PROMOTED} of {decision.dataset.ref}\n")

    def keep(self, decision: Decision) -> bool:
        """Tell of a decision that stands and was not told of yet, and whether it now was; the note stays until then."""
        note = self._note(decision)
        if not note.is_file():
            return False
        event = promotion_event(decision)
        if not was_told(lambda: announce(event), event.resource["prefect.resource.name"]):
            return False
        note.unlink(missing_ok=True)
        return True
