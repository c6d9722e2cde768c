"""What the benchmarks ask of peers: bytes that the peers' own clients would send, verdicts that cannot pass by accident, honest installs."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import dev
from benchmarks.generators.question import Expectation, Question, contains, equals
from benchmarks.peers import cerbos_wire, environment, in_process, redis_lookup, roster
from benchmarks.peers.cerbos import Cerbos, write_policies
from benchmarks.peers.engines import ENGINES, questionnaire
from benchmarks.peers.environment import UnobtainableError
from benchmarks.peers.program import Program
from benchmarks.peers.questionnaire import Ask as AskOne
from benchmarks.peers.questionnaire import Questionnaire
from benchmarks.peers.redis_lookup import RedisLookup
from benchmarks.questions import PAIRS, PLANS, Ask, Pair
from benchmarks.subjects.subject import SubjectFailed

PEERS = Path(cerbos_wire.__file__).parent
PAIR = Pair("customer-0000001", "pro", "feature-03", allowed=True)
REFUSED = Pair("customer-0000001", "pro", "feature-19", allowed=False)


def test_the_questionnaire_says_what_the_questions_say(tmp_path: Path) -> None:
    """What another environment reads is the 600 pairs, and its plans give their verdicts."""
    questionnaire().write(tmp_path / "questions.json")
    read = Questionnaire.read(tmp_path / "questions.json")
    assert read == questionnaire()
    assert [(pair.customer, pair.feature, pair.allowed) for pair in PAIRS] == list(read.pairs)
    assert [
        (customer, feature)
        for customer, feature, allowed in read.pairs
        if (read.customers[customer] in read.plans_with(feature)) is not allowed
    ] == []


def test_cerbos_is_asked_as_its_own_client_asks() -> None:
    """These bytes were made once by Cerbos' Python SDK 0.16.1 for the same question."""
    made = cerbos_wire.request([PAIR, REFUSED], role_is_plan=False)
    assert made.hex() == SDK_BYTES


SDK_BYTES = "1a2b0a10637573746f6d65722d303030303030311a08637573746f6d6572220d0a04706c616e12051a0370726f22280a0a666561747572652d30330a0a666561747572652d3139120e0a0573756974651a057375697465"


def test_a_long_field_says_its_length_in_two_bytes() -> None:
    """Lengths from 128 on are varints of two bytes."""
    assert cerbos_wire.field(1, b"x" * 127)[:2] == b"\x0a\x7f"
    assert cerbos_wire.field(1, b"x" * 128)[:3] == b"\x0a\x80\x01"
    assert cerbos_wire.field(1, b"x" * 300)[:3] == b"\x0a\xac\x02"


def test_cerbos_verdicts_are_told_apart() -> None:
    """Allow and deny of one action expect different bytes, and so do the same verdicts of different actions."""
    allowed = Pair(REFUSED.customer, REFUSED.plan, REFUSED.feature, allowed=True)
    (yes,), (no,), (other,) = (cerbos_wire.effects([pair]) for pair in (allowed, REFUSED, PAIR))
    assert len({yes, no, other}) == 3
    assert yes == contains(b"\x0a\x0afeature-19\x10\x01")
    assert no == contains(b"\x0a\x0afeature-19\x10\x02")


def test_cerbos_over_http_is_asked_the_same() -> None:
    """The request is complete HTTP, its length is right, and the verdicts are the same."""
    head, _, body = cerbos_wire.http_request([PAIR, REFUSED], "cerbos").partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}".encode() in head
    asked = json.loads(body)
    assert asked["principal"]["attr"] == {"plan": "pro"}
    assert asked["resources"][0]["actions"] == ["feature-03", "feature-19"]
    assert cerbos_wire.http_effects([PAIR, REFUSED]) == (
        contains(b'"feature-03":"EFFECT_ALLOW"'),
        contains(b'"feature-19":"EFFECT_DENY"'),
    )


@pytest.mark.parametrize(
    "subject", [Cerbos(), Cerbos("http"), Cerbos(lean=True), RedisLookup()], ids=lambda each: each.name
)
def test_peers_are_asked_only_what_they_can_be_asked(subject: Cerbos | RedisLookup) -> None:
    """All 600 pairs one by one, one customer's twenty features in one call, and nothing that is ours alone."""
    single = subject.questions(Ask())
    several = subject.questions(Ask(batch=20, same_customer=True))
    assert single is not None
    assert several is not None
    assert len(single) == len(PAIRS)
    assert {question.decisions for question in several} == {20}
    assert subject.questions(Ask(batch=20)) is None
    assert subject.questions(Ask(payload="explain")) is None


