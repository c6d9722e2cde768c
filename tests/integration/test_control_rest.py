"""The control plane over real HTTP: what it does, what it refuses, and that a refusal leaves nothing behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi.routing import APIRoute

from control.api.credentials import Scope, expand
from control.api.reference import scope_of
from control.api.routers import ROUTERS
from tests.support.control_server import ControlServer, control_server
from tests.support.postgres import postgres_server

CATALOGUE: dict[str, Any] = {
    "version": 1,
    "products": [
        {
            "key": "suite",
            "name": "Suite",
            "features": [
                {"key": "exports", "name": "Exports", "kind": "switch"},
                {"key": "projects", "kind": "config", "type": "int", "default": 3, "core": True},
                {"key": "tier", "kind": "config", "type": "string"},
                {
                    "key": "regional",
                    "kind": "switch",
                    "available_when": {"in": ["request.region", ["eu", "us"]]},
                },
            ],
            "plans": [
                {"key": "free", "version": 1, "entitlements": {}},
                {"key": "pro", "version": 3, "entitlements": {"exports": True, "projects": 50, "regional": True}},
            ],
            "addons": [{"key": "extra", "version": 1, "entitlements": {"projects": 10}}],
        },
        {"key": "other", "name": "Other", "features": [{"key": "exports", "kind": "switch"}]},
    ],
    "customers": [{"id": "acme", "name": "Acme", "attributes": {"segment": "enterprise"}}],
}


@pytest.fixture(scope="module", name="server", params=["sqlite", "postgresql"])
def running_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlServer]:
    """Return a control plane with the catalogue above and one customer, on each database."""
    with ExitStack() as stack:
        database = None
        if request.param == "postgresql":
            database = stack.enter_context(stack.enter_context(postgres_server()).database())
        server = stack.enter_context(control_server(tmp_path_factory.mktemp("control"), database))
        server.done("POST", "/apply", {"document": CATALOGUE})
        yield server
        logged = server.log.getvalue()
        assert [key for key in server.keys.values() if key in logged or key[-43:] in logged] == []


def deep(levels: int) -> dict[str, Any]:
    """Return a condition of so many levels."""
    condition: dict[str, Any] = {"exists": "request.region"}
    for _ in range(levels - 1):
        condition = {"not": condition}
    return condition


def subscription(**changes: Any) -> dict[str, Any]:
    """Return the body of a subscription."""
    return {"product": "suite", "items": [{"ref": "pro@3"}], "timeline": [{"state": "ACTIVE"}], **changes}


LONG = "x" * 129
SUBSCRIPTION = "/customers/acme/subscriptions/s-bad"
OVERRIDE = {"product": "suite", "feature": "exports", "effect": "deny", "reason": "test"}
BAD: list[tuple[str, str, str, Any, int, str]] = [
    # plan versions
    ("a published version is edited", "PUT", "/products/suite/plans/pro/versions/3", {"entitlements": {"exports": True}}, 409, "version"),
    ("a plan is published as an add-on", "PUT", "/products/suite/addons/pro/versions/9", {"entitlements": {}}, 409, "key"),
    ("an unknown feature is granted", "PUT", "/products/suite/plans/new/versions/1", {"entitlements": {"nope": True}}, 422, "entitlements.nope"),
    ("a limit is negative", "PUT", "/products/suite/plans/new/versions/1", {"entitlements": {"projects": -1}}, 422, "entitlements.projects"),
    ("a limit is a fraction", "PUT", "/products/suite/plans/new/versions/1", {"entitlements": {"projects": 1.5}}, 422, "entitlements.projects"),
    ("a limit is beyond 64 bits", "PUT", "/products/suite/plans/new/versions/1", {"entitlements": {"projects": 1 << 63}}, 422, "entitlements.projects"),
    ("a text feature gets a number", "PUT", "/products/suite/plans/new/versions/1", {"entitlements": {"tier": 5}}, 422, "entitlements.tier"),
    ("a version is zero", "PUT", "/products/suite/plans/new/versions/0", {"entitlements": {}}, 422, "version"),
    ("a version has too many grants", "PUT", "/products/suite/plans/new/versions/1", {"entitlements": {f"f{n}": True for n in range(10_000)}}, 422, "entitlements"),
    # features
    ("a kind is unknown", "PUT", "/products/suite/features/new", {"kind": "metered"}, 422, "kind"),
    ("a kind is changed", "PUT", "/products/suite/features/exports", {"kind": "config", "type": "int"}, 409, "kind"),
    ("a field is unknown", "PUT", "/products/suite/features/new", {"kind": "switch", "colour": "red"}, 422, "colour"),
    ("a field is missing", "PUT", "/products/suite/features/new", {"name": "New"}, 422, "kind"),
    ("a condition is too deep", "PUT", "/products/suite/features/new", {"kind": "switch", "available_when": deep(9)}, 422, "available_when"),
    ("a condition is far too deep", "PUT", "/products/suite/features/new", {"kind": "switch", "available_when": deep(200)}, 400, "body"),
    ("a condition is too wide", "PUT", "/products/suite/features/new", {"kind": "switch", "available_when": {"any": [{"exists": "request.a"}] * 10_000}}, 422, "available_when"),
    ("an operator is unknown", "PUT", "/products/suite/features/new", {"kind": "switch", "available_when": {"matches": ["request.a", ".*"]}}, 422, "available_when"),
    ("a default has another type", "PUT", "/products/suite/features/new", {"kind": "config", "type": "int", "default": "many"}, 422, "default"),
    ("a duration has no unit", "PUT", "/products/suite/features/new", {"kind": "switch", "ladder": {"fresh_for": "5"}}, 422, "ladder.fresh_for"),
    ("a requirement is unknown", "PUT", "/products/suite/features/new", {"kind": "switch", "requires": ["nope"]}, 422, "requires"),
    ("an instant has no offset", "PUT", "/products/suite/features/new", {"kind": "switch", "retired_at": "2027-01-01T00:00:00"}, 422, "retired_at"),
    ("a product is unknown", "PUT", "/products/nope/features/new", {"kind": "switch"}, 404, "product"),
    # ids
    ("an id is too long", "PUT", f"/customers/{LONG}", {}, 422, "customer"),
    ("an id holds a control character", "PUT", "/customers/a%0Ab", {}, 422, "customer"),
    ("an id begins with a blank", "PUT", "/customers/%20a", {}, 422, "customer"),
    ("an id is no UTF-8", "PUT", "/customers/%ff", {}, 422, "customer"),
    ("an id in a body is empty", "PUT", "/customers/acme/overrides/o1", {**OVERRIDE, "feature": ""}, 422, "feature"),
    ("an id in a body is too long", "PUT", SUBSCRIPTION, subscription(product=LONG), 422, "product"),
    # customers and subscriptions
    ("an attribute is an object", "PUT", "/customers/new", {"attributes": {"a": {"b": 1}}}, 422, "attributes.a"),
    ("too many attributes", "PUT", "/customers/new", {"attributes": {f"a{n}": 1 for n in range(10_000)}}, 422, "attributes"),
    ("a customer is unknown", "PUT", "/customers/nobody/subscriptions/s1", subscription(), 404, "customer"),
    ("dates are out of order", "PUT", SUBSCRIPTION, subscription(items=[{"ref": "pro@3", "from": "2027-02-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"}]), 422, "items[0].until"),
    ("states overlap", "PUT", SUBSCRIPTION, subscription(timeline=[{"state": "TRIALING", "until": "2027-02-01T00:00:00Z"}, {"state": "ACTIVE", "from": "2027-01-01T00:00:00Z"}]), 422, "timeline[1]"),
    ("a state is unknown", "PUT", SUBSCRIPTION, subscription(timeline=[{"state": "HAPPY"}]), 422, "timeline[0].state"),
    ("an enumeration is a number", "PUT", SUBSCRIPTION, subscription(timeline=[{"state": 5}]), 422, "timeline[0].state"),
    ("a quantity is negative", "PUT", SUBSCRIPTION, subscription(items=[{"ref": "pro@3", "quantity": -1}]), 422, "items[0].quantity"),
    ("a version is not published", "PUT", SUBSCRIPTION, subscription(items=[{"ref": "pro@99"}]), 422, "items[0].ref"),
    ("ten thousand items", "PUT", SUBSCRIPTION, subscription(items=[{"ref": "pro@3"}] * 10_000), 422, "items"),
    ("two plans at one time", "PUT", SUBSCRIPTION, subscription(items=[{"ref": "pro@3"}, {"ref": "free@1"}]), 422, "items[1]"),
    ("a year is absurd", "PUT", SUBSCRIPTION, subscription(cancel_at="9999-01-01T00:00:00Z"), 422, "cancel_at"),
    # exceptions
    ("a deny has a value", "PUT", "/customers/acme/overrides/o1", {**OVERRIDE, "feature": "projects", "value": 5}, 422, "value"),
    ("an effect is unknown", "PUT", "/customers/acme/overrides/o1", {**OVERRIDE, "effect": "maybe"}, 422, "effect"),
    ("a reason is missing", "PUT", "/customers/acme/overrides/o1", {"product": "suite", "feature": "exports", "effect": "deny"}, 422, "reason"),
    ("a suspension's target is missing", "PUT", "/customers/acme/suspensions/x1", {"scope": "feature", "product": "suite", "cause": "abuse", "access": "none"}, 422, "target"),
    ("a cause is unknown", "PUT", "/customers/acme/suspensions/x1", {"scope": "customer", "cause": "mood", "access": "none"}, 422, "cause"),
    ("an override does not exist", "POST", "/customers/acme/overrides/nope/end", {}, 404, "override"),
    # documents
    ("a document has no version", "POST", "/apply", {"document": {"products": []}}, 422, "document.version"),
    ("a document has an unknown field", "POST", "/apply", {"document": {"version": 1, "product": []}}, 422, "document.product"),
    ("a document is half good", "POST", "/apply", {"document": {"version": 1, "products": [{"key": "fresh", "features": [{"key": "a", "kind": "switch"}], "plans": [{"key": "p", "version": 1, "entitlements": {"b": True}}]}], "customers": [{"id": "fresh"}]}}, 422, "document.products[0].plans[0].entitlements.b"),
    ("a document edits a published version", "POST", "/apply", {"document": {"version": 1, "products": [{"key": "suite", "name": "Suite", "plans": [{"key": "pro", "version": 3, "entitlements": {}}]}], "customers": [{"id": "fresh"}]}}, 409, "document"),
    # keys
    ("a scope is unknown", "POST", "/keys", {"name": "x", "scopes": ["root"]}, 422, "scopes[0]"),
    ("a key would be expired", "POST", "/keys", {"name": "x", "scopes": ["read"], "expires_at": "2001-01-01T00:00:00Z"}, 422, "expires_at"),
    # questions
    ("a quantity of a switch", "POST", "/decisions:preview", {"customer_id": "acme", "feature": "exports", "product": "suite", "quantity": 2}, 422, "quantity"),
    ("a customer attribute from outside", "POST", "/decisions:preview", {"customer_id": "acme", "feature": "exports", "product": "suite", "attributes": {"customer.segment": "x"}}, 422, "attributes[customer.segment]"),
    ("a hypothetical document is wrong", "POST", "/decisions:preview", {"customer_id": "acme", "feature": "exports", "product": "suite", "document": {"version": 2}}, 422, "document.version"),
    ("a limit of a list is too high", "GET", "/customers?limit=501", None, 422, "limit"),
]  # fmt: skip


@pytest.mark.parametrize("method, path, body, status, field", [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_input_names_its_field_and_leaves_nothing(
    server: ControlServer, method: str, path: str, body: Any, status: int, field: str
) -> None:
    """A 4xx with the field and a remedy; no feed moved, nothing was audited."""
    fields = server.refused(status, method, path, body)
    assert any(name == field or name.startswith((field + ".", field + "[")) for name in fields), fields


@pytest.mark.parametrize(
    "raw, status, field",
    [
        (b'{"name": "A", "name": "B"}', 400, "name"),
        (b'{"attributes": {"a": 1, "a": 2}}', 400, "a"),
        (b"\x00\x01garbage", 400, "body"),
        (b"", 422, "body"),
        (b'{"name": "' + b"x" * (1 << 20) + b'"}', 413, "body"),
        (b'{"name": "\\ud800"}', 400, "name"),
    ],
)
def test_bad_bytes_leave_nothing(server: ControlServer, raw: bytes, status: int, field: str) -> None:
    """What is not the JSON that was agreed on is refused before anything looks at it."""
    assert server.refused(status, "PUT", "/customers/raw", raw=raw) == [field]


def test_a_document_may_be_larger_than_other_bodies(server: ControlServer) -> None:
    """Apply takes 16 MiB, and no more."""
    customers = [{"id": f"many-{n:05}", "name": "x" * 100} for n in range(10_000)]
    answer = server.done("POST", "/apply", {"document": {"version": 1, "customers": customers}, "dry_run": True})
    assert len(answer["changes"]) == 10_000
    assert server.refused(413, "POST", "/apply", raw=b" " * ((16 << 20) + 1)) == ["body"]


def routes() -> list[tuple[str, str, Scope | None]]:
    """Return method, template and scope of every operation."""
    return [
        (next(iter(route.methods or ())), route.path, scope_of(route))
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
    ]


@pytest.mark.parametrize("method, path, needed", routes(), ids=str)
def test_every_route_asks_for_its_scope(server: ControlServer, method: str, path: str, needed: Scope | None) -> None:
    """Without a key 401; with a key that lacks the scope 403; with one that has or implies it neither."""
    assert needed is not None or path.endswith("/whoami")
    address = path.removeprefix("/api/v1").replace("{version}", "1").replace("{kid}", "0" * 12)
    for name in ("product", "feature", "key", "customer", "subscription", "suspension", "ref", "id"):
        address = address.replace("{" + name + "}", "none-such")
    assert server.client.request(method, f"/api/v1{address}").status_code == 401
    for scope in Scope:
        answer = server.call(method, address, key=server.key(scope))
        allowed = needed is None or needed in expand([scope])
        assert (answer.status_code not in {401, 403}) == allowed, (scope, answer.text)


def test_a_document_with_customers_needs_both_scopes(server: ControlServer) -> None:
    """Who may publish the catalogue may not change customers by way of it."""
    body = {"document": CATALOGUE, "dry_run": True}
    assert server.refused(403, "POST", "/apply", body, key=server.key(Scope.PUBLISH)) == ["Authorization"]
    server.done("POST", "/apply", body, key=server.key(Scope.PUBLISH, Scope.WRITE))


def test_keys_are_made_once_and_revoked_for_good(server: ControlServer) -> None:
    """The reply shows the key once; its repetition and the database do not; a revoked key is refused at once."""
    headers = {"Idempotency-Key": "make-key"}
    made = server.done("POST", "/keys", {"name": "ci", "scopes": ["read"]}, headers=headers)
    again = server.done("POST", "/keys", {"name": "ci", "scopes": ["read"]}, headers=headers)
    assert (again["key"], again["resource"]) == (None, made["resource"])
    kid = made["resource"]["kid"]
    assert server.done("GET", "/whoami", key=made["key"])["name"] == "ci"
    with server.plane.store.reading() as connection:
        kept = repr(connection.exec_driver_sql("SELECT * FROM api_key").all())
        replies = repr(connection.exec_driver_sql("SELECT body FROM idempotency").all())
    assert made["key"][-43:] not in kept + replies
    assert server.done("POST", f"/keys/{kid}/revoke")["changed"]
    assert not server.done("POST", f"/keys/{kid}/revoke")["changed"]
    assert server.call("GET", "/whoami", key=made["key"]).status_code == 401
    assert server.done("GET", f"/keys/{kid}")["revoked_at"]
    assert kid in [key["kid"] for key in server.done("GET", "/keys")["items"]]


def test_a_write_answers_with_the_version_that_contains_it(server: ControlServer) -> None:
    """Body and header name the same position, which is the feed's; the same write again moves nothing."""
    body = {"name": "Versioned", "attributes": {"region": "eu"}}
    first = server.call("PUT", "/customers/versioned", body)
    assert first.status_code == 201
    versions = first.json()["versions"]
    assert versions == server.state()[0]
    assert first.headers["entitlements-version"] == ",".join(f"{key}={token}" for key, token in versions.items())
    before = server.state()
    again = server.call("PUT", "/customers/versioned", body)
    assert (again.status_code, again.json()["changed"]) == (200, False)
    assert again.json()["versions"] == versions
    assert server.state() == before


