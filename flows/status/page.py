"""The page of plots: every dataset of a data root, version by version; one file that fetches and runs nothing."""

from collections.abc import Callable, Sequence

from markupsafe import Markup

from flows.lineage.text import plain
from flows.status.figures import Figure, Series, figure_svg, number
from flows.status.metrics import RepoMetrics, VersionMetrics

MOST = 60  # versions that are drawn, the newest
STYLE = Markup("""
:root { color-scheme: light dark; --paper: #faf8f3; --card: #fff; --ink: #24221e; --quiet: #6d675c; --line: #e4dfd3;
  --s0: #b23a48; --s1: #3f6f9f; --s2: #5b8c85; --s3: #c0873a; --s4: #7a5c9e; --s5: #8a8a80; }
@media (prefers-color-scheme: dark) { :root { --paper: #16171b; --card: #1e2026; --ink: #e8e4da; --quiet: #9b968a;
  --line: #32343c; --s0: #ef8a85; --s1: #7fb0de; --s2: #7fbdb3; --s3: #e0ac66; --s4: #b79bd8; --s5: #aaa; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, Roboto, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 40px 24px 60px; }
h1 { font-size: 32px; line-height: 1.2; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 24px; margin: 44px 0 4px; overflow-wrap: anywhere; }
p { color: var(--quiet); margin: 0 0 16px; max-width: 60em; overflow-wrap: anywhere; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 480px), 1fr)); gap: 16px; }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 14px; }
figcaption { font-weight: 600; font-size: 15px; } figcaption span { color: var(--quiet); font-weight: 400; }
.plot { width: 100%; height: auto; display: block; margin-top: 6px; }
.plot text { font-size: 12px; fill: var(--quiet); } .grid { stroke: var(--line); }
.line { fill: none; stroke-width: 2; }
.s0 { stroke: var(--s0); fill: var(--s0); } .s1 { stroke: var(--s1); fill: var(--s1); }
.s2 { stroke: var(--s2); fill: var(--s2); } .s3 { stroke: var(--s3); fill: var(--s3); }
.s4 { stroke: var(--s4); fill: var(--s4); } .s5 { stroke: var(--s5); fill: var(--s5); }
.line.s0, .line.s1, .line.s2, .line.s3, .line.s4, .line.s5 { fill: none; } .bar { stroke: none; }
.wide { overflow-x: auto; margin-top: 20px; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; width: 100%; }
th, td { text-align: right; padding: 5px 10px; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child, td:last-child, th:last-child { text-align: left; }
th { color: var(--quiet); font-weight: 500; } .yanked { color: var(--quiet); text-decoration: line-through; }
""")
Take = Callable[[VersionMetrics], float | None]


def metrics_page(history: Sequence[RepoMetrics], place: str) -> str:
    """Return the page as HTML."""
    told = Markup("").join(_repo(one) for one in history) or Markup("<p>No dataset was released here yet.</p>")
    page = Markup(
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        'content="width=device-width, initial-scale=1"><title>Metrics over time</title><style>{}</style></head>'
        "<body><main><h1>Metrics over time</h1><p>Every version in {}, oldest on the left.</p>{}</main></body></html>\n"
    )
    return str(page.format(STYLE, plain(place), told))


def _repo(history: RepoMetrics) -> Markup:
    shown = history.versions[-MOST:]
    figures = [(figure, figure_svg(figure)) for figure in figures_of(shown)]
    drawn = [
        Markup("<figure><figcaption>{} <span>{}</span></figcaption>{}</figure>").format(figure.title, figure.unit, svg)
        for figure, svg in figures
        if svg
    ]
    count = f"{len(history.versions):,} version{'s' if len(history.versions) > 1 else ''}"
    left_out = f", the newest {MOST} of them drawn" if len(history.versions) > MOST else ""
    return Markup('<section><h2>{}</h2><p>{}{}</p><div class="plots">{}</div>{}</section>').format(
        history.repo, count, left_out, Markup("").join(drawn), _table(shown)
    )


