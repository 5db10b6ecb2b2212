"""The information audit: what a tokenisation could say, what its records do say, and so what a token costs.

Capacity is L·log2 V, the bits of L ids each of which could be any of V. Exact bits are -log2 p of the best count model:
models learn on the training split, the best of each part is chosen on validation, and its bits are those of the split
asked for. A picture's and a caption's amounts add up to the record's. Lossless is meant with regard to the release's
own sprite (pipeline/image_tokenizer.py) and is tried, not believed: every picture is encoded and decoded again.
Axes: R records of a split, L ids of one record, V ids to choose from.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64, UInt8, UInt16

from model.baselines import fit_baselines
from model.batches import TokenSource, TokenTable, load_tokens
from model.distortion import Distortion, Lab, Originals, distortion, lab_of
from model.evaluate import EvaluatedOn
from model.id_counts import fit_id_chain
from model.metrics import Scores, score
from model.part_costs import CHOSEN_ON, Costs, PartAudit, best_paid
from model.plain_sizes import Reference, reference_sizes
from palettes.vocabulary import Vocabulary
from pipeline.image_tokenizer import ImageTokenizer, PaletteTokenizer, image_tokenizers, round_trip
from pipeline.records import DatasetVersion, Split
from pipeline.tokenizer import Part, decode_record, parts

LARGEST_VOCABULARY = 1 << 16  # what a 16-bit id reaches
Progress = Callable[[int, int], None]  # steps done, steps in all


@runtime_checkable
class AuditSource(TokenSource, Protocol):
    """What can be audited: a release."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The vocabulary of its ids."""

    @property
    def version(self) -> DatasetVersion:
        """What it is called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenisationAudit:
    """One tokenisation. Its bits are exact for its ids; of the sprites they are that only where it is lossless."""

    name: str
    lossless: bool
    flag: Literal["exact", "lossy"]
    picture: PartAudit
    caption: PartAudit
    record: PartAudit
    against_sprite: Distortion  # 0 where it is lossless
    against_original: Distortion | None  # what the palette lost included


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What an audit found."""

    dataset: EvaluatedOn
    records: int
    pixels: float  # per record
    characters: float  # per record
    learned_on: int  # training records
    chosen_on: Split
    tokenisations: tuple[TokenisationAudit, ...]
    references: tuple[Reference, ...]
    palette_loss: Distortion | None  # of the release's sprites against their pictures before quantization
    not_measured: str  # why it is not, or not on all records; empty where it is


def audit(
    release: AuditSource,
    split: Split = CHOSEN_ON,
    *,
    tokenizers: Sequence[ImageTokenizer] = (),
    originals: Originals = Originals(),  # noqa: B008 - frozen
    progress: Progress = lambda _done, _all: None,
) -> Audit:
    """Audit the tokenisations of a release (its own ones unless others are given) on one split.

    ValueError for the training split, an empty split, two tokenizers of one name, and for a tokenizer that breaks a
    promise: an id beyond its vocabulary, another shape, or a sprite that a lossless one does not give back.
    """
    if split == "train":
        raise ValueError("the count models learn on the training split: audit validation or test.")
    compared = tuple(tokenizers) or image_tokenizers(release.vocabulary)
    _require_names(compared)
    steps = 2 + len(compared)
    progress(0, steps)
    corpus = _Corpus(by_split={name: _Side.load(release, name) for name in ("train", *_scored(split))}, split=split)
    progress(1, steps)
    bench = _Bench(corpus, release.vocabulary, _judge(corpus, release.vocabulary), originals)
    progress(2, steps)
    found: list[TokenisationAudit] = []
    for tokenizer in compared:
        found.append(bench.audit(tokenizer))
        progress(2 + len(found), steps)
    here, on = corpus.here, release.version
    return Audit(
        dataset=EvaluatedOn(ref=on.ref, revision=on.revision, digest=on.digest, split=split),
        records=len(here.sprites),
        pixels=float(here.pixels.mean()),
        characters=float(here.characters.mean()),
        learned_on=len(corpus.by_split["train"].sprites),
        chosen_on=CHOSEN_ON,
        tokenisations=tuple(found),
        references=reference_sizes(
            float(here.pixels.mean()), release.table("records", split)["image"].to_pylist(), here.records
        ),
        palette_loss=bench.against_originals(here.sprites),
        not_measured=originals.lacking,
    )


def _require_names(tokenizers: Sequence[ImageTokenizer]) -> None:
    names = [tokenizer.name for tokenizer in tokenizers]
    if len(set(names)) != len(names):
        raise ValueError(f"the tokenizers are named {names}: give each its own name.")
    for one in tokenizers:
        if not 1 <= one.vocab_size <= LARGEST_VOCABULARY:
            raise ValueError(f"{one.name} has {one.vocab_size} ids: choose 1 to {LARGEST_VOCABULARY:,} (16 bits).")