def test_cerbos_policies_hold_the_plans(tmp_path: Path) -> None:
    """Each plan's rule names exactly the plan's features."""
    write_policies(tmp_path / "default", lean=False)
    write_policies(tmp_path / "lean", lean=True)
    for folder, field, prefix in (("default", "derivedRoles", "on_"), ("lean", "roles", "")):
        policy = json.loads((tmp_path / folder / "suite.json").read_text(encoding="utf-8"))["resourcePolicy"]
        rules = {rule[field][0].removeprefix(prefix): frozenset(rule["actions"]) for rule in policy["rules"]}
        assert rules == PLANS


def test_redis_answers_are_the_verdicts() -> None:
    """A question expects the whole reply, and the materialised answers hold the same."""
    assert redis_lookup.command("HGET", "ent:a", "b") == b"*3\r\n$4\r\nHGET\r\n$5\r\nent:a\r\n$1\r\nb\r\n"
    stored = {written.split(b"\r\n")[4]: written.split(b"\r\n")[6::2] for written in redis_lookup.materialised()}
    asked = RedisLookup().questions(Ask()) or ()
    for pair, question in zip(PAIRS, asked, strict=True):
        words = stored[redis_lookup.key(pair.customer).encode()]
        answer = words[words.index(pair.feature.encode()) + 1]
        assert question.expectations == (equals(b"$1\r\n%s\r\n" % answer),)
        assert (answer == b"1") is pair.allowed


@contextmanager
def contrary(questions: Questionnaire) -> Iterator[AskOne]:
    """Answer no to everything."""
    _ = questions
    yield lambda _customer, _feature: False


def test_a_wrong_verdict_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An engine that always says no is wrong on each allowed pair, and the process ends with 1."""
    questionnaire().write(tmp_path / "questions.json")
    monkeypatch.setattr("benchmarks.peers.dict_lookup.opened", contrary)
    arguments = [
        "benchmarks.peers.dict_lookup",
        str(tmp_path / "questions.json"),
        str(tmp_path / "left"),
        "0.01",
        "0.01",
        "0",
    ]
    assert in_process.main(arguments) == 1
    assert json.loads(capsys.readouterr().out)["wrong"] >= sum(pair.allowed for pair in PAIRS)


def test_right_verdicts_are_counted_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The floor answers all pairs rightly, and leaves one latency for each measured call."""
    questionnaire().write(tmp_path / "questions.json")
    arguments = [
        "benchmarks.peers.dict_lookup",
        str(tmp_path / "questions.json"),
        str(tmp_path / "left"),
        "0.01",
        "0.01",
        "0",
    ]
    assert in_process.main(arguments) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["wrong"] == 0
    assert (tmp_path / "left").stat().st_size == said["calls"] * 8


def test_a_program_that_ends_at_once_is_reported_and_gone() -> None:
    """The message holds what it said; nothing runs, nothing is left in the file system."""
    program = Program("peer")
    folder = program.folder
    with pytest.raises(SubjectFailed, match="peer ended: out of order"):
        program.start(("sh", "-c", "echo out of order >&2; exit 3"), lambda: False)
    assert program.pids == ()
    assert not folder.exists()


def test_npm_packages_are_pinned_by_hash_and_name_no_index() -> None:
    """The lock fits the package file, each package has its hash, and no address is in it."""
    wanted = json.loads((PEERS / "package.json").read_text(encoding="utf-8"))["optionalDependencies"]
    text = (PEERS / "package-lock.json").read_text(encoding="utf-8")
    packages = json.loads(text)["packages"]
    assert "://" not in text
    assert packages.pop("")["optionalDependencies"] == wanted
    assert {name.removeprefix("node_modules/"): entry["version"] for name, entry in packages.items()} == wanted
    assert [name for name, entry in packages.items() if not entry["integrity"].startswith("sha512-")] == []


def test_the_locked_entry_of_one_package_keeps_its_hashes() -> None:
    """What installs OPA's engine alone is the locked version with the locked hashes, and no condition on Python."""
    entry = environment.locked_entry(environment.OPA_ENGINE)
    assert re.match(rf"{environment.OPA_ENGINE}==\S+ \\\n", entry)
    assert entry.count("--hash=sha256:") >= 1
    assert "python" not in entry.partition("\n")[0].removeprefix(environment.OPA_ENGINE)
    with pytest.raises(UnobtainableError, match="no-such-peer is not in requirements"):
        environment.locked_entry("no-such-peer")


