"""What a model pays for records, in bits by part, and how often its best guess is right.

Axes: R records, P parts (shape, pixels, row ends, caption), L tokens of a record, V vocabulary.
Bits are -log2 p(token | tokens before it), summed: exact, and comparable between any models of the same records.
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from model.batches import TokenTable
from model.language_model import BatchedLanguageModel, LanguageModel
from palettes.vocabulary import BYTES, LF
from pipeline.tokenizer import Part, parts

FLIPS = 1999  # of the sign-flip test; the smallest p it can tell is 1 / (FLIPS + 1)
FLIPS_AT_ONCE = 250
RESAMPLES = 2000  # of the bootstrap; the bounds move by less than 1 % between seeds
COVERED = 0.95
CHUNK = 64  # records asked at once of a model that batches
SUM_TOLERANCE = 1e-6  # how far from 1 a row's probabilities may add up before the model is refused
NO_BREAK_SPACE_TAIL = BYTES.index(0xA0)  # the second byte of the one character that takes two


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A 95 % bootstrap interval of a mean."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What one model paid for each record of a table, by part."""

    bits: Float64[np.ndarray, "R P"]
    hits: Int64[np.ndarray, "R P"]  # tokens that were the model's most probable one
    tokens: Int64[np.ndarray, "R P"]
    characters: int  # of all captions
    seconds: float  # spent asking the model

    @property
    def record_bits(self) -> Float64[np.ndarray, "R"]:
        """Bits of each record."""
        total: Float64[np.ndarray, "R"] = self.bits.sum(axis=1)
        return total

    @property
    def bits_per_pixel(self) -> float:
        """Bits of the pixels alone, per pixel; row ends and shape are not in it."""
        return _ratio(self.bits[:, Part.PIXELS].sum(), self.tokens[:, Part.PIXELS].sum())

    @property
    def bits_per_character(self) -> float:
        """Bits of the captions with the ends they cost, per character."""
        return _ratio(self.bits[:, Part.CAPTION].sum(), float(self.characters))

    def accuracy(self, part: Part | None = None) -> float:
        """Return the share of tokens that were the most probable one, of one part or of all."""
        chosen = slice(None) if part is None else part
        return _ratio(self.hits[:, chosen].sum(), self.tokens[:, chosen].sum())


def score(model: LanguageModel, table: TokenTable) -> Scores:
    """Ask `model` for every token of `table` and add up what it pays.

    Raises ValueError when the table is empty, or when the model's rows are no distributions: then bits mean nothing.
    """
    if not len(table):
        raise ValueError("the split holds no records, so there is nothing to score: choose another split.")
    records = [table.record(i) for i in range(len(table))]
    bits, hits, tokens = np.zeros((3, len(records), len(Part)))
    seconds = 0.0
    for start in range(0, len(records), CHUNK):
        chunk = records[start : start + CHUNK]
        began = time.perf_counter()
        answers = _ask(model, chunk)
        seconds += time.perf_counter() - began
        for i, (record, logs) in enumerate(zip(chunk, answers, strict=True), start=start):
            _refuse_if_no_distribution(model.name, table.record_ids[i], record, logs)
            bits[i], hits[i], tokens[i] = _by_part(record, logs)
    return Scores(
        bits=bits,
        hits=hits.astype(np.int64),
        tokens=tokens.astype(np.int64),
        characters=sum(_characters(record) for record in records),
        seconds=seconds,
    )


def bootstrap_mean(values: Float64[np.ndarray, "R"], seed: int) -> Interval:
    """Return the 95 % interval of the mean over records drawn again with replacement; the same seed, the same bounds.

    >>> bootstrap_mean(np.array([2.0, 2.0]), seed=0)
    Interval(low=2.0, high=2.0)
    """
    rng = np.random.default_rng(seed)
    means = [  # the same draws as one by one
        values[rng.integers(0, len(values), (RESAMPLES // 8, len(values)))].mean(axis=1) for _ in range(8)
    ]
    low, high = np.quantile(means, [(1 - COVERED) / 2, (1 + COVERED) / 2])
    return Interval(low=float(low), high=float(high))


def sign_flip_p(differences: Float64[np.ndarray, "R"], seed: int) -> float:
    """Return how often chance alone moves the mean as far from 0, each difference being as likely with either sign.

    Two-sided, by FLIPS random flips that the seed decides; what is seen counts as one of them.

    >>> sign_flip_p(np.zeros(5), seed=0), sign_flip_p(np.arange(1.0, 40.0), seed=0)
    (1.0, 0.0005)
    """
    rng = np.random.default_rng(seed)
    seen = abs(float(differences.mean())) * (1 - 1e-12)  # a flip of all signs is as far, whatever the rounding
    farther = 0
    for done in range(0, FLIPS, FLIPS_AT_ONCE):
        flips = rng.integers(0, 2, size=(min(FLIPS_AT_ONCE, FLIPS - done), len(differences)), dtype=np.int8)
        means = ((1.0 - 2.0 * flips) @ differences) / len(differences)
        farther += int((np.abs(means) >= seen).sum())
    return (1 + farther) / (FLIPS + 1)


def _ask(model: LanguageModel, records: list[UInt8[np.ndarray, "_"]]) -> list[Float64[np.ndarray, "_ V"]]:
    if isinstance(model, BatchedLanguageModel):
        return model.batch_log_probs(records)
    return [model.log_probs(record) for record in records]


def _refuse_if_no_distribution(
    name: str, record_id: str, record: UInt8[np.ndarray, "L"], logs: Float64[np.ndarray, "L V"]
) -> None:
    if len(logs) != len(record):
        raise ValueError(
            f"{name} gave {len(logs)} rows for the {len(record)} tokens of {record_id}: one is needed for each."
        )
    sums = np.exp(logs).sum(axis=1)
    off = int(np.argmax(np.abs(sums - 1)))
    if not abs(sums[off] - 1) <= SUM_TOLERANCE:
        raise ValueError(
            f"{name} gives token {off} of {record_id} probabilities that add up to {sums[off]:.6f}, not 1: "
            "its bits would not be exact. Normalise its rows."
        )
    paid = logs[np.arange(len(record)), record]
    if not np.isfinite(paid).all():
        raise ValueError(
            f"{name} calls token {int(np.argmin(paid))} of {record_id} impossible: smooth its distribution."
        )


def _by_part(record: UInt8[np.ndarray, "L"], logs: Float64[np.ndarray, "L V"]) -> Float64[np.ndarray, "3 P"]:
    """Return bits, hits and tokens of one record by part."""
    part = parts(record)
    bits = -logs[np.arange(len(record)), record] / np.log(2)
    right = logs.argmax(axis=1) == record
    return np.stack([np.bincount(part, weights=w, minlength=len(Part)) for w in (bits, right, np.ones(len(record)))])


def _characters(record: UInt8[np.ndarray, "L"]) -> int:
    caption = record[parts(record) == Part.CAPTION]
    return int(((caption != LF) & (caption != NO_BREAK_SPACE_TAIL)).sum())


def _ratio(amount: float | np.number[Any], count: float | np.number[Any]) -> float:
    return float(amount) / float(count) if count else 0.0
