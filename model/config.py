"""Sizes of a model and the recipe of its training: frozen, checked when made, written to and read from JSON."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Literal, TypeVar, get_args

from pipeline.windows import require_odd

Core = Literal["lstm", "transformer", "mamba"]
Look = Literal["ahead", "current"]
Targets = Literal["all", "last"]
CORE_NAMES: dict[Core, str] = {"lstm": "LSTM", "transformer": "Transformer", "mamba": "Mamba"}  # as tables show them
AnyConfig = TypeVar("AnyConfig", bound="JsonConfig")
SMALLEST_TOKEN_WIDTH = 9  # the paper's floor for E


class JsonConfig:
    """What both configs can do: become JSON, come back from it, and be named by a digest.

    A later field is written only where it differs from its default. So a config without it keeps the JSON, the digest
    and the run folder that it had before those fields were there.
    """

    __slots__ = ()
    LATER: ClassVar[frozenset[str]] = frozenset()  # fields that older configs did not have

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values, later ones only where they say something."""
        plain = {field.name: field.default for field in fields(self)}  # type: ignore[arg-type]  # only dataclasses inherit
        told: dict[str, Any] = asdict(self)  # type: ignore[call-overload]  # the same
        return {name: value for name, value in told.items() if name not in self.LATER or value != plain[name]}

    @classmethod
    def from_json(cls: type[AnyConfig], values: Mapping[str, Any]) -> AnyConfig:  # noqa: PYI019 - beartype refuses Self here
        """Return the config that `to_json` wrote; ValueError names a field that does not exist."""
        known = {field.name for field in fields(cls)}  # type: ignore[arg-type]  # the same
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(f"{cls.__name__} has no field {unknown[0]!r}: it knows {', '.join(sorted(known))}.")
        return cls(**values)

    def digest(self) -> str:
        """SHA-256 of the fields in order of their names."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig(JsonConfig):
    """Sizes of a model."""

    LATER: ClassVar[frozenset[str]] = frozenset({"d_inner", "heads", "d_conv", "bidirectional", "evidence", "counted"})

    core: Core = "lstm"
    d_model: int = 81  # D, width of an embedded token
    d_state: int = 64  # N: hidden width of the LSTM, attention width of the Transformer, states per channel of Mamba
    layers: int = 2
    k: int = 5  # side of a context window, in tokens
    look: Look = "ahead"  # window around the place to be predicted, or around the token just read
    embedding: Literal["pxby", "centre"] = "pxby"
    conv: bool = True  # PxByEmbed mixes neighbouring cells by a convolution
    token_width: int | None = None  # E; None: max(9, D // k²)
    dropout: float = 0.1  # on embedded tokens, between layers (on what a block adds) and before the head
    # width inside a block; None: 2·D channels in Mamba, 4·D in the Transformer's MLP, N of each way of a two-way LSTM
    d_inner: int | None = None
    heads: int = 4  # of the Transformer's attention
    d_conv: int = 4  # tokens that Mamba's convolution sees
    bidirectional: bool = False  # the first layer also reads backwards: for the paper's last-position loss alone
    evidence: bool = False  # the head also weighs what was seen before: cells around, and what followed their like
    counted: int = 0  # n-grams of the training captions that the evidence holds; 0: none

    def __post_init__(self) -> None:
        """Refuse what cannot be built, with the value and a way out."""
        require_odd(self.k)
        _one_of("core", self.core, get_args(Core))
        _one_of("look", self.look, ("ahead", "current"))
        _one_of("embedding", self.embedding, ("pxby", "centre"))
        _at_least_one("d_model", self.d_model)
        _at_least_one("d_state", self.d_state)
        _at_least_one("layers", self.layers)
        for name in ("token_width", "d_inner", "heads", "d_conv"):
            if getattr(self, name) is not None:
                _at_least_one(name, getattr(self, name))
        if self.core == "transformer" and self.d_state % (2 * self.heads):
            raise ValueError(
                f"d_state is {self.d_state} with {self.heads} heads: rotary attention turns pairs of channels in each "
                f"head, so choose a multiple of {2 * self.heads}, or other heads."
            )
        if self.evidence and (self.look != "ahead" or self.bidirectional or self.k == 1):
            raise ValueError(
                f"evidence is what stands around the place to be predicted, but look is {self.look!r}, k {self.k} and "
                f"bidirectional {self.bidirectional}: choose look 'ahead', k of 3 or more, one direction."
            )
        if self.counted < 0 or (self.counted and not self.evidence):
            raise ValueError(f"counted is {self.counted}: give 0 or more n-grams, and evidence to weigh them by.")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}: it is a share from 0 up to, not including, 1.")

    @property
    def embedded_width(self) -> int:
        """E, the width of one token inside a window."""
        return self.token_width or max(SMALLEST_TOKEN_WIDTH, self.d_model // self.k**2)

    @property
    def inner_width(self) -> int:
        """Width inside a block: channels of a Mamba block, hidden units of a Transformer's MLP."""
        return self.d_inner or self.d_model * (2 if self.core == "mamba" else 4)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig(JsonConfig):
    """The recipe of a training run. Steps, not seconds, decide the learning rate, so that a run can be repeated."""

    LATER: ClassVar[frozenset[str]] = frozenset(
        {"targets", "sequence", "stride", "batch_sequences", "beta2", "mirror", "device", "bf16", "compiled", "wrap"}
    )

    epochs: int = 12
    batch_tokens: int = 4_096  # padding included; more steps are worth more than wider ones
    learning_rate: float = 6e-3  # the highest, after the warm-up
    final_share: float = 0.02  # of the learning rate that is left at the end of the cosine
    warm_up: float = 0.05  # share of all steps
    weight_decay: float = 0.01
    clip: float = 1.0  # largest norm of the gradient
    text_first: float = 0.5  # share of records read caption first, drawn anew each epoch
    seed: int = 0
    evaluate_every: int = 1  # epochs
    patience: int | None = None  # evaluations without a better validation before training stops
    seconds: float | None = None  # wall clock after which training stops at the end of a step
    checkpoint_seconds: float = 30.0  # between two states to resume from; each epoch's end writes one too
    threads: int | None = None  # of torch; None leaves them as they are
    targets: Targets = "all"  # which places are scored: every one, or a sequence's last (the paper's protocol)
    sequence: int = 256  # tokens read before each target, where only the last is scored
    stride: int = 32  # tokens between the beginnings of two such sequences
    batch_sequences: int = 32  # of them in a step
    wrap: bool = False  # such a sequence goes round its own record, as the paper's do, not on into the next
    beta2: float = 0.98  # a shorter memory of squares than torch's 0.999: runs are a few thousand steps
    mirror: float = 0.0  # share of records drawn left for right, never where the caption tells left from right
    device: Literal["cpu", "cuda", "auto"] = "cpu"  # auto: CUDA where there is one
    bf16: bool = False  # autocast; CUDA only
    compiled: bool = False  # torch.compile; CUDA only

    def __post_init__(self) -> None:
        """Refuse recipes that cannot be cooked, with the value and a way out."""
        for name in ("epochs", "batch_tokens", "evaluate_every", "sequence", "stride", "batch_sequences"):
            _at_least_one(name, getattr(self, name))
        for name in ("learning_rate", "clip", "checkpoint_seconds"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be greater than 0.")
        _one_of("targets", self.targets, get_args(Targets))
        _one_of("device", self.device, ("cpu", "cuda", "auto"))
        for name in ("final_share", "warm_up", "text_first", "mirror", "beta2"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it is a share from 0 to 1.")
        if self.weight_decay < 0 or self.seed < 0:
            raise ValueError(f"weight_decay is {self.weight_decay} and seed {self.seed}: neither may be negative.")
        if self.patience is not None:
            _at_least_one("patience", self.patience)
        if self.threads is not None:
            _at_least_one("threads", self.threads)
        if self.seconds is not None and not self.seconds > 0:
            raise ValueError(f"seconds is {self.seconds}: give a time greater than 0, or none.")


def require_causal_loss(model: ModelConfig, recipe: TrainConfig) -> None:
    """Raise ValueError when a recipe would score places whose targets the model has already read."""
    if model.bidirectional and recipe.targets == "all":
        raise ValueError(
            "bidirectional is true with targets 'all': a layer that reads backwards has seen every target but the "
            "last, so that its loss would mean nothing: train with targets 'last', or without bidirectional."
        )
    if model.counted and recipe.targets == "last":
        raise ValueError(
            f"counted is {model.counted} with targets 'last': a sequence does not show which n-grams are its record's "
            "own, so that it would be told its target: train with targets 'all', or without counted."
        )


def _at_least_one(name: str, value: int) -> None:
    if value < 1:
        raise ValueError(f"{name} is {value}: it must be 1 or more.")


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} is {value!r}: choose one of {', '.join(choices)}.")
