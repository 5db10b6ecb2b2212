"""Who may see a release, and by what right; what a release has to satisfy before anybody does."""

from dataclasses import dataclass

from pipeline.release import MAX_STATEMENT, Manifest, Release, Visibility, blocking, is_statement

STATEMENT_WORDS = 3  # a statement of rights has at least so many: "yes" states nothing


class GateError(Exception):
    """A release that may not be published: a gate said no, none was asked, or a right is lacking."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Who shall see a release: everybody, its owner alone, or as its source allows; and by what right.

    A stated right asks for everybody, unless `public` is False. ValueError when it is no line that can be written down.
    """

    public: bool | None = None
    rights: str = ""  # the publisher's statement of the right to redistribute what the source withholds

    def __post_init__(self) -> None:
        """Check what the types cannot say."""
        if not is_statement(self.rights):
            odd = next((char for char in self.rights if not char.isprintable()), "")
            raise ValueError(
                f"the statement of rights has {len(self.rights)} characters"
                f"{f', {odd!r} among them' if odd else ''}: state it in one plain line of at most {MAX_STATEMENT}."
            )

    @property
    def asks(self) -> bool:
        """Tell whether anything in particular is asked for."""
        return self.public is not None or bool(self.rights.strip())


AS_THE_SOURCE_ALLOWS = Audience()


def visibility(withheld: tuple[str, ...], audience: Audience = AS_THE_SOURCE_ALLOWS) -> Visibility:
    """Return who may see a release whose source withholds this, as was asked; GateError when that needs a right.

    >>> visibility(()), visibility(("pictures",))
    ('public', 'private')
    """
    stated = audience.rights.strip()
    public = audience.public
    if public is None:
        public = not withheld or bool(stated)
    if public and withheld and len(stated.split()) < STATEMENT_WORDS:
        short = f" ({stated!r} is too short to be one)" if stated else ""
        raise GateError(
            f"the source says that its {' and '.join(withheld)} may not be redistributed, and no right to do so is "
            f"stated{short}: publish privately, or state it with --rights TEXT, which the release then shows."
        )
    return "public" if public else "private"


def require_passed(manifest: Manifest) -> None:
    """Raise GateError unless every gate was asked and let the release through."""
    if not manifest.gates:
        raise GateError("the release was never checked: run `pixelbytes check` on it first.")
    if failed := blocking(manifest.gates):
        raise GateError(
            f"{', '.join(gate.name for gate in failed)} failed, so nothing was published: `pixelbytes check` shows why."
        )


def require_same(last: Release, audience: Audience, seen_by: Visibility, restricted: tuple[str, ...]) -> None:
    """Refuse to change who sees a version that stands; whoever asked for nothing in particular gets what there is."""
    stands = last.manifest.visibility
    if seen_by == "private" and stands == "public" and restricted:
        raise GateError(
            f"nothing changed since {last.version.ref}, which is public, but the source now withholds what is in it: "
            "state the right with --rights TEXT, or take that version down."
        )
    if audience.asks and seen_by != stands:
        raise GateError(
            f"nothing changed since {last.version.ref}, which is {stands}, and a released version never changes: "
            f"to have the same rows {seen_by}, publish them to another store."
        )
