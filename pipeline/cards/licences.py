"""Licences as sources state them, and what the Hub and Croissant call them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

#: What the Hub takes for `license`, as far as texts and pictures may have it; anything else is `other` with a name.
_NAMES = """
cc cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0
cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0
apache-2.0 mit artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause isc zlib ncsa unlicense wtfpl mpl-2.0
eupl-1.1 eupl-1.2 gfdl gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 agpl-3.0 epl-2.0 osl-3.0 ofl-1.1 odc-by odbl pddl
etalab-2.0 c-uda cdla-sharing-1.0 cdla-permissive-1.0 cdla-permissive-2.0
"""
HUB = frozenset(_NAMES.split())
#: Other spellings of the same.
_ALSO = {
    "cc0": "cc0-1.0",
    "public-domain-cc0": "cc0-1.0",
    "creative-commons-zero-1.0": "cc0-1.0",
    "gpl-3.0-or-later": "gpl-3.0",
    "gpl-3.0-only": "gpl-3.0",
    "gpl-2.0-or-later": "gpl-2.0",
    "gpl-2.0-only": "gpl-2.0",
    "agpl-3.0-or-later": "agpl-3.0",
    "agpl-3.0-only": "agpl-3.0",
    "gplv3": "gpl-3.0",
    "gplv2": "gpl-2.0",
    "odbl-1.0": "odbl",
    "the-unlicense": "unlicense",
    "apache-license-2.0": "apache-2.0",
    "mit-license": "mit",
}
_DEED = re.compile(r"cc-(by(?:-nc)?(?:-nd|-sa)?)-(\d\.\d)")
_PARTS = re.compile(r"^text: (.*); picture: (.*)$")
_LONGEST = 60  # characters of a licence's name on the Hub


@dataclass(frozen=True, slots=True, kw_only=True)
class HubLicence:
    """The licence of a dataset as its card on the Hub states it."""

    identifiers: tuple[str, ...]  # the Hub's own; `other` alone when one is not among them
    name: str = ""  # beside `other`
    link: str = ""  # beside `other`, where the licence has a page


def parts_of(licence: str) -> tuple[str, ...]:
    """Return the licences that a record's statement holds: one, or those of its text and of its picture.

    >>> parts_of("text: CC0-1.0; picture: CC BY-SA 4.0")
    ('CC0-1.0', 'CC BY-SA 4.0')
    """
    found = _PARTS.match(licence)
    return found.groups() if found else (licence,)


def stated_parts(licences: Iterable[str], without: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the licences of what a release holds, each once: of texts alone where it is without its pictures.

    Without both, those of all that it refers to.

    >>> stated_parts(["text: CC0-1.0; picture: MIT"], without=["pictures"])
    ('CC0-1.0',)
    """
    left_out = set(without)
    asked = {"texts": slice(-1, None), "pictures": slice(0, 1)}[left_out.pop()] if len(left_out) == 1 else slice(None)
    return tuple(dict.fromkeys(part for licence in licences for part in parts_of(licence)[asked]))


def slug(licence: str) -> str:
    """Return a licence's name in small letters, digits, dots and hyphens.

    >>> slug("CC BY-SA 4.0"), slug("all rights reserved")
    ('cc-by-sa-4.0', 'all-rights-reserved')
    """
    return re.sub(r"[^a-z0-9.]+", "-", licence.casefold()).strip("-.")[:_LONGEST].rstrip("-.")


def identifier(licence: str) -> str:
    """Return the Hub's identifier of a licence; empty when it has none.

    >>> identifier("CC BY-SA 4.0"), identifier("CC0"), identifier("CC-BY-NC-SA-2.5"), identifier("for tests only")
    ('cc-by-sa-4.0', 'cc0-1.0', '', '')
    """
    name = slug(licence)
    name = _ALSO.get(name, name)
    return name if name in HUB else ""


def deed(licence: str) -> str:
    """Return the page of a Creative Commons licence; empty for any other.

    >>> deed("CC-BY-NC-SA-2.5")
    'https://creativecommons.org/licenses/by-nc-sa/2.5/'
    """
    name = slug(licence)
    if _ALSO.get(name, name) == "cc0-1.0":
        return "https://creativecommons.org/publicdomain/zero/1.0/"
    found = _DEED.fullmatch(name)
    return f"https://creativecommons.org/licenses/{found[1]}/{found[2]}/" if found else ""


def hub_licence(licences: Iterable[str], without: Iterable[str] = ()) -> HubLicence:
    """Return what a card states for records under these licences: identifiers that the Hub knows, else `other`.

    Of a release `without` its texts or pictures, for the others alone.

    >>> hub_licence(["CC0-1.0", "text: CC0-1.0; picture: MIT"]).identifiers
    ('cc0-1.0', 'mit')
    """
    stated = stated_parts(licences, without)
    known = [identifier(licence) for licence in stated]
    if stated and all(known):
        return HubLicence(identifiers=tuple(dict.fromkeys(known)))
    if len(stated) == 1:
        return HubLicence(identifiers=("other",), name=slug(stated[0]) or "see-attribution", link=deed(stated[0]))
    return HubLicence(identifiers=("other",), name="several-see-attribution")