def figures_of(versions: Sequence[VersionMetrics]) -> list[Figure]:
    """Return the plots of a dataset."""
    names = tuple(one.version for one in versions)

    def series(name: str, take: Take) -> Series:
        return Series(name=name, values=tuple(take(one) for one in versions))

    def numbers(*fields: str) -> tuple[Series, ...]:
        return tuple(series(field, lambda one, field=field: float(getattr(one, field))) for field in fields)  # type: ignore[misc]

    configs = sorted({config for one in versions for config in one.bytes})
    sizes = tuple(series(name, lambda one, name=name: one.bytes.get(name, 0) / 1e6) for name in configs)  # type: ignore[misc]
    kinds = ("text", "pixel", "separator")
    tokens = tuple(series(kind, lambda one, kind=kind: float(one.tokens.get(kind, 0))) for kind in kinds)  # type: ignore[misc]
    plots: tuple[tuple[str, str, tuple[Series, ...]], ...] = (
        ("Bits per record of the test split", "less is better", _bits(versions)),
        ("Records", "", numbers("records")),
        ("Yields", "records through each stage", numbers("listed", "joined", "built")),
        ("Changes", "records, since the version before", _changes(versions)),
        ("Size", "MB by config", sizes),
        ("Tokens", "by kind", tokens),
        ("Text", "share of tokens", (series("text", lambda one: one.text_ratio),)),
        ("Dropped", "records in quarantine", numbers("dropped")),
    )
    return [
        Figure(
            title=title,
            unit=unit,
            versions=names,
            series=several,
            stacked=title in {"Changes", "Size", "Tokens"},
            from_zero=title == "Dropped",
            counts=title in {"Records", "Yields", "Changes", "Tokens", "Dropped"},
        )
        for title, unit, several in plots
    ]


def _changes(versions: Sequence[VersionMetrics]) -> tuple[Series, ...]:
    """Return what versions changed; in the first one every record is new, which would hide all that follows."""
    first = next((place for place, one in enumerate(versions) if one.added == one.records), -1)
    return tuple(
        Series(
            name=what,
            values=tuple(None if place == first else float(getattr(one, what)) for place, one in enumerate(versions)),
        )
        for what in ("added", "changed", "removed")
    )


def _bits(versions: Sequence[VersionMetrics]) -> tuple[Series, ...]:
    """Return what champions, the best baseline and every candidate pay; nothing where no model was judged."""

    def best(*kinds: str) -> tuple[float | None, ...]:
        found = (one.best(*kinds) for one in versions)
        return tuple(one.bits if one else None for one in found)

    dots = tuple(
        (place, model.bits)
        for place, one in enumerate(versions)
        for model in one.bits
        if model.kind in {"candidate", "challenger", "former champion"}
    )
    every = (
        Series(name="champion", values=best("champion")),
        Series(name="best baseline", values=best("baseline")),
        Series(name="other models", values=(None,) * len(versions), dots=dots),
    )
    return tuple(one for one in every if one.dots or any(value is not None for value in one.values))


def _table(versions: Sequence[VersionMetrics]) -> Markup:
    heads = (
        "version",
        "made",
        "records",
        "+",
        "~",
        "−",
        "dropped",
        "MB",
        "text",
        "champion",
        "best baseline",
        "decision",
    )
    head = Markup("").join(Markup("<th>{}</th>").format(name) for name in heads)
    rows = Markup("").join(_row(one) for one in reversed(versions))
    return Markup('<div class="wide"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>').format(
        head, rows
    )


def _row(one: VersionMetrics) -> Markup:
    champion, baseline = one.best("champion"), one.best("baseline")
    cells = [
        one.version,
        one.made[:10],
        f"{one.records:,}",
        f"{one.added:,}",
        f"{one.changed:,}",
        f"{one.removed:,}",
        f"{one.dropped:,}",
        f"{sum(one.bytes.values()) / 1e6:,.2f}",
        f"{one.text_ratio:.1%}",
        f"{champion.bits:,.1f}" if champion else "",
        f"{number(baseline.bits)} ({baseline.name})" if baseline else "",
        one.outcome,
    ]
    kind = "yanked" if one.yanked else ""
    told = Markup("").join(Markup("<td>{}</td>").format(cell) for cell in cells)
    return Markup('<tr class="{}">{}</tr>').format(kind, told)
