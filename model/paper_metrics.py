"""The paper's three metrics under its own protocol, and what the protocol hides.

From every 80th place of a record on, 64 windows are read and 16 tokens drawn greedily; the k×k windows of the drawn
tokens are compared, flattened, with those of the true ones. `wrap` is the paper's way with a record's end: an excerpt
that reaches it goes on at the same record's beginning. Axes: E excerpts, n tokens continued, k side of a window.

Seven of the nine cells of a text window are always 0 and a picture's neighbours lie close in id, so wrong tokens score
well; `centre_accuracy` counts the tokens themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64, Shaped, UInt8

from model.batches import TokenTable
from model.continuation import ContinuingModel, ExcerptNetwork, aligned, continue_greedily, visible_start
from model.language_model import LanguageModel
from model.network import NetworkModel
from model.paper_protocol import PaperProtocol, PaperScores, PaperVariant
from palettes.vocabulary import FIRST_COLOUR, LF
from pipeline.windows import WindowStream

BLEU_ORDERS = 4  # n-grams of 1 to 4 cells, weighted alike
CELL = 256  # base of packed n-grams: an id fits one digit


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpts:
    """What is asked of a model."""

    contexts: tuple[UInt8[np.ndarray, "_"], ...]  # each from its record's beginning to the last token given
    targets: UInt8[np.ndarray, "E n"]  # the true tokens after it
    inside: Bool[np.ndarray, "E"]  # it ends before its record does


NOT_ROUND, WHOLE = PaperProtocol(wrap=False), PaperProtocol(wrap=False, reads="record")


def paper_scores(model: LanguageModel | ContinuingModel, table: TokenTable) -> PaperScores:
    """Return the metrics under the paper's protocol and, where any record is long enough, without going round.

    Then they are told twice: of the excerpts alone, and of all that came before in the record, which is how our own
    networks are trained. A network that reads backwards has the first only; count models read the record both times.
    """
    asked, own = excerpts_of(table, PaperProtocol()), PaperProtocol()
    drawn = continue_greedily(model, asked.contexts, own.continued, own.given, own.reads)
    found = compare(asked, drawn, own)
    variants = []
    if asked.inside.any():
        inside = np.flatnonzero(asked.inside)
        some = Excerpts(
            contexts=tuple(asked.contexts[i] for i in inside),
            targets=asked.targets[inside],
            inside=asked.inside[inside],
        )
        variants.append(compare(some, drawn[inside], NOT_ROUND))
        if isinstance(model, NetworkModel | ContinuingModel):
            variants += [] if isinstance(model, ExcerptNetwork) else [measure(model, table, WHOLE)]
        else:
            variants.append(replace(variants[0], reads=WHOLE.reads))
    return PaperScores(
        hamming=found.hamming,
        cosine=found.cosine,
        bleu=found.bleu,
        centre_accuracy=found.centre_accuracy,
        std=found.std,
        excerpts=found.excerpts,
        text_accuracy=found.text_accuracy,
        other_accuracy=found.other_accuracy,
        variants=tuple(variants),
    )


def measure(model: LanguageModel | ContinuingModel, table: TokenTable, protocol: PaperProtocol) -> PaperVariant:
    """Return the metrics of one model on a split; ValueError when no record is long enough for the protocol."""
    asked = excerpts_of(table, protocol)
    if not asked.contexts:
        need = protocol.given + protocol.continued
        raise ValueError(
            f"no record of the {len(table)} gives an excerpt of {need} tokens: score another split, or with wrap."
        )
    drawn = continue_greedily(model, asked.contexts, protocol.continued, protocol.given, protocol.reads)
    return compare(asked, drawn, protocol)


def compare(asked: Excerpts, drawn: UInt8[np.ndarray, "E n"], protocol: PaperProtocol) -> PaperVariant:
    """Return the metrics of tokens already drawn; true tokens give 0, 1 and 1."""
    flat = (len(drawn), drawn.shape[1] * protocol.k**2)
    found = continued_windows(asked.contexts, drawn, protocol.k).reshape(flat)
    true = continued_windows(asked.contexts, asked.targets, protocol.k).reshape(flat)
    columns = (hamming(found, true), cosine(found, true), bleu(found, true))
    right, text = drawn == asked.targets, (asked.targets > LF) & (asked.targets < FIRST_COLOUR)
    return PaperVariant(
        wrap=protocol.wrap,
        reads=protocol.reads,
        excerpts=len(drawn),
        hamming=float(columns[0].mean()),
        cosine=float(columns[1].mean()),
        bleu=float(columns[2].mean()),
        std=(_std(columns[0]), _std(columns[1]), _std(columns[2])),
        centre_accuracy=float(right.mean()),
        text_accuracy=_mean(right[text]),
        other_accuracy=_mean(right[~text]),
    )


def excerpts_of(table: TokenTable, protocol: PaperProtocol) -> Excerpts:
    """Cut the excerpts of every record, one after the other; with `wrap` the last of each may go round."""
    length = protocol.given + protocol.continued
    contexts: list[UInt8[np.ndarray, "_"]] = []
    targets, inside = [], []
    for i in range(len(table)):
        record = table.record(i)
        for start in range(0, len(record) if protocol.wrap else len(record) - length + 1, length):
            ids = record[np.arange(start + length) % len(record)]
            contexts.append(ids[: -protocol.continued])
            targets.append(ids[-protocol.continued :])
            inside.append(start + length <= len(record))
    joined = np.array(targets, dtype=np.uint8).reshape(len(targets), protocol.continued)
    return Excerpts(contexts=tuple(contexts), targets=joined, inside=np.array(inside, dtype=np.bool_))


def continued_windows(
    contexts: Sequence[UInt8[np.ndarray, "_"]], continued: UInt8[np.ndarray, "E n"], k: int
) -> UInt8[np.ndarray, "E n k k"]:
    """Return the windows of tokens that follow their contexts, whether they make a well-formed record or not."""
    stream = WindowStream(len(contexts), k)
    for column in aligned([context[visible_start(context, k) :] for context in contexts]).T:
        stream.push(column)
    return np.stack([stream.push(column) for column in continued.T], axis=1)


def hamming(found: UInt8[np.ndarray, "E c"], true: UInt8[np.ndarray, "E c"]) -> Float64[np.ndarray, "E"]:
    """Return the share of cells that differ."""
    share: Float64[np.ndarray, "E"] = (found != true).mean(axis=1)
    return share


def cosine(found: UInt8[np.ndarray, "E c"], true: UInt8[np.ndarray, "E c"]) -> Float64[np.ndarray, "E"]:
    """Return the cosine of the angle between the vectors of ids; 0 where one of them is all zeros."""
    a, b = found.astype(np.float64), true.astype(np.float64)
    norms = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    return np.asarray(np.divide((a * b).sum(axis=1), norms, out=np.zeros(len(a)), where=norms > 0), dtype=np.float64)


def bleu(found: UInt8[np.ndarray, "E c"], true: UInt8[np.ndarray, "E c"]) -> Float64[np.ndarray, "E"]:
    """Return sentence BLEU with cells as words: orders 1 to 4 weighted alike, one reference, no smoothing.

    The lengths are equal, so there is no brevity penalty. Where an order has no match the score is 0 (the library that
    the paper used puts the smallest positive float there, which gives less than 1e-76).
    """
    logs = np.zeros(len(found))
    with np.errstate(divide="ignore"):
        for order in range(1, min(BLEU_ORDERS, found.shape[1]) + 1):
            grams = found.shape[1] - order + 1
            logs += np.log(_matches(_grams(found, order), _grams(true, order)) / grams) / BLEU_ORDERS
    return np.exp(logs)


def _grams(rows: UInt8[np.ndarray, "E c"], order: int) -> Int64[np.ndarray, "E g"]:
    """Return each n-gram as one number that names its excerpt too."""
    out = np.broadcast_to(np.arange(len(rows))[:, None], (len(rows), rows.shape[1] - order + 1)).astype(np.int64)
    for i in range(order):
        out = out * CELL + rows[:, i : rows.shape[1] - order + 1 + i]
    return out


def _matches(found: Int64[np.ndarray, "E g"], true: Int64[np.ndarray, "E g"]) -> Int64[np.ndarray, "E"]:
    """Count the n-grams of each excerpt that the reference holds too, each as often as it stands there at most."""
    kinds, place, counts = np.unique(found, return_index=True, return_counts=True)
    known, held = np.unique(true, return_counts=True)
    _, ours, theirs = np.intersect1d(kinds, known, assume_unique=True, return_indices=True)
    clipped = np.minimum(counts[ours], held[theirs])
    return np.bincount(place[ours] // found.shape[1], weights=clipped, minlength=len(found)).astype(np.int64)


def _mean(values: Shaped[np.ndarray, "_"]) -> float:
    return float(values.mean()) if len(values) else 0.0


def _std(values: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """Return the sample's standard deviation; 0 of a single excerpt."""
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0