def test_every_engine_names_locked_distributions() -> None:
    """The versions in rows are those of the lock, and every engine tells the reader how it was asked."""
    lock = (dev.REQUIREMENTS / "peers.lock").read_text(encoding="utf-8")
    assert len({engine.name for engine in ENGINES}) == len(ENGINES)
    for engine in ENGINES:
        source = (dev.ROOT / f"{engine.module.replace('.', '/')}.py").read_text(encoding="utf-8")
        listed = re.search(r"^DISTRIBUTIONS: Final.*= \((.*)\)$", source, flags=re.MULTILINE)
        assert listed is not None, engine.name
        for name in re.findall(r'"([^"]+)"', listed.group(1)):
            assert re.search(rf"^{re.escape(name)}==", lock, flags=re.MULTILINE), name
        assert re.search(r'^NOTE: Final = (\(\n    )?"', source, flags=re.MULTILINE), engine.name


def test_who_is_left_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that cannot be installed is named with the reason; those that exist nowhere are named always."""

    def refuse(*_: object) -> str:
        raise UnobtainableError("no package can be reached")

    for name in ("npm_folder", "debian_program", "python"):
        monkeypatch.setattr(environment, name, refuse)
    monkeypatch.setattr("benchmarks.peers.cerbos.npm_folder", refuse)
    monkeypatch.setattr("benchmarks.peers.redis_lookup.debian_program", refuse)
    chosen, left_out = roster.available()
    assert [subject.name for subject in chosen] == ["valkey"]
    assert {"opa", "cerbos", "redis"} <= {name for name, _ in left_out}
    assert dict(left_out)["redis"] == "no package can be reached"
    engines, missed = roster.available_engines()
    assert [engine.name for engine in engines] == [engine.name for engine in ENGINES if not engine.is_peer]
    assert {name for name, _ in missed} == {engine.name for engine in ENGINES if engine.is_peer}
    assert roster.available_engines(["flipt"]) == ([], [("flipt", "no package can be reached")])


def test_expectations_are_of_a_kind_that_generators_know() -> None:
    """Questions survive the file that generators read."""
    question = Question(cerbos_wire.PATH, b"x", cerbos_wire.effects([PAIR]))
    assert all(isinstance(each, Expectation) for each in question.expectations)
    assert len(question.encoded()) > len(b"x")


def test_what_was_refused_is_not_tried_again() -> None:
    """A run without network waits for an installation once, and says the same to everybody who asks."""
    tries: list[str] = []

    @environment.once
    def get(name: str) -> str:
        tries.append(name)
        if name == "absent":
            raise UnobtainableError(f"{name} cannot be reached")
        return name

    assert [get("here"), get("here")] == ["here", "here"]
    for _ in range(2):
        with pytest.raises(UnobtainableError, match="absent cannot be reached"):
            get("absent")
    assert tries == ["here", "absent"]


def test_npm_packages_need_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without npm the reason names what to install; with it, nothing is installed twice and a package of another processor is missed."""
    find = environment.npm_folder.__wrapped__  # type: ignore[attr-defined]  # functools.wraps leaves it, the type does not say so
    monkeypatch.setattr(environment, "SCRATCH", tmp_path)
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(UnobtainableError, match="npm is not installed"):
        find("some-package")
    monkeypatch.setattr("shutil.which", lambda name: name)
    commands: list[tuple[str, ...]] = []

    def run(*command: str, inside: Path, what: str) -> None:
        _ = what
        commands.append(command)
        (inside / "node_modules" / "some-package").mkdir(parents=True)

    monkeypatch.setattr(environment, "run", run)
    assert find("some-package") == find("some-package") == tmp_path / "npm" / "node_modules" / "some-package"
    assert [command[:2] for command in commands] == [("npm", "ci")]
    assert "--ignore-scripts" in commands[0]
    with pytest.raises(UnobtainableError, match="other-package has no build"):
        find("other-package")


def test_debian_packages_need_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is installed by a run that may not; the reason says what to do."""
    find = environment.debian_program.__wrapped__  # type: ignore[attr-defined]  # as above
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/apt-get" if name == "apt-get" else None)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(UnobtainableError, match=r"Debian package redis-tools.*install it first"):
        find("redis-tools", "redis-server")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(environment, "run", lambda *_, **__: None)
    with pytest.raises(UnobtainableError, match="redis-tools brought none of redis-server"):
        find("redis-tools", "redis-server")


def test_an_installer_that_fails_is_quoted(tmp_path: Path) -> None:
    """The last line that it printed is the reason."""
    with pytest.raises(UnobtainableError, match="it could not be installed: no such host"):
        environment.run("sh", "-c", "echo trying; echo no such host; exit 1", inside=tmp_path, what="it")
    with pytest.raises(UnobtainableError, match="it could not be installed"):
        environment.run(str(tmp_path / "absent"), inside=tmp_path, what="it")