def test_if_match_keeps_two_writers_apart(server: ControlServer) -> None:
    """A stale revision is 412, the right one passes; `*` creates only."""
    path = "/customers/contested"
    first = server.call("PUT", path, {"name": "A"}, headers={"If-None-Match": "*"})
    assert (first.status_code, first.headers["etag"]) == (201, '"1"')
    assert server.refused(412, "PUT", path, {"name": "B"}, headers={"If-None-Match": "*"}) == ["If-Match"]
    second = server.call("PUT", path, {"name": "B"}, headers={"If-Match": '"1"'})
    assert second.headers["etag"] == '"2"'
    assert server.refused(412, "PUT", path, {"name": "C"}, headers={"If-Match": '"1"'}) == ["If-Match"]
    assert server.refused(412, "PUT", "/customers/not-there", {}, headers={"If-Match": '"1"'}) == ["If-Match"]
    assert server.call("GET", path).headers["etag"] == '"2"'
    assert server.refused(422, "PUT", path, {}, headers={"If-Match": "2"}) == ["if-match"]


def test_an_idempotency_key_writes_once(server: ControlServer) -> None:
    """The same request gets the first reply again; another request under the key is refused."""
    body = {**OVERRIDE, "until": "2027-06-01T00:00:00Z"}
    path, headers = "/customers/acme/overrides/once", {"Idempotency-Key": "once-1"}
    first = server.call("PUT", path, body, headers=headers)
    server.done("POST", path + "/end", {})
    before = server.state()
    again = server.call("PUT", path, body, headers=headers)
    assert again.headers["idempotent-replayed"] == "true"
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers["entitlements-version"] == first.headers["entitlements-version"]
    assert server.state() == before
    assert server.refused(422, "PUT", path, OVERRIDE, headers=headers) == ["Idempotency-Key"]
    assert server.refused(400, "PUT", path, body, headers={"Idempotency-Key": "a b"}) == ["Idempotency-Key"]


