"""The shell around every route: ids, request ids, bodies, keys and errors, on routes made for the purpose."""

import sys
from collections.abc import Iterator
from typing import Annotated

import pytest
import structlog
from fastapi import Depends
from pydantic import Field
from starlette.testclient import TestClient

from control.api.auth import Authenticator, Caller, StoredKey, needs
from control.api.credentials import Scope, generate_key, key_hash
from control.api.rest import RestParts, create_rest
from control.api.route import api_router
from control.api.schemas.values import Body, Id, Int64, Value
from control.api.segments import PathId
from control.store.database import open_engine
from control.store.unit_of_work import Store
from entitlements.runtime.clock import ManualClock
from entitlements.runtime.logs import configure

PEPPER = b"p" * 32
KEY = generate_key()
AUTHORIZED = {"Authorization": f"Bearer {KEY.text.reveal()}"}


class Keys:
    """One key that may read."""

    def find_key(self, kid: str) -> StoredKey | None:
        """Return it."""
        found = StoredKey(KEY.kid, "reader", frozenset({Scope.READ}), key_hash(PEPPER, KEY), created_at_ms=0)
        return found if kid == KEY.kid else None


class Counts:
    """Exchanges as they were counted."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, int]] = []

    def exchange(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one."""
        assert seconds >= 0
        self.seen.append((method, route, status))


class Part(Body):
    """A nested body."""

    amount: Int64


class Thing(Body):
    """A body."""

    name: Id
    value: Value | None = None
    parts: list[Part] = Field(default=[])


COUNTS = Counts()


@pytest.fixture(autouse=True)
def restored_logs() -> Iterator[None]:
    """Undo what a test configures."""
    yield
    structlog.reset_defaults()


@pytest.fixture(name="client")
def rest_client() -> TestClient:
    """Return a client of an application with four small routes."""
    router = api_router("things")

    @router.get("/things/{thing}/parts/{part}", dependencies=[Depends(needs(Scope.READ))])
    def read(thing: PathId, part: PathId, caller: Caller) -> dict[str, str]:
        return {"thing": thing, "part": part, "actor": caller.actor}

    @router.put("/things/{thing}", dependencies=[Depends(needs(Scope.READ))])
    def write(thing: PathId, body: Thing) -> dict[str, object]:
        return {"thing": thing, **body.fragment()}

    @router.post("/things", dependencies=[Depends(needs(Scope.WRITE))])
    def create(body: Thing) -> dict[str, object]:
        return body.fragment()

    @router.post("/fail", dependencies=[Depends(needs(Scope.READ))])
    def fail(text: Annotated[str, Depends(lambda: "canary-secret")]) -> None:
        raise RuntimeError(text)

    COUNTS.seen.clear()
    clock = ManualClock(1_000)
    parts = RestParts(
        store=Store(open_engine("sqlite://"), clock),
        authenticator=Authenticator(Keys(), PEPPER, clock),
        pepper=PEPPER,
        clock=clock,
        metrics=COUNTS,
        readiness=dict,
        exposition=lambda: b"metric 1\n",
    )
    return TestClient(create_rest(parts, [router]), raise_server_exceptions=False)


def test_ids_with_slashes_and_blanks_are_addressed(client: TestClient) -> None:
    """An encoded slash belongs to the id, a plain one separates."""
    answer = client.get("/api/v1/things/a%2Fb%20c/parts/%C3%A4%25", headers=AUTHORIZED)
    assert answer.status_code == 200
    assert answer.json() == {"thing": "a/b c", "part": "ä%", "actor": f"key:{KEY.kid}"}
    assert COUNTS.seen == [("GET", "/api/v1/things/{thing}/parts/{part}", 200)]


@pytest.mark.parametrize("segment", ["a%1Fb", "%20a", "x" * 129, "a%00b", "%FF", "a%1Eb"])
def test_bad_ids_in_a_path_are_named(client: TestClient, segment: str) -> None:
    """The field is the path parameter; the remedy says what an id may be."""
    answer = client.get(f"/api/v1/things/{segment}/parts/p", headers=AUTHORIZED)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["thing"]
    assert "128 bytes" in answer.json()["errors"][0]["remedy"]


def test_errors_are_problems_with_a_request_id(client: TestClient) -> None:
    """Media type, type, title, status, detail and id, also for addresses that do not exist."""
    answer = client.get("/nowhere", headers={"X-Request-Id": "abc-1"})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == "abc-1"
    body = answer.json()
    assert (body["type"], body["status"], body["request_id"]) == ("/problems/not-found", 404, "abc-1")
    assert client.delete("/livez").json()["type"] == "/problems/method-not-allowed"