def _scored(split: Split) -> tuple[Split, ...]:
    """Return the splits whose bits are wanted: where models are chosen, and the one asked for."""
    return (CHOSEN_ON,) if split == CHOSEN_ON else (CHOSEN_ON, split)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """One split: its records whole, and in parts."""

    table: TokenTable
    records: tuple[UInt8[np.ndarray, "_"], ...]
    sprites: tuple[UInt8[np.ndarray, "_ _"], ...]
    captions: tuple[UInt16[np.ndarray, "_"], ...]  # ids, the end included
    characters: Int64[np.ndarray, "R"]

    @classmethod
    def load(cls, release: AuditSource, split: Split) -> "_Side":
        table = load_tokens(release, split)
        if not len(table):
            raise ValueError(f"the {split} split holds no records, and an audit needs some: build a larger release.")
        records = tuple(table.record(i) for i in range(len(table)))
        decoded = [decode_record(record, release.vocabulary) for record in records]
        return cls(
            table=table,
            records=records,
            sprites=tuple(sprite for sprite, _ in decoded),
            captions=tuple(record[parts(record) == Part.CAPTION].astype(np.uint16) for record in records),
            characters=np.array([len(caption) for _, caption in decoded], dtype=np.int64),
        )

    @property
    def pixels(self) -> Int64[np.ndarray, "R"]:
        """Pixels of each sprite."""
        return np.array([sprite.size for sprite in self.sprites], dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Corpus:
    """The splits that an audit reads, and the one that it speaks of."""

    by_split: Mapping[Split, _Side]
    split: Split

    @property
    def here(self) -> _Side:
        """The split that the audit speaks of."""
        return self.by_split[self.split]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """What the models of the release's own ids paid, by part of the record."""

    picture: Costs
    caption: Costs


def _judge(corpus: _Corpus, vocabulary: Vocabulary) -> _Judged:
    """Score the baselines on whole records, as an evaluation does, and a chain on the captions alone."""
    models = fit_baselines(corpus.by_split["train"].table, vocabulary)
    scored: dict[str, dict[Split, Scores]] = {
        model.name: {split: score(model, corpus.by_split[split].table) for split in _scored(corpus.split)}
        for model in models
    }
    picture = {
        name: {split: one.record_bits - one.bits[:, Part.CAPTION] for split, one in by_split.items()}
        for name, by_split in scored.items()
    }
    caption = {
        name: {split: one.bits[:, Part.CAPTION] for split, one in by_split.items()} for name, by_split in scored.items()
    }
    captions = {split: side.captions for split, side in corpus.by_split.items()}
    return _Judged(picture=picture, caption={**caption, **_chain(captions, len(vocabulary))})


def _chain(ids: Mapping[Split, Sequence[UInt16[np.ndarray, "_"]]], size: int) -> Costs:
    """Fit the one model that any ids can have."""
    model = fit_id_chain(ids["train"], size)
    return {model.name: {split: model.bits(records) for split, records in ids.items() if split != "train"}}


@dataclass(frozen=True, slots=True)
class _Bench:
    """What every tokenizer is measured with."""

    corpus: _Corpus
    vocabulary: Vocabulary
    judged: _Judged
    originals: Originals

    def audit(self, tokenizer: ImageTokenizer) -> TokenisationAudit:
        """Measure one tokenizer."""
        here, split = self.corpus.here, self.corpus.split
        tried = {
            name: [round_trip(tokenizer, *one) for one in zip(side.sprites, side.table.record_ids, strict=True)]
            for name, side in self.corpus.by_split.items()
        }
        ids = {name: [coded for coded, _ in pairs] for name, pairs in tried.items()}
        back = [sprite for _, sprite in tried[split]]
        costs = _chain(ids, tokenizer.vocab_size)
        if isinstance(tokenizer, PaletteTokenizer):  # these ids are the release's own, so its models have read them
            costs = {**costs, **self.judged.picture}
        picture = best_paid(ids[split], tokenizer.vocab_size, costs, split)
        caption = best_paid(here.captions, len(self.vocabulary), self.judged.caption, split)
        pairs = zip(here.table.record_ids, self._labs(back), self._labs(here.sprites), strict=True)
        return TokenisationAudit(
            name=tokenizer.name,
            lossless=tokenizer.lossless,
            flag="exact" if tokenizer.lossless else "lossy",
            picture=picture.told(here.pixels),
            caption=caption.told(here.characters),
            record=picture.with_rest(caption).told(None),
            against_sprite=distortion(pairs),
            against_original=self.against_originals(back),
        )

    def against_originals(self, sprites: Sequence[UInt8[np.ndarray, "_ _"]]) -> Distortion | None:
        """Compare sprites of the split with the pictures they were made from; None where there are none."""
        pictures = self.originals.pictures
        drawn = zip(self.corpus.here.table.record_ids, self._labs(sprites), strict=True)
        pairs = [(name, lab, lab_of(pictures[name])) for name, lab in drawn if name in pictures]
        return distortion(pairs) if pairs else None

    def _labs(self, sprites: Sequence[UInt8[np.ndarray, "_ _"]]) -> list[Lab]:
        colours = lab_of(self.vocabulary.palette.rgb[None])[0]  # (C, 3)
        return [colours[sprite] for sprite in sprites]
