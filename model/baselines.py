"""Predictors that only count: the honest floor every network is compared with.

All are LanguageModels: exact, causal, finite for any record. None is told the record grammar (row ends are predicted,
not forced), and neither are networks, so that bits compare. Fitted on whole records, image first.
Axes: L tokens of one record, N tokens of a split, V vocabulary.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from model.batches import TokenTable
from model.counts import CountChain, count_chain, learn_leaning, pack
from model.language_model import Kind, LanguageModel
from model.layout import NOTHING, PICTURE, Layout, layout
from palettes.vocabulary import FIRST_COLOUR, LF, NUL, Vocabulary

TEXT_ORDER = 5  # tokens of an n-gram, the predicted one included
SPACE = 3
HELD_OUT = 8  # every eighth training record chooses how far Counts2D leans on shorter contexts
Guess = Callable[[Layout, Int64[np.ndarray, "2"]], Int64[np.ndarray, "L"]]  # from the places and the modes


@dataclass(frozen=True, slots=True, kw_only=True)
class GuessModel:
    """One deterministic guess per token, believed as often as it was right in training; the rest goes by frequency."""

    name: str  # one of GUESSES: it says how to guess
    modes: Int64[np.ndarray, "2"]  # the commonest id of text and of pictures, which ModalityMode guesses
    trust: float  # share of the training guesses that were right
    unigram: Float64[np.ndarray, "V"]
    parameters: int
    kind: Kind = "baseline"

    def guess(self, seen: Layout) -> Int64[np.ndarray, "L"]:
        """Return the id expected at each place, NOTHING where there is none."""
        return GUESSES[self.name](seen, self.modes)

    def log_probs(self, record: UInt8[np.ndarray, "L"]) -> Float64[np.ndarray, "L V"]:
        """Return natural log p(next token | ids before it)."""
        return self._believed(self.guess(layout(record)))

    def next_log_probs(self, prefixes: Sequence[UInt8[np.ndarray, "_"]]) -> Float64[np.ndarray, "E V"]:
        """Return the same for the token after each prefix alone."""
        return self._believed(_last([self.guess(layout(_asked(prefix))) for prefix in prefixes]))

    def _believed(self, guessed: Int64[np.ndarray, "L"]) -> Float64[np.ndarray, "L V"]:
        rows = self.unigram * ((1 - self.trust) / (1 - self.unigram))[:, None]  # row g: what is left beside guess g
        np.fill_diagonal(rows, self.trust)
        logs: Float64[np.ndarray, "L V"] = np.log(np.vstack([rows, self.unigram]))[
            np.where(guessed == NOTHING, len(rows), guessed)
        ]
        return logs


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainModel:
    """An n-gram: the ids before, however far they may reach back across rows and segments."""

    name: str
    order: int  # tokens, the predicted one included
    chain: CountChain
    kind: Kind = "baseline"

    @property
    def parameters(self) -> int:
        """Counts held."""
        return self.chain.parameters

    def log_probs(self, record: UInt8[np.ndarray, "L"]) -> Float64[np.ndarray, "L V"]:
        """Return natural log p(next token | ids before it)."""
        return self.chain.log_probabilities(_history(record, self.order))

    def next_log_probs(self, prefixes: Sequence[UInt8[np.ndarray, "_"]]) -> Float64[np.ndarray, "E V"]:
        """Return the same for the token after each prefix alone."""
        ends = [np.append(prefix[max(0, len(prefix) - self.order + 1) :], np.uint8(NUL)) for prefix in prefixes]
        return self.chain.log_probabilities(_last([_history(ids, self.order) for ids in ends]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts2D:
    """Pixels by the cells around their place and the row ends the shape announces; text by its last four bytes.

    How far each context leans on the next shorter one is learned on training records left out of the counts for it.
    """

    pixels: CountChain
    text: CountChain
    name: str = "Counts2D"
    kind: Kind = "baseline"

    @property
    def parameters(self) -> int:
        """Counts held."""
        return self.pixels.parameters + self.text.parameters

    def log_probs(self, record: UInt8[np.ndarray, "L"]) -> Float64[np.ndarray, "L V"]:
        """Return natural log p(next token | ids before it)."""
        seen = layout(record)
        inside = seen.in_picture
        out = np.empty((len(record), self.text.size))
        out[inside] = self.pixels.log_probabilities(_pixel_contexts(seen)[:, inside])
        out[~inside] = self.text.log_probabilities(_text_contexts(seen)[:, ~inside])
        return out

    def next_log_probs(self, prefixes: Sequence[UInt8[np.ndarray, "_"]]) -> Float64[np.ndarray, "E V"]:
        """Return the same for the token after each prefix alone."""
        seen = [layout(_asked(prefix)) for prefix in prefixes]
        inside = np.array([bool(one.in_picture[-1]) for one in seen], dtype=np.bool_)
        out = np.empty((len(prefixes), self.text.size))
        for chain, rows, contexts in (
            (self.pixels, np.flatnonzero(inside), _pixel_contexts),
            (self.text, np.flatnonzero(~inside), _text_contexts),
        ):
            if len(rows):
                out[rows] = chain.log_probabilities(_last([contexts(seen[row]) for row in rows]))
        return out


def fit_baselines(train: TokenTable, vocabulary: Vocabulary) -> tuple[LanguageModel, ...]:
    """Fit all baselines, weakest first; ValueError when there is nothing to count."""
    return (
        *fit_guesses(train, vocabulary),
        fit_ngram(train, vocabulary, order=2, name="Bigram"),
        fit_ngram(train, vocabulary, order=TEXT_ORDER),
        fit_counts2d(train, vocabulary),
    )


def fit_guesses(train: TokenTable, vocabulary: Vocabulary) -> tuple[GuessModel, ...]:
    """Fit RepeatLast, CopyAbove and ModalityMode."""
    records = _records(train)
    modes = _modes(records, len(vocabulary))
    return tuple(_fit_guess(name, modes, records, len(vocabulary)) for name in GUESSES)


def fit_ngram(train: TokenTable, vocabulary: Vocabulary, order: int, name: str = "") -> ChainModel:
    """Fit an n-gram model of `order` tokens; ValueError when the order is below 1."""
    if order < 1:
        raise ValueError(f"the order is {order}, but an n-gram predicts at least one token: choose 1 or more.")
    records = _records(train)
    contexts = np.concatenate([_history(record, order) for record in records], axis=1)
    chain = count_chain(contexts, np.concatenate(records), len(vocabulary))
    return ChainModel(name=name or f"NGram{order}", order=order, chain=chain)


def fit_counts2d(train: TokenTable, vocabulary: Vocabulary) -> Counts2D:
    """Fit the count model that knows a picture is two-dimensional."""
    records = _records(train)
    layouts = [layout(record) for record in records]
    inside = [seen.in_picture for seen in layouts]
    pictures = [_Counted(_pixel_contexts(x)[:, at], r[at]) for x, r, at in zip(layouts, records, inside, strict=True)]
    texts = [_Counted(_text_contexts(x)[:, ~at], r[~at]) for x, r, at in zip(layouts, records, inside, strict=True)]
    return Counts2D(pixels=_learned_chain(pictures, len(vocabulary)), text=_learned_chain(texts, len(vocabulary)))


class _Counted(NamedTuple):
    """What one record gives to a chain."""

    contexts: Int64[np.ndarray, "C n"]
    tokens: UInt8[np.ndarray, "n"]


def _learned_chain(counted: Sequence[_Counted], size: int) -> CountChain:
    """Count all records, with the leanings that served every HELD_OUT-th of them best when they were left out."""
    chosen = counted[HELD_OUT - 1 :: HELD_OUT]
    if not chosen:
        return count_chain(*_joined(counted), size)
    rest = [one for i, one in enumerate(counted, start=1) if i % HELD_OUT]
    leaning = learn_leaning(count_chain(*_joined(rest), size), *_joined(chosen))
    return count_chain(*_joined(counted), size, leaning)


def _joined(counted: Sequence[_Counted]) -> tuple[Int64[np.ndarray, "C N"], UInt8[np.ndarray, "N"]]:
    return np.concatenate([one.contexts for one in counted], axis=1), np.concatenate([one.tokens for one in counted])


def _records(train: TokenTable) -> list[UInt8[np.ndarray, "_"]]:
    if not len(train):
        raise ValueError("the training split holds no records, so there is nothing to count: build a larger release.")
    return [train.record(i) for i in range(len(train))]


def _before(ids: Int64[np.ndarray, "L"], distance: int) -> Int64[np.ndarray, "L"]:
    """Return the id `distance` places earlier, across segments; NOTHING before the record."""
    fill = np.full(min(distance, len(ids)), NOTHING, dtype=np.int64)
    return np.concatenate([fill, ids[: len(ids) - len(fill)]])


def _history(record: UInt8[np.ndarray, "L"], order: int) -> Int64[np.ndarray, "C L"]:
    ids = record.astype(np.int64)
    return pack([np.zeros_like(ids), *(_before(ids, distance) for distance in range(1, order))])


def _pixel_contexts(seen: Layout) -> Int64[np.ndarray, "C L"]:
    """Order by how much each cell tells: what is due, left, above, above-right, above-left."""
    return pack([seen.due, seen.beside(0, -1), seen.beside(1, 0), seen.beside(1, 1), seen.beside(1, -1)])


def _text_contexts(seen: Layout) -> Int64[np.ndarray, "C L"]:
    return pack([seen.segment, *(seen.back(distance) for distance in range(1, TEXT_ORDER))])


def _asked(prefix: UInt8[np.ndarray, "L"]) -> UInt8[np.ndarray, "M"]:
    """Return the prefix with a place after it; what stands there changes no answer.

    Of a caption only its last bytes matter, so all before them shrinks to the two ends that say it is one.
    """
    ends = np.flatnonzero(prefix == LF)
    if len(ends) > 1:
        prefix = np.concatenate([[LF, LF], prefix[ends[-1] + 1 :][1 - TEXT_ORDER :]]).astype(np.uint8)
    return np.append(prefix, np.uint8(NUL))


def _last(rows: Sequence[Int64[np.ndarray, "..."]]) -> Int64[np.ndarray, "..."]:
    """Return what each of several arrays says of its last place, side by side."""
    return np.stack([row[..., -1] for row in rows], axis=-1)


def _above_else_space(seen: Layout) -> Int64[np.ndarray, "L"]:
    above = seen.beside(1, 0)
    return np.where(above == NOTHING, SPACE, above)


def _modes(records: list[UInt8[np.ndarray, "_"]], size: int) -> Int64[np.ndarray, "2"]:
    """Return the commonest id of text and of pictures."""
    ids = np.concatenate(records)
    inside = np.concatenate([layout(record).segment == PICTURE for record in records])
    counts = [np.bincount(ids[~inside], minlength=size), np.bincount(ids[inside], minlength=size)]
    fallback = [SPACE, FIRST_COLOUR]
    return np.array(
        [int(c.argmax()) if c.any() else other for c, other in zip(counts, fallback, strict=True)], dtype=np.int64
    )


def _fit_guess(
    name: str, modes: Int64[np.ndarray, "2"], records: list[UInt8[np.ndarray, "_"]], size: int
) -> GuessModel:
    ids = np.concatenate(records)
    guessed = np.concatenate([GUESSES[name](layout(record), modes) for record in records])
    made = guessed != NOTHING
    right = int((guessed == ids)[made].sum())
    counts = np.bincount(ids, minlength=size)
    return GuessModel(
        name=name,
        modes=modes,
        trust=(right + 1) / (int(made.sum()) + 2),  # Laplace: neither certain nor impossible
        unigram=(counts + 1) / (counts.sum() + size),
        parameters=int(np.count_nonzero(counts)) + 2,
    )


GUESSES: dict[str, Guess] = {
    "RepeatLast": lambda seen, _: _before(seen.ids, 1),
    "CopyAbove": lambda seen, _: _above_else_space(seen),
    "ModalityMode": lambda seen, modes: modes[seen.in_picture.astype(np.int64)],
}