def test_a_key_of_another_caller_is_another_key(server: ControlServer) -> None:
    """Callers cannot read each other's replies by guessing keys."""
    headers = {"Idempotency-Key": "shared"}
    server.done("PUT", "/customers/mine", {"name": "Mine"}, headers=headers)
    answer = server.call("PUT", "/customers/mine", {"name": "Mine"}, headers=headers, key=server.key(Scope.WRITE))
    assert "idempotent-replayed" not in answer.headers


def test_requests_at_once_with_one_key_write_once(server: ControlServer) -> None:
    """Eight threads, one write: every answer is the same."""
    events = server.state()[1]
    answers: list[httpx2.Response] = []

    def send() -> None:
        answers.append(server.call("PUT", "/customers/rush", {"name": "Rush"}, headers={"Idempotency-Key": "rush-1"}))

    server.key(Scope.ADMIN)
    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert sum("idempotent-replayed" in answer.headers for answer in answers) == 7
    assert server.state()[1] == events + 1


def test_a_subscription_lives_by_dated_actions(server: ControlServer) -> None:
    """Start with a trial, convert, add on, change, fail to pay, renew, suspend, reinstate, cancel, take it back."""
    server.done("PUT", "/customers/globex", {})
    place = "/customers/globex/subscriptions/main"

    def code() -> str:
        found = server.done("GET", "/customers/globex/entitlements?product=suite&feature_prefix=exports")
        return str(found["entitlements"][0]["code"])

    assert code() == "NO_SUBSCRIPTION"
    begun = server.call(
        "POST", place + "/start", {"product": "suite", "plan": "pro@3", "trial_until": "2027-06-01T00:00:00Z"}
    )
    assert begun.status_code == 201
    assert code() == "ENTITLED_TRIAL"
    server.done("POST", place + "/extend-trial", {"until": "2027-07-01T00:00:00Z"})
    server.done("POST", place + "/convert-trial", {})
    server.done("POST", place + "/add-addon", {"ref": "extra@1", "quantity": 2})
    value = server.done("GET", "/customers/globex/entitlements?product=suite&feature_prefix=projects")
    assert value["entitlements"][0]["value"] == 50
    server.done("POST", place + "/addons/extra%401/remove", {})
    server.done("POST", place + "/suspensions/s1", {"cause": "non_payment", "access": "none"})
    assert code() == "SUBSCRIPTION_SUSPENDED"
    server.done("POST", place + "/suspensions/s1/reinstate")
    assert code() == "ENTITLED_TRIAL"
    server.done("POST", place + "/cancel", {"at": "2027-08-01T00:00:00Z"})
    server.done("POST", place + "/uncancel")
    server.done("POST", place + "/change-plan", {"plan": "free@1"})
    assert code() == "NOT_IN_PLAN"
    server.done("POST", place + "/cancel")
    assert code() == "SUBSCRIPTION_CANCELED"
    assert server.refused(409, "POST", place + "/uncancel")
    actions = [
        event["action"]
        for event in server.done("GET", "/audit?subject=customer%2Fglobex%2Fsubscription%2Fmain")["items"]
    ]
    assert actions == [f"subscription.{name}" for name in (
        "start", "extend_trial", "convert_trial", "add_addon", "remove_addon", "cancel", "uncancel", "change_plan", "cancel",
    )]  # fmt: skip


