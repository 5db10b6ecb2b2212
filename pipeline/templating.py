"""Templates of pages and cards: whatever comes from outside is escaped, and a name that is missing is an error."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.cards.markdown import bib, code, credit, plain


def html_environment(folder: Path) -> Environment:
    """Return what renders the HTML of a folder's templates: every value is escaped; `web` keeps web addresses only."""
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["web"] = lambda url: url if url.startswith(("https://", "http://")) else ""
    return environment


def markdown_environment(folder: Path) -> Environment:
    """Return what renders the Markdown of a folder's templates; texts from outside go through its filters."""
    # Markdown, not HTML: whatever may come from outside goes through one of the filters
    environment = Environment(  # noqa: S701
        loader=FileSystemLoader(folder), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(plain=plain, credit=credit, code=code, bib=bib, n=lambda number: f"{number:,}")
    return environment
