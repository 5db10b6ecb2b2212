"""Names that may become paths on disk: repositories, files and refs. Whatever looks like a way out is refused."""

import re
from typing import Literal, get_args

from flows.hub_server.errors import HubError, bad_request

Kind = Literal["dataset", "model", "space"]
KINDS: dict[str, Kind] = {f"{kind}s": kind for kind in get_args(Kind)}  # as addresses spell them
LONGEST_PATH = 4096  # bytes of a file's path
LONGEST_PART = 255  # bytes of one part of it, and of a ref
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,95}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BAD_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|$)")
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def kind_named(name: object) -> Kind:
    """Return the type of repository of that name ("model" when none is given); 400 when there is no such type."""
    given = "model" if name is None else name
    for kind in KINDS.values():
        if kind == given:
            return kind
    raise bad_request(f"{given!r} is no type of repository: give one of {', '.join(KINDS.values())}.")


def valid_name(name: str) -> bool:
    """Tell whether a user, an organisation or a repository may be called so."""
    return (
        bool(_NAME.fullmatch(name))
        and name[-1] not in "-."
        and "--" not in name
        and ".." not in name
        and not name.endswith((".git", ".ipynb"))
    )


def checked_name(name: str) -> str:
    """Return the name; 400 when a user, an organisation or a repository cannot be called so."""
    if not valid_name(name):
        raise bad_request(
            f"Invalid repo name {name!r}: letters, digits, '-', '_' and '.', 96 at most, no '--' or '..'."
        )
    return name


def checked_path(path: str) -> str:
    """Return a file's or folder's path in a repository; 400 for one that is absolute, leads out or hides in `.git`."""
    parts = path.split("/")
    wrong = (
        not path
        or bool(_CONTROL.search(path))
        or "\\" in path
        or any(part in {"", ".", ".."} or part.lower() == ".git" for part in parts)
        or len(path.encode("utf-8", "replace")) > LONGEST_PATH
        or any(len(part.encode("utf-8", "replace")) > LONGEST_PART for part in parts)
        or not _is_utf8(path)
    )
    if wrong:
        raise bad_request(
            f"Invalid path {path[:200]!r}: give a relative one, without '..', '.git' or control characters."
        )
    return path


def checked_ref(name: str) -> str:
    """Return the short name of a branch or tag; 400 when git would refuse it, or when it looks like a full ref."""
    wrong = (
        not name
        or bool(_BAD_REF.search(name))
        or name.startswith(("/", "-", ".", "refs/"))
        or name.endswith(("/", "."))
        or name == "@"
        or len(name.encode("utf-8", "replace")) > LONGEST_PART // 3  # each byte may be quoted on disk
        or not _is_utf8(name)
    )
    if wrong:
        raise bad_request(f"Invalid reference name {name[:200]!r}: git would refuse it.")
    return name


def checked_sha256(text: object) -> str:
    """Return a SHA-256 in lower-case hexadecimal; 400 for anything else."""
    if not isinstance(text, str) or not _SHA256.fullmatch(text):
        raise bad_request(f"{str(text)[:80]!r} is no SHA-256: 64 lower-case hexadecimal digits.")
    return text


def number_of(text: str) -> int:
    """Return the number of a discussion; 404 when the text is none."""
    if not _NUMBER.fullmatch(text):
        raise HubError(status=404, message=f"there is no discussion {text[:20]!r}")
    return int(text)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
