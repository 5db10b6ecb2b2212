"""A creature of the bestiary, and the names of its page and picture on the wiki."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

HOST = "http://bestiary.localhost"  # its address on every machine and port, reached through a proxy
LIST_TITLE = "List of creatures"
CATEGORY_TITLE = "Category:Creatures"
EPOCH = datetime(2026, 1, 1, 12, tzinfo=UTC)
_TITLE_SAFE = "/:;@$!*(),~-._"


@dataclass(frozen=True, slots=True, kw_only=True)
class Creature:
    """One record of the bestiary: a creature, or one of its forms."""

    id: str
    number: int
    name: str
    form: str = ""
    family: str
    stage: int | str = ""
    text: str  # paragraphs, with an empty line between them
    image: str  # file name of the picture

    @property
    def title(self) -> str:
        """Title of its page."""
        return f"{self.name} ({self.form})" if self.form else f"{self.name} (creature)"

    @property
    def file_name(self) -> str:
        """Name of its picture on the wiki."""
        return f"Miniature_{self.number:04d}{'_' + self.form.replace(' ', '_') if self.form else ''}.png"

    @property
    def file_title(self) -> str:
        """Title of its picture, as the API names it."""
        return f"File:{self.file_name.replace('_', ' ')}"

    @property
    def image_path(self) -> str:
        """Path of its picture, under two folders named by a hash as MediaWiki does."""
        digest = hashlib.md5(self.file_name.encode(), usedforsecurity=False).hexdigest()
        return f"/images/{digest[0]}/{digest[:2]}/{quote(self.file_name, safe=_TITLE_SAFE)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One state of a page or a picture."""

    id: int
    time: datetime
    sha1: str


def page_path(title: str) -> str:
    """Return the path of a page; the list stands at the root, as on the wiki it is modelled on."""
    path = quote(title.replace(" ", "_"), safe=_TITLE_SAFE)
    return f"/{path}" if title == LIST_TITLE else f"/wiki/{path}"
