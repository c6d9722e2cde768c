"""The page, the picture and the documents' tables: valid, self-contained, and computed from rows alone."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks.report import published
from benchmarks.report.labels import OURS
from benchmarks.report.losses import losses
from benchmarks.report.page import page
from benchmarks.report.picture import NoFontError, picture, png, svg
from benchmarks.report.targets import judge, verdicts
from benchmarks.result import RESULTS, ROOT, Result
from benchmarks.spread import Spread
from tests.support.benchmark_rows import example_result, example_rows

RESULT = example_result()
PAGE = page(RESULT, {"saturated": "64 calls in flight"})


class Balanced(HTMLParser):
    """Fails on a tag that is closed in the wrong place or never; collects ids and what links and attributes point to."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember an open tag."""
        self.tags.add(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.targets += [value for name, value in attrs if name in {"href", "src", "action", "data"} and value]
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element that closes itself stays open for nobody."""
        assert attrs
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the last open tag."""
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def parsed() -> Balanced:
    """The page, read by a parser."""
    reader = Balanced()
    reader.feed(PAGE)
    reader.close()
    return reader


def test_the_page_is_balanced_html(parsed: Balanced) -> None:
    """Every tag is closed where it should be, and ids are unique."""
    assert parsed.open == []
    assert len(parsed.ids) == len(set(parsed.ids))


def test_the_page_asks_the_network_for_nothing(parsed: Balanced) -> None:
    """It can be mailed, archived and opened offline; the only address is the name of SVG's namespace."""
    assert "script" not in parsed.tags
    assert {target for target in parsed.targets if not target.startswith("#")} == set()
    assert set(re.findall(r"https?://[^\s\"'<)]+", PAGE)) == {"http://www.w3.org/2000/svg"}
    assert "@import" not in PAGE
    assert "url(" not in PAGE


def test_every_link_of_the_page_leads_somewhere(parsed: Balanced) -> None:
    """The list of sections names sections that are there."""
    assert {target.removeprefix("#") for target in parsed.targets} <= set(parsed.ids)


@pytest.mark.parametrize("anchor", ["targets", "throughput", "latency", "callers", "percentiles", "rates", "batches",
                                    "embedded", "churn", "propagation", "scale", "open-loop", "memory", "customers", "losses", "rows", "method"])  # fmt: skip
def test_every_scenario_that_was_measured_is_shown(parsed: Balanced, anchor: str) -> None:
    """Each has its section."""
    assert anchor in parsed.ids


def test_every_picture_is_well_formed_and_holds_numbers() -> None:
    """The inline pictures parse as XML and no coordinate is missing."""
    pictures = re.findall(r"<svg.*?</svg>", PAGE, re.DOTALL)
    assert len(pictures) > 10
    for text in pictures:
        ET.fromstring(text)
        assert "nan" not in text
        assert "inf" not in text


def test_text_of_rows_cannot_break_the_page() -> None:
    """What a subject or a note says is text, never markup."""
    rows = [row.from_json({**row.as_json(), "note": "<script>x</script> & co"}) for row in example_rows()]
    assert "<script>" not in page(example_result(rows), {})


def test_a_result_with_little_in_it_has_a_page_too() -> None:
    """Sections that nothing was measured for are absent; the targets say `not measured`."""
    few = [row for row in example_rows() if row.scenario == "saturated"]
    text = page(example_result(few), {})
    assert 'id="throughput"' in text
    assert 'id="rates"' not in text
    assert "not measured" in text


def test_targets_are_judged_by_the_median_of_ratios() -> None:
    """18,500 against 8,900 is twice as many; a batch at seven times single checks is not fifteen times."""
    judged = {verdict.target: verdict for verdict in verdicts(RESULT.rows)}
    opa = judged["Saturated checks per second, against OPA"]
    assert opa.is_met
    assert opa.measured is not None
    assert 1.9 < opa.measured.median < 2.3
    assert judged["Decisions per second, BatchCheck of 100 against single checks"].is_met is False
    assert judged["p99 at 5,000 checks/s, open loop, over calm: a new set of all customers"].is_met is False
    assert judged["Local mode, p50 against every embedded library"].is_met


@pytest.mark.parametrize(
    "bound, median, at_least, met",
    [(2.0, 2.0, True, True), (2.0, 1.998, True, False), (0.5, 0.5, False, True), (0.5, 0.51, False, False)],
)
def test_a_bound_is_met_or_not(bound: float, median: float, *, at_least: bool, met: bool) -> None:
    """The bound itself counts as met; a hair below does not."""
    verdict = judge("x", bound, Spread(median, median, median, 3), "", at_least=at_least)
    assert verdict.is_met is met


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    """A dash, not a guess."""
    verdict = judge("x", 2, None, "", at_least=True)
    assert (verdict.is_met, verdict.answer, verdict.words) == (None, "-", "not measured")


def test_losses_name_who_is_better_and_leave_out_who_is_not() -> None:
    """Redis answers more and sooner; Cerbos does not; a subject with wrong answers is not compared."""
    found = {(loss.subject, loss.figure) for loss in losses(RESULT.rows)}
    assert ("redis", "per_second") in found
    assert ("redis", "p50") in found
    subjects = {subject for subject, _ in found}
    assert "wrong-one" not in subjects
    assert OURS not in subjects
    assert ("cerbos", "per_second") not in found


def test_the_same_load_in_another_form_is_compared() -> None:
    """Sixty-four connections of one call are the load of four with sixteen; a library's version is nobody's advantage."""
    rows = []
    for row in example_rows():
        if row.scenario == "saturated" and row.subject in {OURS, "redis"}:
            shape = {"connections": 64, "streams": 1} if row.subject == "redis" else {"connections": 4, "streams": 16}
            rows.append(replace(row, parameters=shape))
        elif row.scenario == "in_process":
            rows.append(replace(row, parameters={"version": row.subject}))
    found = {(loss.subject, loss.scenario, loss.parameters) for loss in losses(rows)}
    assert ("redis", "saturated", "64 in flight") in found
    assert ("dict", "in_process", "") in found


def test_a_loss_is_one_only_when_all_rounds_agree() -> None:
    """Within noise nobody wins."""
    rows = [row for row in example_rows() if row.scenario == "saturated" and row.subject in {OURS, "redis"}]
    swapped = [
        row.from_json({**row.as_json(), "calls": 1, "decisions": 1})
        if (row.subject, row.round) == ("redis", 2)
        else row
        for row in rows
    ]
    assert any(loss.figure == "per_second" for loss in losses(rows))
    assert not any(loss.figure == "per_second" for loss in losses(swapped))


def test_the_picture_stands_alone() -> None:
    """Its colours are written out, it needs no style of a page, and each subject shown has both figures."""
    drawing = picture(RESULT)
    assert drawing is not None
    text = svg(drawing)
    ET.fromstring(text)
    assert "var(" not in text
    assert set(re.findall(r"https?://[^\s\"'<)]+", text)) == {"http://www.w3.org/2000/svg"}
    assert "Entitlements sidecar" in text
    assert "Cerbos" in text


def test_the_picture_becomes_a_png() -> None:
    """The bytes are a PNG, twice as wide as the drawing; without fonts the writer refuses instead of leaving out the words."""
    drawing = picture(RESULT)
    assert drawing is not None
    try:
        made = png(svg(drawing))
    except NoFontError as error:
        pytest.skip(str(error))
    assert made.startswith(b"\x89PNG\r\n\x1a\n")
    assert int.from_bytes(made[16:20], "big") == 2 * int(drawing.width)


def test_a_result_without_latencies_has_no_picture() -> None:
    """Half a picture would mislead."""
    assert picture(example_result([row for row in example_rows() if row.scenario == "saturated"])) is None


DOCUMENT = "before\n<!-- bench:figures -->\n{}<!-- /bench:figures -->\nbetween <!-- bench:targets -->\n<!-- /bench:targets -->\nafter\n"


def test_blocks_of_a_document_come_from_a_result(tmp_path: Path) -> None:
    """What is between the marks is written anew, what is around them stays."""
    path = RESULT.write(tmp_path)
    text = published.refreshed(DOCUMENT.format("old\n"), Result.read(path), path.name)
    assert text.startswith("before\n<!-- bench:figures -->\n| ")
    assert text.endswith("<!-- /bench:targets -->\nafter\n")
    assert "old" not in text
    assert published.stale(text, tmp_path) == []


def test_an_edited_number_is_found(tmp_path: Path) -> None:
    """A number that no result gives is stale; so is a block whose result is gone."""
    path = RESULT.write(tmp_path)
    text = published.refreshed(DOCUMENT.format(""), Result.read(path), path.name)
    edited = re.sub(r"\d+ MiB", "1 MiB", text, count=1)
    assert edited != text
    assert published.stale(edited, tmp_path) == ["figures"]
    assert published.stale(text, tmp_path / "elsewhere") == ["figures", "targets"]


@pytest.mark.parametrize("document", published.DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_published_tables_are_those_of_their_result(document: Path) -> None:
    """A number in the documents comes from a result file that is checked in. To mend: `dev.py bench report RESULT --publish`."""
    text = document.read_text(encoding="utf-8")
    assert published.stale(text, RESULTS) == []
    assert any(published.marked(name).search(text) for name in published.MAKERS)