def test_a_failed_payment_is_grace_until_it_is_paid(server: ControlServer) -> None:
    """Past due gives grace; activating ends it; renewing sets a term."""
    server.done("PUT", "/customers/initech", {})
    place = "/customers/initech/subscriptions/main"
    server.done("POST", place + "/start", {"product": "suite", "plan": "pro@3", "pending": "PENDING_PAYMENT"})
    question = {"customer_id": "initech", "product": "suite", "feature": "exports"}
    assert server.done("POST", "/decisions:preview", question)["code"] == "SUBSCRIPTION_PENDING"
    server.done("POST", place + "/activate", {})
    server.done("POST", place + "/past-due", {"grace_until": "2027-06-01T00:00:00Z"})
    answer = server.done("POST", "/decisions:preview", question)
    assert (answer["code"], answer["access_level"]) == ("ENTITLED_GRACE", "GRACE")
    assert answer["valid_until"] == "2027-06-01T00:00:00.000Z"
    later = server.done("POST", "/decisions:preview", {**question, "as_of": "2027-06-01T00:00:00Z"})
    assert later["code"] == "PAYMENT_REQUIRED"
    assert server.refused(409, "POST", place + "/renew") == ["state"]
    server.done("POST", place + "/activate", {"until": "2027-07-01T00:00:00Z"})
    server.done("POST", place + "/renew", {"until": "2027-09-01T00:00:00Z"})
    assert server.done("POST", "/decisions:preview", question)["code"] == "ENTITLED"


