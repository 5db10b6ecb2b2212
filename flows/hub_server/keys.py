"""Who asks, and what they may do: three tokens, made at random at the first start, and those without one."""

import hmac
import os
import secrets
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from flows.hub_server.errors import HubError, forbidden, repo_not_found, unauthorized
from flows.hub_server.repo import Repo

USER, STRANGER = "pixelbytes", "stranger"


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Somebody who asks."""

    name: str  # "" without a token
    may_write: bool = False

    @property
    def owner(self) -> bool:
        """Tell whether everything here is theirs to see."""
        return self.name == USER


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Keys:
    """The tokens of a Hub, and the key it signs addresses of uploads with."""

    token: str
    readonly: str
    stranger: str

    def who(self, authorization: str | None) -> Who:
        """Return who shows this `Authorization` header; 401 for a token nobody was given."""
        if authorization is None:
            return Who(name="")
        scheme, _, given = authorization.partition(" ")
        known = (
            (self.token, Who(name=USER, may_write=True)),
            (self.readonly, Who(name=USER)),
            (self.stranger, Who(name=STRANGER)),
        )
        for token, who in known:
            if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode()):
                return who
        message = "Invalid credentials in Authorization header"
        raise HubError(status=HTTPStatus.UNAUTHORIZED, message=message)

    def signature(self, *parts: object) -> str:
        """Return what proves that this Hub itself gave out an address with these parts."""
        return hmac.new(self.token.encode(), repr(parts).encode(), "sha256").hexdigest()


def kept_keys(root: Path) -> Keys:
    """Return the tokens of a Hub's folder, each in a file that only its owner reads; made at the first start."""
    return Keys(
        token=_kept(root / "token"), readonly=_kept(root / "readonly-token"), stranger=_kept(root / "stranger-token")
    )


def may_read(who: Who, repo: Repo | None) -> Repo:
    """Return the repository; a private one looks absent to those it is not for."""
    if repo is None or (repo.settings.private and not who.owner):
        raise repo_not_found(signed_in=bool(who.name))
    return repo


def may_open(who: Who, repo: Repo) -> None:
    """Let nobody read the files of a gated repository who was not let in."""
    if repo.settings.gated and not who.owner:
        message = f"Access to {repo.kind} {repo.name} is restricted. You must have access to it to read its files."
        status = HTTPStatus.FORBIDDEN if who.name else HTTPStatus.UNAUTHORIZED
        raise HubError(status=status, code="GatedRepo", message=message)


def may_write(who: Who) -> None:
    """Let nobody write without the token that may: 401 for those without one, 403 for those with another."""
    if not who.name:
        raise unauthorized()
    if not who.may_write:
        raise forbidden("You don't have the rights to write here: this token may only read")


def _kept(path: Path) -> str:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        token = path.read_text(encoding="ascii").strip()
        if token:
            return token
        handle = os.open(path, os.O_WRONLY | os.O_TRUNC)  # a kill came between making and filling it
    token = f"hf_{secrets.token_hex(20)}"
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(f"{token}\n")
    return token
