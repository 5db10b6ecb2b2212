"""Score models side by side on one split of one release, and write the answer down as `evaluation.json`."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Literal, cast

from rich.table import Table

from model.batches import TokenTable
from model.language_model import Kind, LanguageModel
from model.metrics import Interval, Scores, bootstrap_mean, score, sign_flip_p
from model.paper_protocol import PaperScores, PaperVariant
from model.sample_scores import ModelMemorisation, ModelValidity
from pipeline.records import DatasetVersion, Split
from pipeline.release import code_version
from pipeline.tables import build
from pipeline.tokenizer import Part

__all__ = [
    "MAX_EVALUATION_BYTES",
    "Accuracy",
    "EvaluatedOn",
    "Evaluation",
    "ModelScore",
    "Paired",
    "PaperScores",
    "PaperVariant",
    "RecordBits",
    "evaluate",
    "evaluation_table",
    "read_evaluation",
    "write_evaluation",
]
PaperMeasure = Callable[[LanguageModel, TokenTable], PaperScores | None]
MAX_EVALUATION_BYTES = 4 * 2**20  # a real one has a few kB


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedOn:
    """Exactly which records were scored."""

    ref: str
    revision: str
    digest: str
    split: Split


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordBits:
    """Mean bits per record; the four parts add up to the total."""

    total: float
    shape: float
    pixels: float
    row_ends: float
    caption: float
    flag: Literal["exact", "bound", "lossy"] = "exact"
    ci95: tuple[float, float]  # of the total, by bootstrap over records


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Share of next tokens that were the model's most probable one."""

    total: float
    pixels: float
    row_ends: float
    caption: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelScore:
    """One row of the table."""

    name: str
    kind: Kind
    parameters: int
    bits_per_record: RecordBits
    bits_per_pixel: float
    bits_per_character: float
    accuracy: Accuracy
    paper: PaperScores | None = None
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """How much more `a` pays than `b` for the same record, in the mean; negative when `a` is better."""

    a: str
    b: str
    difference_bits: float
    ci95: tuple[float, float]
    p_value: float | None = None  # of no difference, by flipping its sign per record; None in older versions


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What stands in `evaluation.json`, key by key."""

    dataset: EvaluatedOn
    models: tuple[ModelScore, ...]
    paired: tuple[Paired, ...]
    seed: int
    code_version: str
    other_pairs: tuple[Paired, ...] = ()  # every two models that `paired` does not hold
    weights: str = ""  # digest of the network's weights that were scored; empty in evaluations of older versions
    validity: tuple[ModelValidity, ...] = ()  # of networks, where it was measured
    memorisation: tuple[ModelMemorisation, ...] = ()  # the same

    @property
    def best(self) -> ModelScore:
        """The model that pays least."""
        return min(self.models, key=lambda model: model.bits_per_record.total)


def evaluate(
    models: Sequence[LanguageModel],
    table: TokenTable,
    dataset: DatasetVersion,
    split: Split,
    seed: int,
    *,
    paper: PaperMeasure | None = None,
) -> Evaluation:
    """Score every model on every record, and pair the best network (else the best model) with each of the others.

    The paper's metrics are measured too when `paper` is given, which is `model.paper_metrics.paper_scores`, or gives
    None for models to be left out: it takes seconds for each model.

    Raises ValueError without models, for two of one name, for an empty table, or when a model's rows do not sum to 1.
    """
    names = [model.name for model in models]
    if not models or len(set(names)) != len(names):
        raise ValueError(f"the models are named {names}: give at least one, and each its own name.")
    scores = {model.name: score(model, table) for model in models}
    rows = tuple(
        replace(_row(model, scores[model.name], seed), paper=paper(model, table) if paper else None) for model in models
    )
    networks = [row for row in rows if row.kind == "network"]
    champion = min(networks or rows, key=lambda row: row.bits_per_record.total).name
    others = [name for name in names if name != champion]
    return Evaluation(
        dataset=EvaluatedOn(ref=dataset.ref, revision=dataset.revision, digest=dataset.digest, split=split),
        models=rows,
        paired=tuple(_pair(champion, name, scores, seed) for name in others),
        other_pairs=tuple(_pair(a, b, scores, seed) for a, b in combinations(others, 2)),
        seed=seed,
        code_version=code_version(),
    )


def write_evaluation(evaluation: Evaluation, path: Path) -> None:
    """Write `evaluation.json` whole or not at all: a reader never meets half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        draft.write_text(json.dumps(asdict(evaluation), indent=2, allow_nan=False) + "\n", encoding="utf-8")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def read_evaluation(path: Path) -> Evaluation:
    """Read an evaluation back; ValueError when the file is not one."""
    if path.stat().st_size > MAX_EVALUATION_BYTES:
        raise ValueError(f"{path} is larger than {MAX_EVALUATION_BYTES} bytes: it cannot be an evaluation.")
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        papers = [row.pop("paper") for row in told["models"]]
        chances = [[pair.pop("p_value", None) for pair in told.get(key, ())] for key in ("paired", "other_pairs")]
        found = cast("Evaluation", build(Evaluation, told, path.name))
        rows = zip(found.models, papers, strict=True)
        return replace(
            found,
            models=tuple(replace(row, paper=_read_paper(paper, path.name)) for row, paper in rows),
            paired=_with_chances(found.paired, chances[0]),
            other_pairs=_with_chances(found.other_pairs, chances[1]),
        )
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not an evaluation ({error!r}): run `pixelbytes evaluate` again.") from error


