"""What travels between the stages: one frozen carrier per station, from a site's listing to a versioned release."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import UInt8

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
ResourceKind = Literal["source", "robots", "api", "list", "description", "miniature"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One line of a crawl's manifest: what was asked, what came back, and where its body lies in the raw store."""

    url: str
    kind: ResourceKind
    title: str = ""  # page or file title on the wiki, where it has one
    revision: str = ""  # revision id of a page, sha1 of a file: the site's own change key
    etag: str = ""
    last_modified: str = ""
    content_type: str = ""
    sha256: str = ""  # of the body; names the blob; empty when nothing was stored
    status: int = 0  # HTTP status; 0 when no answer came
    time: str = ""  # when the site answered (its Date header), ISO 8601 UTC
    licence: str = ""
    attribution: str = ""
    robots: str = ""  # the rule that allowed or refused it
    error: str = ""  # why there is no body, in words


# Those of which a build makes several for each record are named tuples: made in a fifth of a frozen dataclass's time.
class PageLink(NamedTuple):
    """A page by its title and address."""

    title: str
    url: str


class Listing(NamedTuple):
    """One row of a site's list in one language: a creature, or one of its forms."""

    key: str  # stable id of the record: number, name and form, such as 0001-aardart; .fr for a second language
    number: int
    name: str
    language: str
    group: str  # family: all that must stay in one split
    pages: tuple[PageLink, ...]  # that describe it: the first always, the others where they exist
    miniature_url: str
    list_url: str  # where this row was read
    form: str = ""  # label of the form; empty for the base form


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """The text of one page, by paragraphs, in document order."""

    title: str
    language: str
    paragraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """What did not become a record, and why."""

    id: str
    name: str
    stage: str  # list, description, miniature, text, pixelize, …
    reason: str
    source_url: str


class Record(NamedTuple):
    """One finished record: a sprite, its caption, their ids, and where both came from."""

    id: str
    group: str
    number: int
    name: str
    form: str
    language: str
    sprite: UInt8[np.ndarray, "h w"]  # palette indices
    caption: str
    ids: UInt8[np.ndarray, "L"]
    source_url: str
    image_url: str
    revision: str
    retrieved_at: str
    sha256: str  # of the raw picture
    licence: str
    attribution: str
    replaced: int = 0  # characters of the text that had no token


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetVersion:
    """What a release is called once published; training names exactly this."""

    repo_id: str  # org/name
    tag: str  # v1.0.0
    revision: str  # commit on a hub; in a folder of releases, the digest
    digest: str  # of the content, over all records

    @property
    def ref(self) -> str:
        """Return `org/name@v1.0.0`."""
        return f"{self.repo_id}@{self.tag}"
