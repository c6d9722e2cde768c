"""The page for a person who decides between products: one file, no request to anybody, light and dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Final

from benchmarks.noise import Noise
from benchmarks.report import curves, sections
from benchmarks.report.headline import cards
from benchmarks.report.labels import label
from benchmarks.report.losses import losses
from benchmarks.report.sections import Maker, Section
from benchmarks.report.tables import loss_table, scenario_table, target_table
from benchmarks.report.targets import Verdict, verdicts
from benchmarks.result import Result
from benchmarks.row import Row

FOLDER: Final = Path(__file__).parent
MAKERS: Final[Sequence[Maker]] = (
    sections.saturation,
    sections.one_in_flight,
    sections.callers,
    curves.percentiles,
    sections.at_a_rate,
    curves.rates,
    curves.batches,
    sections.embedded,
    curves.churn,
    curves.propagation,
    sections.memory_at_rest,
    curves.customers,
    curves.processes,
)
METHOD: Final = (
    "Every subject answers the same 600 questions (1,000 customers, 20 features, 3 plans; 345 allowed, 255 denied), and the verdict of every answer is checked.",
    "The server has one processor to itself, whoever asks another one. Warm-up is left out.",
    "Rounds go over all subjects in turn, so the rows of one round saw the same machine. Figures are medians of the rounds with the least and the greatest; ratios are taken inside a round first.",
    "Open loops count from the instant at which a question was due, so a stall is seen by every question it delayed (no coordinated omission). Percentiles come from HDR histograms with three digits.",
    "The two processors are a virtual machine's: its speed can change by half within a minute, which the fixed computation beside each row shows. Compare ratios, not microseconds, with another machine.",
)


def page(result: Result, titles: Mapping[str, str]) -> str:
    """Return the page of a result; `titles` says of each scenario what it does."""
    made = [section for maker in MAKERS if (section := maker(result.rows)) is not None]
    judged = verdicts(result.rows, result.left_out)
    parts = [
        header(result),
        navigation(made),
        targets(judged),
        *(section_markup(section) for section in made),
        lost(result.rows),
        every_row(result.rows, titles),
        method(result),
    ]
    style = (FOLDER / "page.css").read_text(encoding="utf-8") + (FOLDER / "chart.css").read_text(encoding="utf-8")
    title = "Entitlements: measured beside what you would use instead"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{style}</style></head><body><main>{''.join(parts)}</main></body></html>\n"
    )


def header(result: Result) -> str:
    """Return title, what was run where, the numbers to remember, and how quiet the machine was."""
    machine = result.machine
    on = f"{machine.get('processor')}, {machine.get('cores')} cores, {machine.get('memory_gib')} GiB, {machine.get('system')}"
    about = f"{result.date[:10]} · commit {result.commit} · {on} · Python {machine.get('python')}"
    found = "".join(
        f'<div class="card"><b>{escape(card.number)}</b><span>{escape(card.what)}</span><small>{escape(card.beside)}</small></div>'
        for card in cards(result.rows)
    )
    return (
        "<header><h1>May this customer use this feature?<br>How fast that is answered</h1>"
        '<p class="lead">The entitlement sidecar beside policy engines, flag libraries and plain look-ups: the same questions, the same machine, '
        "the same minutes, every answer checked.</p>"
        f'<p class="about">{escape(about)}</p><div class="cards">{found}</div>'
        f'<p class="banner">{escape(Noise.of(result.rows).sentence())}</p></header>'
    )


def navigation(made: Sequence[Section]) -> str:
    """Return links to the sections."""
    links = [("targets", "Targets"), *((section.anchor, section.title) for section in made)]
    links += [("losses", "Where we lose"), ("rows", "Every measurement"), ("method", "Method")]
    return "<nav>" + "".join(f'<a href="#{anchor}">{escape(title)}</a>' for anchor, title in links) + "</nav>"


def targets(judged: Sequence[Verdict]) -> str:
    """Return the table of targets with a count."""
    met, known = (
        sum(verdict.is_met is True for verdict in judged),
        sum(verdict.is_met is not None for verdict in judged),
    )
    rest = f", {len(judged) - known} not measured in this run" if known < len(judged) else ""
    return (
        f'<section id="targets"><h2>Targets</h2><p class="lead">{met} of {known} met{rest}.</p>'
        f"{target_table(judged)}</section>"
    )


def section_markup(section: Section) -> str:
    """Return a section with its pictures."""
    pictures = "".join(
        f"<figure>{drawing.markup()}<figcaption>{escape(caption)}</figcaption></figure>"
        for drawing, caption in section.pictures
    )
    notes = "".join(f"<li>{escape(note)}</li>" for note in section.notes)
    listed = f'<ul class="note">{notes}</ul>' if notes else ""
    return f'<section id="{section.anchor}"><h2>{escape(section.title)}</h2><p>{escape(section.lead)}</p>{pictures}{listed}</section>'


def lost(rows: Sequence[Row]) -> str:
    """Return the losses that all rounds agree on."""
    found = losses(rows)
    others = [loss for loss in found if label(loss.subject).kind != "limit"]
    limits = [loss for loss in found if label(loss.subject).kind == "limit"]
    text = (
        "Every subject that beat ours in a figure, in all rounds. A look-up decides nothing: it holds answers that somebody made and must make "
        "again at every change of a plan, every end of a trial, every override."
    )
    body = loss_table(others) if others else "<p>Nowhere in this run.</p>"
    if limits:
        body += (
            "<details><summary>What the machine allows<small>programs that decide nothing at all</small></summary>"
            f"{loss_table(limits)}</details>"
        )
    return f'<section id="losses"><h2>Where we lose</h2><p>{text}</p>{body}</section>'


def every_row(rows: Sequence[Row], titles: Mapping[str, str]) -> str:
    """Return all measurements, a fold per scenario."""
    folds = ""
    for scenario in dict.fromkeys(row.scenario for row in rows):
        own = [row for row in rows if row.scenario == scenario]
        title = titles.get(scenario, "")
        folds += (
            f"<details><summary>{escape(scenario)}<small>{escape(title)} ({len(own)} rows)</small></summary>"
            f"{scenario_table(own)}</details>"
        )
    text = "Median of the rounds; below it the least and the greatest."
    return f'<section id="rows"><h2>Every measurement</h2><p>{text}</p>{folds}</section>'


def method(result: Result) -> str:
    """Return how it was measured, with what versions, and what could not be."""
    points = "".join(f"<li>{escape(point)}</li>" for point in METHOD)
    versions = ", ".join(f"{name} {version}" for name, version in result.versions.items())
    left_out = "".join(f"<li>{escape(line)}</li>" for line in result.left_out)
    missing = f'<h3>Left out on this machine</h3><ul class="note">{left_out}</ul>' if left_out else ""
    again = f"The run took {result.took_s / 60:.0f} minutes. To repeat it: python3 dev.py bench, or bench full."
    return (
        f'<section id="method"><h2>Method</h2><ul class="note">{points}</ul>'
        f'<p class="note">{escape(versions)}</p>{missing}<p class="note">{again}</p></section>'
    )