def test_exceptions_are_put_read_listed_and_ended(server: ControlServer) -> None:
    """Override, suspension and promotion take the same steps; two live overrides on one feature are refused."""
    server.done("PUT", "/customers/hooli", {})
    bodies: dict[str, dict[str, Any]] = {
        "overrides": {"product": "suite", "feature": "exports", "effect": "allow", "reason": "pilot"},
        "suspensions": {"scope": "customer", "cause": "abuse", "access": "read_only", "reason": "spam"},
        "promotions": {"product": "suite", "feature": "projects", "value": 9},
    }
    for kind, body in bodies.items():
        place = f"/customers/hooli/{kind}/one"
        assert server.call("PUT", place, body).status_code == 201
        stored = server.done("GET", place)
        assert body.items() <= stored["resource"].items()
        assert [each["id"] for each in server.done("GET", f"/customers/hooli/{kind}")["items"]] == ["one"]
        if kind == "overrides":
            assert server.refused(409, "PUT", f"/customers/hooli/{kind}/two", {**body, "effect": "deny"})
        ended = server.done("POST", place + "/end")
        assert (ended["revision"], "until" in ended["resource"]) == (2, True)
        again = server.done("POST", place + "/end")
        assert again["versions"] == ended["versions"], "ending what has ended changes nothing (H1)"
        assert server.refused(409, "POST", place + "/end", {"at": "2099-01-01T00:00:00Z"}) == ["at"]
    whole = server.done("GET", "/customers/hooli/document")
    assert {kind: len(whole[kind]) for kind in bodies} == dict.fromkeys(bodies, 1)


