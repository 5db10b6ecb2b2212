"""From a parsed TOML or JSON table to a dataclass, strictly: what is not understood is refused with its place."""

from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints


def build(cls: type, value: object, where: str) -> object:
    """Make the dataclass `cls` from a table, each key checked against the field's type."""
    if not isinstance(value, dict):
        raise ValueError(f"{where} is {value!r}: it must be a table of keys.")  # noqa: TRY004 - one error for all of a file
    known: dict[str, Field[object]] = {field.name: field for field in fields(cls)}
    for key in sorted(set(value) - set(known)):
        raise ValueError(f"{where} has an unknown key {key!r}: remove it, or use one of {', '.join(known)}.")
    for key, field in known.items():
        if key not in value and field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"{where} lacks the key {key!r}: add it.")
    hints = get_type_hints(cls)
    built: object = cls(**{key: _value(hints[key], item, f"{where}: {key}") for key, item in value.items()})
    return built


def _value(kind: Any, value: object, where: str) -> object:  # noqa: ANN401 - any annotation
    """Return `value` as `kind`, or raise ValueError with the place and the value."""
    if isinstance(kind, type) and is_dataclass(kind):
        return build(kind, value, where)
    if get_origin(kind) is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError(f"{where} is {value!r}: it must be a list.")
        return tuple(_value(get_args(kind)[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise ValueError(f"{where} is {value!r}: choose one of {', '.join(map(repr, get_args(kind)))}.")
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{where} is {value!r}: it must be of type {kind.__name__}.")
    return value
