"""Whether a newly trained model takes the place of the one that reigns: decided from paired bits alone.

Bits are per record of the test split of the version that is decided on, less is better. The challenger was chosen by
its validation bits before anything was asked of the test split, so that its bits there are honest.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from model.evaluate import Evaluation, Paired

Outcome = Literal["promoted", "kept"]
SURE = 0.05  # a difference is no noise when chance alone makes one as large less often
WHY_LENGTH = 300  # characters that are told of what went wrong with a champion's files


@dataclass(frozen=True, slots=True, kw_only=True)
class Reigning:
    """The champion, as far as a ruling needs to know it; at most one of `gone`, `foreign` and `late` decides."""

    name: str  # as it stands in the evaluation, if it stands there
    gone: str = ""  # why its model cannot be read
    foreign: str = ""  # why it cannot score these records, which are written in other ids
    late: str = ""  # the newer version of the same dataset that it was trained on

    @property
    def asked(self) -> bool:
        """Tell whether it can be asked for the bits of these records."""
        return not self.gone and not self.foreign


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What was decided, why, and the comparison with the champion where there was one."""

    outcome: Outcome
    why: str  # one sentence
    paired: Paired | None = None  # challenger `a` against champion `b`


def chosen(validation_bits: Mapping[str, float]) -> str:
    """Return the candidate that paid least on the validation split; of equals the first by name.

    ValueError without candidates.

    >>> chosen({"small": 1712.5, "base": 1650.25})
    'base'
    """
    if not validation_bits:
        raise ValueError("nothing was trained, so there is nobody to choose: name at least one preset.")
    return min(sorted(validation_bits), key=lambda name: validation_bits[name])


def rule(evaluation: Evaluation, challenger: str, champion: Reigning | None) -> Ruling:
    """Decide whether `challenger`, a model of the evaluation, reigns from now on.

    It has to be better beyond noise than every baseline, and than the champion: the 95 % interval of what it pays more
    lies wholly below 0, and chance alone makes such a difference in less than one of 20 cases. With fewer than six test
    records nothing is beyond noise.
    A champion of a newer version stays; one that cannot be read, or reads other ids, makes room for whoever beats the
    baselines. ValueError when the evaluation lacks one of them, all baselines, or a chance.
    """
    against = pair_of(evaluation, challenger, champion.name) if champion and champion.asked else None
    stays = _why_it_stays(evaluation, challenger, champion, against)
    if stays:
        return Ruling(outcome="kept", why=stays, paired=against)
    why = f"{challenger} beats every baseline, and {_why_it_yields(champion, against)}"
    return Ruling(outcome="promoted", why=why, paired=against)


def _why_it_stays(
    evaluation: Evaluation, challenger: str, champion: Reigning | None, against: Paired | None
) -> str | None:
    """Return why nothing changes; None when the challenger is to reign."""
    if champion and champion.late and not champion.gone:
        newer = f"{champion.name} was trained on {champion.late}, which is newer than {evaluation.dataset.ref}"
        return f"{newer}: it stays, whatever an older version gives"
    if unbeaten := _unbeaten(evaluation, challenger):
        return f"{challenger} is not better than {unbeaten.b} beyond noise: {_figures(unbeaten)}"
    if against and not beyond_noise(against):
        return f"{challenger} is not better than {against.b} beyond noise: {_figures(against)}"
    return None


def _why_it_yields(champion: Reigning | None, against: Paired | None) -> str:
    """Return what is said of a champion that makes room, if there was one."""
    if champion is None:
        return "nobody reigned before"
    if champion.gone:
        return f"{champion.name}, which reigned, cannot be read: {_short(champion.gone)}"
    if against is None:
        return f"{champion.name}, which reigned, cannot score these records: {_short(champion.foreign)}"
    return f"{champion.name} beyond noise: {_figures(against)}"


def pair_of(evaluation: Evaluation, a: str, b: str) -> Paired:
    """Return how much more `a` pays than `b`, however the evaluation has paired them; ValueError when it has not.

    >>> from model.evaluate import EvaluatedOn
    >>> on = EvaluatedOn(ref="org/name@v1.0.0", revision="c0", digest="d0", split="test")
    >>> pair = Paired(a="x", b="y", difference_bits=-2.0, ci95=(-3.0, -1.0), p_value=0.01)
    >>> found = Evaluation(dataset=on, models=(), paired=(pair,), seed=0, code_version="1")
    >>> pair_of(found, "y", "x").ci95
    (1.0, 3.0)
    """
    for pair in (*evaluation.paired, *evaluation.other_pairs):
        if (pair.a, pair.b) == (a, b):
            return pair
        if (pair.a, pair.b) == (b, a):
            low, high = pair.ci95
            return replace(pair, a=a, b=b, difference_bits=-pair.difference_bits, ci95=(-high, -low))
    raise ValueError(f"the evaluation does not pair {a!r} with {b!r}: judge them side by side.")


def beyond_noise(pair: Paired) -> bool:
    """Tell whether `a` pays less than `b` for sure; ValueError when the pair does not tell its chance."""
    if pair.p_value is None:
        raise ValueError(f"the pair of {pair.a!r} and {pair.b!r} has no p: it is of an older version, judge them anew.")
    return pair.ci95[1] < 0 and pair.p_value < SURE


def _unbeaten(evaluation: Evaluation, challenger: str) -> Paired | None:
    """Return the baseline that the challenger beats least of those it does not beat beyond noise, if there is any."""
    baselines = [row.name for row in evaluation.models if row.kind == "baseline"]
    if not baselines:
        raise ValueError("the evaluation holds no baseline, beside which alone bits mean something: judge with them.")
    pairs = [pair_of(evaluation, challenger, name) for name in baselines]
    return max((pair for pair in pairs if not beyond_noise(pair)), key=lambda pair: pair.ci95[1], default=None)


def _figures(pair: Paired) -> str:
    """Return a difference in words, with its interval and its chance."""
    chance = "" if pair.p_value is None else f", p {pair.p_value:.2g}"
    low, high = pair.ci95
    return f"{pair.difference_bits:+,.1f} bits per record, 95 % from {low:+,.1f} to {high:+,.1f}{chance}"


def _short(text: str) -> str:
    return text if len(text) <= WHY_LENGTH else f"{text[:WHY_LENGTH]}…"