def test_a_preview_may_be_hypothetical(server: ControlServer) -> None:
    """A document that is not applied decides, and nothing of it stays."""
    document = {
        "version": 1,
        "customers": [
            {
                "id": "maybe",
                "subscriptions": [
                    {"id": "s", "product": "suite", "items": [{"ref": "pro@3"}], "timeline": [{"state": "ACTIVE"}]}
                ],
            }
        ],
    }
    question = {"customer_id": "maybe", "product": "suite", "feature": "regional", "attributes": {"region": "eu"}}
    before = server.state()
    answer = server.done("POST", "/decisions:preview", {**question, "document": document})
    assert (answer["allowed"], answer["code"]) == (True, "ENTITLED")
    assert answer["explain"]["considered"][0]["id"] == "pro@3"
    assert server.done("POST", "/decisions:preview", question)["code"] == "CUSTOMER_UNKNOWN"
    assert server.state() == before


def test_lists_are_paged_without_gaps(server: ControlServer) -> None:
    """Pages of two give the same as one page of many, in byte order."""
    whole = [each["id"] for each in server.done("GET", "/customers?limit=500")["items"]]
    pages: list[str] = []
    after: str | None = ""
    while after is not None:
        page = server.done("GET", f"/customers?limit=2&after={after}")
        pages += [each["id"] for each in page["items"]]
        after = page["next"]
    assert pages == whole
    assert whole == sorted(whole, key=str.encode)
    listed = server.done("GET", "/customers/acme/entitlements?product=suite&limit=2")
    rest = server.done("GET", f"/customers/acme/entitlements?product=suite&after={listed['next']}")
    keys = [each["feature"] for each in listed["entitlements"] + rest["entitlements"]]
    assert keys == ["exports", "projects", "regional", "tier"]


