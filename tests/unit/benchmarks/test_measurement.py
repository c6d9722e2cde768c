"""What surrounds a measured row: the weather, who takes part, who is left out, the order of the rounds."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pytest

from benchmarks.generators.checking import leaves
from benchmarks.generators.generator import GeneratorFailed, Load, Outcome
from benchmarks.generators.h2load import disagreement, in_time
from benchmarks.generators.latencies import Latencies
from benchmarks.generators.question import Question
from benchmarks.questions import Ask
from benchmarks.row import Row
from benchmarks.scenarios.measurement import Measurement, Weather, interleaved
from benchmarks.scenarios.processors import Meter, cpu_seconds, pinned, resident_mib, spin_ms
from benchmarks.scenarios.sweep import rounded
from benchmarks.subjects.subject import Endpoint, Kind, SubjectFailed


class Answerer:
    """A subject that only keeps a diary."""

    note = "a toy"

    def __init__(self, name: str, diary: list[str], *, missing: str | None = None, fails: bool = False) -> None:
        """Take what is to be seen of it."""
        self.name = name
        self._diary = diary
        self._missing = missing
        self._fails = fails

    def missing(self) -> str | None:
        """Return what was said."""
        return self._missing

    def prepare(self) -> None:
        """Note it."""
        self._diary.append(f"prepare {self.name}")

    def questions(self, ask: Ask) -> Sequence[Question] | None:
        """Return one question; none in batches."""
        return [Question("/a", b"", ())] if ask.batch == 1 else None

    def start(self) -> None:
        """Note it, or fail."""
        if self._fails:
            raise SubjectFailed("broken")
        self._diary.append(f"start {self.name}")

    def endpoints(self) -> Mapping[Kind, Endpoint]:
        """Return some place."""
        return {"unix": Endpoint("unix", "/nowhere")}

    def pids(self) -> Sequence[int]:
        """Return this process."""
        return (os.getpid(),)

    def stop(self) -> None:
        """Note it."""
        self._diary.append(f"stop {self.name}")


class Asker:
    """A generator that returns what it was given, one outcome a call."""

    name = "toy"

    def __init__(self, *outcomes: Outcome) -> None:
        """Take the outcomes; without one it fails."""
        self._outcomes = list(outcomes)

    def missing(self) -> str | None:
        """Return None."""
        return None

    def can(self, endpoint: Endpoint, load: Load) -> bool:
        """Return True."""
        del endpoint, load
        return True

    def run(self, endpoint: Endpoint, questions: Sequence[Question], load: Load) -> Outcome:
        """Return the next outcome."""
        del endpoint, questions, load
        if not self._outcomes:
            raise GeneratorFailed("nothing left")
        return self._outcomes.pop(0)


def seen(calls: int, asked: float = 0.0, first_wrong: str = "", wrong: int = 0) -> Outcome:
    """Return an outcome of so many calls."""
    return Outcome(
        seconds=1.0,
        calls=calls,
        decisions=calls,
        all_calls=calls,
        latencies=Latencies.of([1000] * calls),
        asked_per_second=asked,
        first_wrong=first_wrong,
        wrong=wrong,
    )


def weather(*spins: float) -> Weather:
    """Return weather in which the fixed computation takes so long, one after the other."""
    coming = iter(spins)
    return Weather(lambda: next(coming), lambda _: None)


def test_a_slow_moment_is_waited_out() -> None:
    """The row is measured when the machine is as fast as it was before."""
    sky = weather(10, 30, 30, 11)
    assert sky.good_moment() == 10
    assert sky.good_moment() == 11


def test_a_machine_that_stays_slow_is_measured_and_marked() -> None:
    """Waiting has an end; the row says what it is worth."""
    sky = weather(10, *[30] * 20)
    sky.good_moment()
    row = Measurement("s", Load()).row(Answerer("a", []), Asker(*[seen(5)] * 9), "unix", 1, sky)
    assert row is not None
    assert "slow moment: spin 3.00 times" in row.note


def test_a_row_that_was_disturbed_is_measured_again() -> None:
    """The first attempt ends in a slow moment, the second does not: the second counts."""
    sky = weather(10, 30, 10, 10)
    row = Measurement("s", Load()).row(Answerer("a", []), Asker(seen(5), seen(7)), "unix", 1, sky)
    assert row is not None
    assert (row.calls, row.note) == (7, "a toy")


def test_of_disturbed_attempts_the_least_disturbed_one_counts() -> None:
    """Spins after the three attempts: 5, 2 and 4 times the best."""
    sky = weather(10, 50, 10, 20, 10, 40)
    row = Measurement("s", Load()).row(Answerer("a", []), Asker(seen(5), seen(7), seen(6)), "unix", 1, sky)
    assert row is not None
    assert row.calls == 7
    assert "2.00 times" in row.note


def test_a_wrong_answer_is_never_measured_away() -> None:
    """An attempt with a wrong answer is the row, however bad the moment was."""
    sky = weather(10, 50, 10, 10)
    row = Measurement("s", Load()).row(Answerer("a", []), Asker(seen(5, wrong=1), seen(7)), "unix", 1, sky)
    assert row is not None
    assert (row.calls, row.wrong) == (5, 1)


def test_a_new_round_forgets_the_best() -> None:
    """A machine that became slower for good is not waited for for ever."""
    sky = weather(10, 30)
    sky.good_moment()
    sky.new_round()
    assert sky.good_moment() == 30


def test_a_row_holds_what_was_asked_and_seen() -> None:
    """Parameters, server cost, memory, notes."""
    what = Measurement("open_loop", Load(rate=100, connections=2), parameters={"share": 0.5})
    row = what.row(Answerer("a", []), Asker(seen(5, asked=50, first_wrong="q")), "unix", 2, weather(1, 1))
    assert row is not None
    assert dict(row.parameters) == {"connections": 2, "rate": 100, "share": 0.5}
    assert (row.scenario, row.subject, row.generator, row.endpoint, row.round) == ("open_loop", "a", "toy", "unix", 2)
    assert row.rss_mib is not None
    assert row.server_cpu_us is not None
    assert row.rss_mib > 1
    assert row.note == "a toy; only 50/s could be asked: the generator was the bottleneck; first wrong: q"


def test_a_generator_that_was_late_is_told_from_a_server_that_was() -> None:
    """Fewer calls than wanted, or calls that waited before they were sent; random instants are a few more or less by nature."""
    load = Load(rate=1000, seconds=2, poisson=True)
    slow, quick = Latencies.of([900_000]), Latencies.of([100_000])
    outcome = replace(seen(5, asked=975), latencies=slow, from_sent=slow)
    assert not outcome.held_up(load)
    assert not outcome.held_up(replace(load, rate=None))
    assert "bottleneck" in outcome.held_up(replace(load, poisson=False))
    assert "waited 800 us" in replace(outcome, from_sent=quick).held_up(load)


def test_what_cannot_be_asked_or_fails_is_no_row(capsys: pytest.CaptureFixture[str]) -> None:
    """None, never a row of zeros; a failure is printed."""
    assert Measurement("s", Load(), Ask(batch=2)).row(Answerer("a", []), Asker(seen(1)), "unix", 1, weather(1)) is None
    assert Measurement("s", Load()).row(Answerer("a", []), Asker(), "unix", 1, weather(1, 1)) is None
    assert "toy on a failed: nothing left" in capsys.readouterr().out


def test_rounds_are_interleaved_and_everything_is_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    """Each subject once a round, in turn first; who is missing or fails is named, and the others go on."""
    diary: list[str] = []
    subjects = [
        Answerer("a", diary),
        Answerer("b", diary),
        Answerer("gone", diary, missing="not here"),
        Answerer("bad", diary, fails=True),
    ]

    def rows(subject: Answerer, number: int, _: Weather) -> Iterator[Row | None]:
        diary.append(f"ask {subject.name} in {number}")
        yield None

    assert interleaved(subjects, 2, rows) == []  # type: ignore[arg-type]
    assert [line for line in diary if not line.startswith("prepare")] == [
        *("start a", "ask a in 1", "stop a", "start b", "ask b in 1", "stop b", "stop bad"),
        *("start b", "ask b in 2", "stop b", "stop bad", "start a", "ask a in 2", "stop a"),
    ]
    printed = capsys.readouterr().out
    assert "left out: gone: not here" in printed
    assert "round 1: bad failed: broken" in printed


def test_a_process_and_its_neighbours_are_told_apart() -> None:
    """Time that this process uses is the subject's when it is the subject, and nobody else's."""
    own = (os.getpid(),)
    before, meter = cpu_seconds(own), Meter(own)
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    used, others = meter.read()
    assert used == pytest.approx(0.1, abs=0.05)
    assert others >= 0
    assert cpu_seconds(own) - before >= 0.05
    assert 1 < resident_mib(own) < 10_000
    assert cpu_seconds([2**22 - 1]) == 0


def test_pinning_ends_with_its_block() -> None:
    """The benchmark itself goes on wherever it may."""
    allowed = os.sched_getaffinity(0)
    with pinned(min(allowed)):
        assert os.sched_getaffinity(0) == {min(allowed)}
    assert os.sched_getaffinity(0) == allowed
    assert spin_ms() > 0


def test_h2load_is_held_to_the_servers_own_counts() -> None:
    """One code for one question; what h2load calls a success and the server did not decide is wrong."""
    load = Load(connections=2, streams=2)
    assert disagreement(Counter(ENTITLED=102), 100, load) == (0, "")
    assert disagreement(Counter(ENTITLED=90, POLICY_NOT_READY=12), 100, load) == (12, "")
    assert disagreement(Counter(), 100, load)[0] == 100
    assert disagreement(Counter(ENTITLED=120), 100, load)[1] == "h2load counted 100 successes, the server 120 decisions"


def test_h2loads_warm_up_is_left_out() -> None:
    """Only what ended in the measured part counts."""
    lines = [f"{1_000_000 * second}\t200\t{100 + second}" for second in range(6)]
    assert in_time(lines, Load(warm_up_s=2, seconds=2)) == [102_000, 103_000]
    assert in_time([], Load()) == []


@pytest.mark.parametrize("message", [b"\x08", b"\x0a\x05abc", b"\x0b", b"\xff" * 11])
def test_bytes_that_are_no_message_are_no_answer(message: bytes) -> None:
    """They raise, which a check takes for a wrong answer."""
    with pytest.raises(ValueError, match=r"cut off|group"):
        list(leaves(message, b"", 1))


@pytest.mark.parametrize("rate, shown", [(7.4, 7.0), (123.0, 120.0), (19_876.0, 20_000.0), (0.2, 1.0)])
def test_rates_have_two_digits(rate: float, shown: float) -> None:
    """They stand on an axis."""
    assert rounded(rate) == shown
