"""Reads what clients send: JSON of unknown shape becomes values of known types, or a 400 that names the field."""

import json
from collections.abc import Mapping
from typing import TypeVar

from flows.hub_server.errors import bad_request

T = TypeVar("T", str, int, bool, list[object])
Payload = Mapping[str, object]


def object_from(data: bytes) -> Payload:
    """Return the JSON object that a body holds (an empty body holds an empty one); 400 for anything else."""
    try:
        value = json.loads(data or b"{}")
    except (ValueError, RecursionError) as error:
        raise bad_request(f"The body is not JSON: {str(error)[:200]}.") from error
    return mapping(value)


def mapping(value: object) -> Payload:
    """Return a JSON object; 400 for any other value."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise bad_request(f"A JSON object was expected, but {str(value)[:80]!r} came.")
    return value


def required(payload: Payload, name: str, kind: type[T]) -> T:
    """Return a field of that type; 400 when it is missing or of another one."""
    value = payload.get(name)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise bad_request(f"{name!r} is {str(value)[:80]!r}, but a {kind.__name__} was expected.")
    return value


def optional(payload: Payload, name: str, kind: type[T], default: T) -> T:
    """Return a field of that type, or the default when it is missing or null; 400 when it is of another type."""
    return default if payload.get(name) is None else required(payload, name, kind)