def test_customers_are_archived_restored_and_forgotten(server: ControlServer) -> None:
    """Only an archived customer can be forgotten; then nothing but the trail knows it."""
    server.done("PUT", "/customers/short-lived", {"name": "Short"})
    assert server.refused(409, "DELETE", "/customers/short-lived") == ["archived"]
    server.done("POST", "/customers/short-lived/archive")
    server.done("POST", "/customers/short-lived/restore")
    server.done("POST", "/customers/short-lived/archive")
    server.done("DELETE", "/customers/short-lived")
    assert server.call("GET", "/customers/short-lived").status_code == 404
    question = {"customer_id": "short-lived", "product": "suite", "feature": "exports"}
    assert server.done("POST", "/decisions:preview", question)["code"] == "CUSTOMER_UNKNOWN"


def test_catalogue_reads_show_what_was_written(server: ControlServer) -> None:
    """Products, features, versions and feeds, one by one and listed."""
    assert [each["id"] for each in server.done("GET", "/products")["items"]] == ["other", "suite"]
    assert server.done("GET", "/products/suite")["resource"]["name"] == "Suite"
    assert server.done("GET", "/products/suite/features/projects")["resource"]["default"] == 3
    assert len(server.done("GET", "/products/suite/features")["items"]) == 4
    assert (
        server.call(
            "PUT", "/products/suite/plans/pro/versions/4", {"entitlements": {"projects": "unlimited"}}
        ).status_code
        == 201
    )
    assert server.done("GET", "/products/suite/plans/pro/versions/4")["resource"]["entitlements"] == {
        "projects": "unlimited"
    }
    assert [each["id"] for each in server.done("GET", "/products/suite/plans/pro/versions")["items"]] == [
        "pro@3",
        "pro@4",
    ]
    assert len(server.done("GET", "/products/suite/plans")["items"]) == 2
    assert [each["id"] for each in server.done("GET", "/products/suite/addons")["items"]] == ["extra"]
    assert server.call("GET", "/products/suite/addons/pro/versions/3").status_code == 404
    feature = {"kind": "switch", "name": "Regional", "available_when": {"eq": ["request.region", "eu"]}}
    assert server.done("PUT", "/products/suite/features/regional", feature)["revision"] == 2
    assert server.done("PUT", "/products/suite", {"name": "Suite", "contact": "sales@vendor.example"})["changed"]
    assert (
        server.call("PUT", "/products/suite/addons/extra/versions/2", {"entitlements": {"projects": 20}}).status_code
        == 201
    )
    assert server.done("GET", "/products/suite/addons/extra/versions/2")["id"] == "extra@2"
    assert len(server.done("GET", "/products/suite/addons/extra/versions")["items"]) == 2
    held = server.done(
        "PUT", "/customers/acme/subscriptions/kept", subscription(items=[{"ref": "pro@3", "quantity": 2}])
    )
    assert server.done("GET", "/customers/acme/subscriptions/kept")["resource"] == held["resource"]
    assert [each["id"] for each in server.done("GET", "/customers/acme/subscriptions")["items"]] == ["kept"]
    feeds = {each["product"]: each["version"] for each in server.done("GET", "/feeds")["items"]}
    assert feeds == server.state()[0]
    assert server.done("GET", "/feeds/suite")["version"] == feeds["suite"]
    assert server.done("GET", "/sidecars")["items"] == []


