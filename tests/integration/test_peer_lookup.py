"""The look-up in Valkey, as the benchmarks run it: started, filled, asked, gone."""

import socket

import pytest

from benchmarks.peers.program import listens
from benchmarks.peers.redis_lookup import RedisLookup
from benchmarks.questions import Ask
from benchmarks.subjects.subject import SubjectFailed


@pytest.mark.parametrize("ask", [Ask(), Ask(batch=20, same_customer=True)], ids=["one", "twenty"])
def test_every_answer_is_the_expected_one(ask: Ask) -> None:
    """All questions over both sockets; an expectation of the opposite is not met."""
    subject = RedisLookup("valkey")
    questions = subject.questions(ask)
    assert questions is not None
    subject.start()
    try:
        for kind, endpoint in subject.endpoints().items():
            family = socket.AF_UNIX if kind == "unix" else socket.AF_INET
            host, _, port = endpoint.address.rpartition(":")
            with socket.socket(family) as line:
                line.connect(endpoint.address if kind == "unix" else (host, int(port)))
                for question in questions:
                    (expected,) = question.expectations
                    line.sendall(question.body)
                    assert received(line, len(expected.data)) == expected.data
        assert len(subject.pids()) == 1
    finally:
        address = subject.endpoints()["unix"].address
        subject.stop()
    assert not listens(address)
    assert subject.pids() == ()
    subject.stop()


def received(line: socket.socket, length: int) -> bytes:
    """Read exactly this many bytes, or what came before the end."""
    data = b""
    while len(data) < length and (more := line.recv(length - len(data))):
        data += more
    return data


def test_a_server_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that refuses its settings ends in a message, not in a wait."""
    subject = RedisLookup("valkey")
    monkeypatch.setattr("benchmarks.peers.redis_lookup.free_port", lambda: 99_999)
    with pytest.raises(SubjectFailed, match="valkey ended"):
        subject.start()
    assert subject.pids() == ()