def test_a_hostile_request_id_is_replaced(client: TestClient) -> None:
    """What would break a log line is not repeated."""
    answer = client.get("/livez", headers={"X-Request-Id": "a b\tc"})
    assert answer.headers["x-request-id"] != "a b\tc"
    assert len(answer.headers["x-request-id"]) == 32


def test_the_key_comes_before_the_body(client: TestClient) -> None:
    """Who has no key learns nothing about the body, and no large body is read."""
    answer = client.put("/api/v1/things/t", content=b"{" * 100)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["errors"][0]["field"] == "Authorization"


def test_a_missing_scope_is_named(client: TestClient) -> None:
    """403 says which scope is needed and what the key has."""
    answer = client.post("/api/v1/things", json={"name": "a"}, headers=AUTHORIZED)
    assert answer.status_code == 403
    assert "write" in answer.json()["errors"][0]["remedy"]


@pytest.mark.parametrize(
    "content, content_type, status, field",
    [
        (b'{"name": "a", "name": "b"}', "application/json", 400, "name"),
        (b'{"name": "a"', "application/json", 400, "body"),
        (b'{"name": "a"}', "text/plain", 415, "Content-Type"),
        (b'{"name": "a"}', "application/json; charset=latin-1", 415, "Content-Type"),
        (b'{"name": "a", "colour": 1}', "application/json", 422, "colour"),
        (b'{"name": 5}', "application/json", 422, "name"),
        (b"{}", "application/json", 422, "name"),
        (b"[]", "application/json", 422, "body"),
        (b'{"name": "a", "value": 1.5}', "application/json", 422, "value"),
        (b'{"name": "a", "value": {"x": 1}}', "application/json", 422, "value"),
        (b'{"name": "a", "parts": [{"amount": 1}, {"amount": true}]}', "application/json", 422, "parts[1].amount"),
        (b'{"name": "a", "parts": [{"amount": 9223372036854775808}]}', "application/json", 422, "parts[0].amount"),
        (b'{"name": " a"}', "application/json", 422, "name"),
        (b'{"name": "' + b"a" * (1 << 20) + b'"}', "application/json", 413, "body"),
    ],
)
def test_bad_bodies_name_field_and_remedy(
    client: TestClient, content: bytes, content_type: str, status: int, field: str
) -> None:
    """Each refusal has its status, its field and a remedy."""
    headers = {**AUTHORIZED, "Content-Type": content_type}
    answer = client.put("/api/v1/things/t", content=content, headers=headers)
    assert answer.status_code == status
    errors = answer.json()["errors"]
    assert [error["field"] for error in errors] == [field]
    assert errors[0]["remedy"]
    assert errors[0]["problem"]


def test_many_mistakes_are_told_together(client: TestClient) -> None:
    """One round for all of them."""
    body = {"name": "", "value": 1.5, "parts": [{"amount": "x"}, {}]}
    answer = client.put("/api/v1/things/t", json=body, headers=AUTHORIZED)
    assert [error["field"] for error in answer.json()["errors"]] == [
        "name",
        "value",
        "parts[0].amount",
        "parts[1].amount",
    ]


def test_what_was_written_is_kept_apart_from_defaults(client: TestClient) -> None:
    """A fragment holds what the caller wrote, nothing else."""
    answer = client.put("/api/v1/things/t", json={"name": "a", "value": True}, headers=AUTHORIZED)
    assert answer.json() == {"thing": "t", "name": "a", "value": True}


def test_a_failure_shows_no_inside(client: TestClient, capsys: pytest.CaptureFixture[str]) -> None:
    """500 carries the request id; the trace is in the log, not in the reply."""
    configure("info", "json", process="control", stream=sys.stdout)
    answer = client.post("/api/v1/fail", headers=AUTHORIZED)
    assert answer.status_code == 500
    assert answer.json()["type"] == "/problems/internal"
    assert "canary-secret" not in answer.text
    assert "Traceback" not in answer.text
    logged = "".join(capsys.readouterr())
    assert answer.json()["request_id"] in logged
    assert "RuntimeError" in logged
    assert KEY.text.reveal() not in logged


def test_an_unexpected_body_is_refused(client: TestClient) -> None:
    """An action without a body does not ignore one."""
    answer = client.post("/api/v1/fail", json={"a": 1}, headers=AUTHORIZED)
    assert answer.status_code == 400


def test_probes_need_no_key(client: TestClient) -> None:
    """They carry nothing of a customer."""
    assert client.get("/livez").text == "ok"
    assert client.get("/readyz").json() == {"status": "ready"}
    assert client.get("/metrics").text == "metric 1\n"


def test_no_page_loads_from_elsewhere(client: TestClient) -> None:
    """Swagger's pages would need a CDN; the description itself stays."""
    assert client.get("/docs").status_code == 404
    assert client.get("/redoc").status_code == 404
    assert client.get("/openapi.json").json()["openapi"].startswith("3.")