def test_the_trail_is_whole_and_names_the_key(server: ControlServer) -> None:
    """Every write is an event of the key that sent it; the chain verifies."""
    server.done("PUT", "/customers/traced", {"name": "Traced"}, key=server.key(Scope.WRITE))
    kid = server.done("GET", "/whoami", key=server.key(Scope.WRITE))["kid"]
    event = server.done("GET", "/audit?subject=customer%2Ftraced")["items"][0]
    assert (event["actor"], event["action"]) == (f"key:{kid}", "customer.put")
    assert (event["before"], event["after"]) == (None, {"id": "traced", "name": "Traced"})
    report = server.done("GET", "/audit/verify")
    assert (report["ok"], report["count"]) == (True, server.state()[1])


def test_requests_are_counted_by_template(server: ControlServer) -> None:
    """/metrics has the route with its placeholders, never an id."""
    server.done("GET", "/customers/acme")
    page = server.client.get("/metrics").text
    assert 'route="/api/v1/customers/{customer}",status="200"' in page
    assert "acme" not in page


def test_every_operation_was_answered_as_described(server: ControlServer) -> None:
    """All replies of this file were checked against /openapi.json; every operation succeeded at least once."""
    successes = {(method, path) for method, path, status in server.openapi.seen if status < 400}
    described = {
        (method.upper(), path)
        for path, operations in server.openapi.document["paths"].items()
        for method in operations
        if path.startswith("/api/v1")
    }
    assert described - successes == set()


def test_damage_in_the_trail_is_found(tmp_path: Path) -> None:
    """An edited row breaks the chain at its place."""
    with control_server(tmp_path) as server:
        for number in range(3):
            server.done("PUT", f"/customers/c{number}", {})
        with server.plane.store.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE audit SET subject = 'customer/other' WHERE seq = 3")
        report = server.done("GET", "/audit/verify")
        assert (report["ok"], report["first_bad_seq"]) == (False, 3)