def evaluation_table(evaluation: Evaluation) -> Table:
    """Return the table a terminal shows, best model first."""
    on = evaluation.dataset
    table = Table(title=f"{on.ref}, {on.split}: bits per record (less is better)", title_justify="left")
    table.add_column("model", no_wrap=True, min_width=12)
    for heading in (
        "total",
        "95 %",
        "shape",
        "pixels",
        "row ends",
        "caption",
        "per pixel",
        "per char",
        "right",
        "numbers",
    ):
        table.add_column(heading, justify="right", no_wrap=True, min_width=7 if heading == "total" else None)
    for row in sorted(evaluation.models, key=lambda model: model.bits_per_record.total):
        bits = row.bits_per_record
        table.add_row(
            row.name,
            f"{bits.total:,.1f}",
            f"{bits.ci95[0]:,.0f}-{bits.ci95[1]:,.0f}",
            *(f"{part:,.1f}" for part in (bits.shape, bits.pixels, bits.row_ends, bits.caption)),
            f"{row.bits_per_pixel:.3f}",
            f"{row.bits_per_character:.3f}",
            f"{row.accuracy.total:.1%}",
            f"{row.parameters:,}",
            style="bold" if row.name == evaluation.best.name else "",
        )
    return table


def _row(model: LanguageModel, scores: Scores, seed: int) -> ModelScore:
    mean = scores.bits.mean(axis=0)
    return ModelScore(
        name=model.name,
        kind=model.kind,
        parameters=int(model.parameters),
        bits_per_record=RecordBits(
            total=float(mean.sum()),
            shape=float(mean[Part.SHAPE]),
            pixels=float(mean[Part.PIXELS]),
            row_ends=float(mean[Part.ROW_ENDS]),
            caption=float(mean[Part.CAPTION]),
            ci95=_ends(bootstrap_mean(scores.record_bits, seed)),
        ),
        bits_per_pixel=scores.bits_per_pixel,
        bits_per_character=scores.bits_per_character,
        accuracy=Accuracy(
            total=scores.accuracy(),
            pixels=scores.accuracy(Part.PIXELS),
            row_ends=scores.accuracy(Part.ROW_ENDS),
            caption=scores.accuracy(Part.CAPTION),
        ),
        paper=None,
        seconds=scores.seconds,
    )


def _pair(a: str, b: str, scores: dict[str, Scores], seed: int) -> Paired:
    difference = scores[a].record_bits - scores[b].record_bits
    return Paired(
        a=a,
        b=b,
        difference_bits=float(difference.mean()),
        ci95=_ends(bootstrap_mean(difference, seed)),
        p_value=sign_flip_p(difference, seed),
    )


def _ends(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high


def _read_paper(told: object, where: str) -> PaperScores | None:
    return None if told is None else cast("PaperScores", build(PaperScores, told, f"{where}: paper"))


def _with_chances(pairs: Sequence[Paired], told: Sequence[object]) -> tuple[Paired, ...]:
    """Return the pairs with their p-values, which older versions did not tell."""
    out = []
    for pair, chance in zip(pairs, told, strict=True):
        if chance is not None and not (isinstance(chance, float) and 0 < chance <= 1):
            raise ValueError(f"the p_value of {pair.a} and {pair.b} is {chance!r}: it is a number above 0, up to 1.")
        out.append(replace(pair, p_value=chance))
    return tuple(out)
