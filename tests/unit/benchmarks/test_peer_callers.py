"""What asks Redis and in-process libraries: every answer is compared, every row says whose it is."""

import itertools
from typing import Any

import pytest
import redis

from benchmarks.generators.generator import GeneratorFailed, Load
from benchmarks.generators.latencies import Latencies
from benchmarks.generators.question import Question, equals
from benchmarks.peers import redis_py
from benchmarks.peers.engines import Engine
from benchmarks.peers.in_process import Asked
from benchmarks.peers.redis_caller import RedisCaller
from benchmarks.peers.redis_lookup import command
from benchmarks.row import Row
from benchmarks.scenarios import in_process
from benchmarks.subjects.subject import Endpoint

GET = Question("HGET", command("HGET", "ent:a", "b"), (equals(b"$1\r\n1\r\n"),))
SEVERAL = Question(
    "HMGET", command("HMGET", "ent:a", "b", "c"), (equals(b"*2\r\n$1\r\n1\r\n$1\r\n0\r\n"),), decisions=2
)


class Client:
    """Answers like redis-py on a store where every answer is `1`."""

    def hget(self, key: str, field: str) -> bytes:
        """Answer one."""
        assert (key, field) == ("ent:a", "b")
        return b"1"

    def hmget(self, key: str, fields: list[str]) -> list[bytes]:
        """Answer several."""
        assert (key, fields) == ("ent:a", ["b", "c"])
        return [b"1"] * len(fields)


@pytest.fixture
def client() -> Any:
    """Return the client with the type that is expected."""
    return Client()


def test_answers_are_compared_as_they_came_over_the_wire(client: redis.Redis) -> None:
    """The right answer is right; of two verdicts one wrong one makes the call wrong."""
    for question, is_right in ((GET, True), (SEVERAL, False)):
        latencies, _, wrong = redis_py.measure([(redis_py.call_of(client, question.body), question)], 0.001)
        assert len(latencies) >= 1
        assert wrong == (0 if is_right else len(latencies))


def test_a_missing_answer_is_wrong() -> None:
    """A field that nobody wrote is no verdict."""
    _, _, wrong = redis_py.measure([(lambda: None, GET)], 0.001)
    assert wrong >= 1


def test_an_unknown_command_is_refused(client: redis.Redis) -> None:
    """A question that this caller cannot ask is an error, never a skipped call."""
    with pytest.raises(ValueError, match="no caller for the command GET"):
        redis_py.call_of(client, command("GET", "a"))


def test_the_caller_asks_redis_and_nothing_else() -> None:
    """One connection, one question in flight, no stated rate."""
    caller = RedisCaller()
    assert caller.can(Endpoint("unix", "/s", "resp"), Load())
    assert not caller.can(Endpoint("unix", "/s", "grpc"), Load())
    assert not caller.can(Endpoint("unix", "/s", "resp"), Load(connections=64))
    assert not caller.can(Endpoint("unix", "/s", "resp"), Load(rate=100.0))


def test_rows_of_engines_name_version_and_note(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds begin with another engine each; a failing engine is a line for the reader and no row."""
    order: list[str] = []

    def ask(self: Engine, seconds: float, warm_up_s: float, cpu: int) -> tuple[Asked, Latencies]:
        _ = seconds, warm_up_s, cpu
        order.append(self.name)
        if self.name == "broken":
            raise GeneratorFailed("broken failed: no library")
        asked = Asked(3, 0.5, 1, 20.0, {"lib": "1.2"}, "plan is sent by the caller")
        return asked, Latencies.of([1000, 2000, 3000])

    engines = [Engine("one", "m.one"), Engine("broken", "m.broken"), Engine("two", "m.two")]
    monkeypatch.setattr(Engine, "ask", ask)
    monkeypatch.setattr(in_process, "available_engines", lambda _: (engines, [("three", "no package")]))
    monkeypatch.setattr(in_process, "Weather", Calm)
    said: list[str] = []
    monkeypatch.setattr(in_process, "say", said.append)
    rows = in_process.run((), (), 2, 0.5)
    assert order == ["one", "broken", "two", "broken", "two", "one"]
    assert [(row.subject, row.round) for row in rows] == [("one", 1), ("two", 1), ("two", 2), ("one", 2)]
    assert said == [
        "left out: three: no package",
        "round 1: broken failed: no library",
        "round 2: broken failed: no library",
    ]
    first = rows[0]
    assert (first.calls, first.decisions, first.wrong, first.rss_mib) == (3, 3, 1, 20.0)
    assert first.parameters == {"version": "lib 1.2"}
    assert first.note == "plan is sent by the caller"
    assert first.latency_us["max"] == pytest.approx(3.0)
    assert Row.from_json(first.as_json()) == first


class Calm:
    """A machine that is always equally fast."""

    def __init__(self) -> None:
        """Begin."""
        self._numbers = itertools.count(1)

    def new_round(self) -> None:
        """Nothing changes."""
        next(self._numbers)

    def good_moment(self) -> float:
        """Return a spin."""
        return 10.0

    def after(self, before: float) -> float:
        """Return that it was as fast as ever."""
        return before / 10.0
