"""From a parsed TOML or JSON table to a dataclass, strictly: what is not understood is refused with its place."""

from dataclasses import MISSING, Field, fields, is_dataclass
from functools import lru_cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

SHOWN = 200  # characters of a wrong value that a message shows
LARGEST = 1 << 63  # whole numbers are smaller: what counts bytes or rows fits 64 bits


def build(cls: type, value: object, where: str) -> object:
    """Make the dataclass `cls` from a table, each key checked against the field's type.

    Fields may be plain values, Literals, dataclasses, `tuple[X, ...]`, `tuple[X, Y]`, `dict[str, X]` and `Any`, which
    is not checked. ValueError names the place and the value.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{where} is {_shown(value)}: it must be a table of keys.")  # noqa: TRY004 - one error for all of a file
    known: dict[str, Field[object]] = {field.name: field for field in fields(cls)}
    for key in sorted(set(value) - set(known)):
        raise ValueError(f"{where} has an unknown key {key!r}: remove it, or use one of {', '.join(known)}.")
    for key, field in known.items():
        if key not in value and field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"{where} lacks the key {key!r}: add it.")
    hints = _hints(cls)
    built: object = cls(**{key: _value(hints[key], item, f"{where}: {key}") for key, item in value.items()})
    return built


@lru_cache(maxsize=64)
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _value(kind: Any, value: object, where: str) -> object:  # noqa: ANN401 - any annotation
    """Return `value` as `kind`, or raise ValueError with the place and the value."""
    if kind is Any:
        return value
    if isinstance(kind, type) and is_dataclass(kind):
        return build(kind, value, where)
    if get_origin(kind) is tuple:
        return _items(get_args(kind), value, where)
    if get_origin(kind) is dict:
        if not isinstance(value, dict):
            raise ValueError(f"{where} is {_shown(value)}: it must be a table of keys.")
        return {
            _value(str, key, where): _value(get_args(kind)[1], item, f"{where}: {key}") for key, item in value.items()
        }
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise ValueError(f"{where} is {_shown(value)}: choose one of {', '.join(map(repr, get_args(kind)))}.")
        return value
    return _plain(kind, value, where)


def _items(kinds: tuple[Any, ...], value: object, where: str) -> tuple[object, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"{where} is {_shown(value)}: it must be a list.")  # noqa: TRY004 - as above
    kind = kinds[0]
    if kinds[-1] is not Ellipsis:
        if len(value) != len(kinds):
            raise ValueError(f"{where} is {_shown(value)}: it must be a list of {len(kinds)}.")
        return tuple(
            _value(kind, item, f"{where}[{i}]") for i, (kind, item) in enumerate(zip(kinds, value, strict=True))
        )
    if kind is str and all(type(item) is str for item in value):
        return tuple(value)  # a release names each of its records: this is a tenth of the time
    return tuple(_value(kind, item, f"{where}[{i}]") for i, item in enumerate(value))


def _plain(kind: type, value: object, where: str) -> object:
    """Return a value that is no container; a whole number may stand for a float."""
    if isinstance(value, int | float) and not abs(value) < LARGEST:
        raise ValueError(f"{where} is {_shown(value)}: it must be a number below 2 to the 63.")
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{where} is {_shown(value)}: it must be of type {kind.__name__}.")
    return value


def _shown(value: object) -> str:
    """Return a value for a message, cut where it is long."""
    if isinstance(value, int) and abs(value) >= LARGEST:
        return f"a number of {value.bit_length()} bits"
    told = repr(value)
    return told if len(told) <= SHOWN else f"{told[:SHOWN]}…"
