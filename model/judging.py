"""Judge models on a release: bits beside the baselines; the paper's metrics, validity and copies when asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float64, UInt8

from model.baseline_files import Baseline
from model.baselines import fit_baselines
from model.batches import TokenTable, load_tokens
from model.evaluate import Evaluation, PaperMeasure, evaluate
from model.generate import SampleConfig, draw_samples
from model.grammar import Grammar
from model.language_model import Kind, LanguageModel
from model.memorisation import Sprite, memorisation
from model.network import NetworkModel
from model.paper_metrics import paper_scores
from model.paper_protocol import PaperScores
from model.sample_scores import ModelMemorisation, ModelValidity
from model.validity import network_sampler, unconstrained_validity
from palettes.vocabulary import Vocabulary
from pipeline.records import Split
from pipeline.release import Release
from pipeline.tokenizer import decode_record

Paper = Literal["none", "main", "all"]  # whom the paper's metrics are measured of; main: networks and MARK
PAPERS: tuple[Paper, ...] = ("none", "main", "all")
MARK = "Counts2D"  # the baseline that a network has to beat
SEED = 0
DRAWN = 64  # from nothing, after a training: as fast as a few, since they are drawn side by side
PAPER_TOKENS = 100_000  # of a split; with more of them the paper's metrics take minutes, so they are left to who asks
DRAW = SampleConfig(max_caption=1400)  # the model's own odds: cutting the tail cuts the rare start of an outline


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """What is measured beside bits."""

    paper: Paper = "none"
    validity: int = 0  # records drawn without the grammar
    memorisation: int = 0  # pictures drawn with it, to be held against the training split

    def __post_init__(self) -> None:
        """Refuse counts below 0."""
        if min(self.validity, self.memorisation) < 0:
            raise ValueError(
                f"{self.validity} records for validity and {self.memorisation} for memorisation: give 1 or more, or "
                "none at all."
            )

    def joined(self, other: "Extras") -> "Extras":
        """Return what holds both: the larger of each."""
        return Extras(
            paper=max(self.paper, other.paper, key=PAPERS.index),
            validity=max(self.validity, other.validity),
            memorisation=max(self.memorisation, other.memorisation),
        )


NOTHING_MORE = Extras()


def usual_extras(release: Release) -> Extras:
    """Return what is measured after a training, within seconds: the paper's metrics on splits of modest size only."""
    small = len(load_tokens(release, "test").ids) <= PAPER_TOKENS
    return Extras(paper="main" if small else "none", validity=DRAWN, memorisation=DRAWN)


def extras_of(evaluation: Evaluation) -> Extras:
    """Return what an evaluation holds beside bits."""
    papers = [row.paper is not None for row in evaluation.models]
    return Extras(
        paper="all" if all(papers) else "main" if any(papers) else "none",
        validity=min((one.found.drawn for one in evaluation.validity), default=0),
        memorisation=min((one.found.sampled for one in evaluation.memorisation), default=0),
    )


class Renamed:
    """A count model under another name in tables: two of one name cannot stand side by side."""

    def __init__(self, model: Baseline, name: str) -> None:
        """Wrap it; a network has its name from its NetworkModel."""
        self.model, self.name = model, name
        self.kind: Kind = model.kind
        self.parameters = model.parameters

    def log_probs(self, record: UInt8[np.ndarray, "L"]) -> Float64[np.ndarray, "L V"]:
        """Return natural log p(next token | ids before it)."""
        return self.model.log_probs(record)

    def next_log_probs(self, prefixes: Sequence[UInt8[np.ndarray, "_"]]) -> Float64[np.ndarray, "E V"]:
        """Return the same for the token after each prefix alone."""
        return self.model.next_log_probs(prefixes)


def judge(
    release: Release,
    models: Sequence[LanguageModel],
    extras: Extras = NOTHING_MORE,
    split: Split = "test",
) -> Evaluation:
    """Score models beside all baselines, which are fitted to the training split alone, on a split.

    Whatever is drawn comes from seed 0, so that the same models give the same evaluation. ValueError when two models
    have one name, a baseline's included.
    """
    one_thread()
    train, table = load_tokens(release, "train"), load_tokens(release, split)
    every = [*models, *fit_baselines(train, release.vocabulary)]
    measure = _measure(extras.paper)
    found = evaluate(every, table, release.version, split, SEED, paper=measure)
    networks = [model for model in models if isinstance(model, NetworkModel)]
    how = drawing(release)
    return replace(
        found,
        validity=_validity(networks, release.vocabulary, how, extras.validity) if extras.validity else (),
        memorisation=(
            _memorisation(networks, release.vocabulary, how, (train, table), extras.memorisation)
            if extras.memorisation
            else ()
        ),
    )


def drawing(release: Release) -> SampleConfig:
    """Return how a network trained on a release draws: with its own odds, pictures as large as the release's."""
    try:
        return replace(DRAW, max_side=release.manifest.config().pictures.max_side)
    except ValueError:  # made by an older transform, when all were small
        return DRAW


def one_thread() -> None:
    """Let torch use one thread: small networks gain little from two, and lose a hundredfold on a busy machine."""
    torch.set_num_threads(1)


def sprites_of(table: TokenTable, vocabulary: Vocabulary) -> list[Sprite]:
    """Return the pictures of a split, in its order."""
    return [decode_record(table.record(i), vocabulary)[0] for i in range(len(table))]


def _measure(paper: Paper) -> PaperMeasure | None:
    def of_main(model: LanguageModel, table: TokenTable) -> PaperScores | None:
        return paper_scores(model, table) if model.kind == "network" or model.name == MARK else None

    return {"none": None, "main": of_main, "all": paper_scores}[paper]


def _validity(
    networks: Sequence[NetworkModel], vocabulary: Vocabulary, how: SampleConfig, count: int
) -> tuple[ModelValidity, ...]:
    grammar = Grammar(vocabulary, "image_first", how.max_side, how.max_caption)
    return tuple(
        ModelValidity(
            model=model.name,
            seed=SEED,
            found=unconstrained_validity(network_sampler(model.network, vocabulary, how), grammar, count, SEED),
        )
        for model in networks
    )


def _memorisation(
    networks: Sequence[NetworkModel],
    vocabulary: Vocabulary,
    how: SampleConfig,
    splits: tuple[TokenTable, TokenTable],
    count: int,
) -> tuple[ModelMemorisation, ...]:
    train, held_out = (sprites_of(table, vocabulary) for table in splits)
    nothing = [np.zeros(0, dtype=np.uint8)] * count
    found = []
    for model in networks:
        drawn = draw_samples(model.network, vocabulary, nothing, "image_first", replace(how, seed=SEED))
        scores = memorisation([one.sprite for one in drawn], train, held_out)
        found.append(ModelMemorisation(model=model.name, seed=SEED, found=scores))
    return tuple(found)
