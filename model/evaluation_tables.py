"""What a terminal shows of an evaluation beside its main table: differences between models, and what they draw."""

from rich.box import SIMPLE_HEAD
from rich.table import Table

from model.evaluate import Evaluation, Paired

SURE = 0.05  # a p below it is called a difference
LARGE = 100  # bits whose decimals say nothing


def narrow_table(evaluation: Evaluation) -> Table:
    """Return what `evaluation_table` does in 80 characters: bits alone, by part."""
    on = evaluation.dataset
    table = Table(title=f"{on.ref}, {on.split}: bits per record (less is better)", box=SIMPLE_HEAD)
    table.title_justify, table.pad_edge = "left", False
    table.add_column("model", overflow="fold")
    for heading in ("total", "shape", "pixels", "ends", "caption", "a pixel", "a letter"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in sorted(evaluation.models, key=lambda model: model.bits_per_record.total):
        bits = row.bits_per_record
        amounts = (bits.total, bits.shape, bits.pixels, bits.row_ends, bits.caption)
        table.add_row(
            row.name,
            *(f"{amount:,.0f}" for amount in amounts),
            f"{row.bits_per_pixel:.3f}",
            f"{row.bits_per_character:.3f}",
            style="bold" if row.name == evaluation.best.name else "",
        )
    return table


def pairs_table(evaluation: Evaluation) -> Table:
    """Return the paired tests: the best network against each other model, then the other networks against the rest."""
    table = Table(title="the same records under two models: bits per record that the first pays more", box=SIMPLE_HEAD)
    table.title_justify, table.pad_edge = "left", False
    table.add_column("compared", overflow="fold")
    for heading in ("difference", "95 %", "p"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("better", no_wrap=True)
    for pair in shown_pairs(evaluation):
        low, high = pair.ci95
        table.add_row(
            f"{pair.a} − {pair.b}",
            f"{pair.difference_bits:+,.1f}",
            told_interval(low, high),
            told_chance(pair.p_value),
            {pair.a: "first", pair.b: "second"}.get(better(pair), ""),
        )
    return table


def drawn_table(evaluation: Evaluation) -> Table | None:
    """Return what was measured of drawn records, None where nothing was."""
    if not evaluation.validity and not evaluation.memorisation:
        return None
    table = Table(
        "model", "what it draws from nothing", "", title="drawn records", title_justify="left", box=SIMPLE_HEAD
    )
    table.pad_edge = False
    for one in evaluation.validity:
        told = f"{one.found.well_formed} of {one.found.drawn}"
        table.add_row(one.model, "well formed without the grammar", told)
        table.add_row("", "commonest fault", "; ".join(f"{x.what} ({x.count})" for x in one.found.faults[:1]))
    for copy in evaluation.memorisation:
        found = copy.found
        table.add_row(copy.model, "exact copies of training pictures", f"{found.copies} of {found.sampled}")
        agreement = f"{found.mean_agreement:.1%}; real held-out ones {found.held_out_mean_agreement:.1%}"
        table.add_row("", "agreement with the nearest training picture", agreement)
        table.add_row("", "nearer to it than 95 % of real ones are", f"{found.nearer_than_real:.1%}; 5 % is natural")
        table.add_row("", "distance of its colours from real ones", f"{found.palette_distance:.3f}")
    return table


def shown_pairs(evaluation: Evaluation) -> tuple[Paired, ...]:
    """Return the pairs in which a network stands, those of the best one first."""
    networks = {row.name for row in evaluation.models if row.kind == "network"}
    others = tuple(pair for pair in evaluation.other_pairs if {pair.a, pair.b} & networks)
    return (*evaluation.paired, *others)


def better(pair: Paired) -> str:
    """Return which of the two is better, nothing where the records do not tell.

    Both the interval and, where it is known, the sign-flip test must say so.
    """
    low, high = pair.ci95
    if (pair.p_value is not None and pair.p_value >= SURE) or low <= 0 <= high:
        return ""
    return pair.a if high < 0 else pair.b


def verdict(pair: Paired) -> str:
    """Return the same as a sentence."""
    name = better(pair)
    return f"{name} is better" if name else "not told apart"


def told_interval(low: float, high: float) -> str:
    """Return an interval, with a decimal where it is small.

    >>> told_interval(-1203.4, -99.0), told_interval(-0.5, 2.0)
    ('-1,203 to -99', '-0.5 to +2.0')
    """
    decimals = 0 if max(abs(low), abs(high)) >= LARGE else 1
    return f"{low:+,.{decimals}f} to {high:+,.{decimals}f}"


def told_chance(p: float | None) -> str:
    """Return a p-value in words of a table.

    >>> told_chance(0.0005), told_chance(0.25), told_chance(None)
    ('0.0005', '0.25', '')
    """
    return "" if p is None else f"{p:.2g}"
