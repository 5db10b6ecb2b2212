"""What a stranger may have written into a config: values of other types, and sizes that would fill the memory."""

from collections.abc import Mapping
from typing import Literal, get_args, get_origin, get_type_hints

from model.config import JsonConfig, ModelConfig

MOST = 1e9  # of any number of a recipe
LARGEST_SIZES = {
    "d_model": 2**14,
    "d_state": 2**14,
    "d_inner": 2**16,
    "d_conv": 2**8,
    "heads": 2**10,
    "token_width": 2**12,
    "counted": 2**24,
    "layers": 64,
    "k": 99,
}


def require_kinds(config: type[JsonConfig], values: Mapping[str, object]) -> None:
    """Raise ValueError when what a config is to be made of holds a value of another type than its field's."""
    for name, kind in get_type_hints(config).items():
        if name in values and get_origin(kind) is not Literal:  # those are checked where the config is made
            kinds = get_args(kind) or (kind,)
            require_kind(name, values[name], (*kinds, int) if float in kinds else kinds)


def require_kind(place: str, value: object, kinds: tuple[type, ...]) -> None:
    """Raise ValueError when a value is of none of these types; True and False are no numbers here.

    >>> require_kind("step", 3, (int,))
    """
    if type(value) not in kinds:
        names = " or ".join(kind.__name__ for kind in kinds)
        raise ValueError(f"{place} is {repr(value)[:80]}: it must be of type {names}; the config was changed.")


def require_bounded(values: Mapping[str, object]) -> None:
    """Raise ValueError for a number that is none, or with which a training would never end.

    >>> require_bounded({"epochs": 12, "learning_rate": 6e-3})
    >>> require_bounded({"epochs": 10**30})
    Traceback (most recent call last):
    ValueError: epochs is 1e+30: give a number from -1e+09 to 1e+09.
    """
    for name, value in values.items():
        if isinstance(value, int | float) and not abs(value) <= MOST:
            raise ValueError(f"{name} is {value:.6g}: give a number from {-MOST:g} to {MOST:g}.")


def require_sizes(model: ModelConfig) -> None:
    """Raise ValueError for sizes that no network of ours has, before anything of them is made."""
    for name, largest in LARGEST_SIZES.items():
        size = getattr(model, name)
        if size is not None and size > largest:
            raise ValueError(f"{name} is {size}, more than {largest}: it is no checkpoint of ours.")
