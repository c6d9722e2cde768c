"""What the control plane's store promises, shown on SQLite and on a real PostgreSQL by one suite."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine

from control.domain.errors import Conflict, DocumentError, Invalid, NotFound, StaleRevision
from control.domain.subscription import Terms
from control.handlers import catalogue, customers, decisions, overrides, promotions, subscriptions, suspensions
from control.handlers.apply import apply_document
from control.handlers.imports import import_document
from control.store import audit_log, resources, tables
from control.store.database import open_engine
from control.store.feed_writer import MAX_DELTA_BYTES
from control.store.schema import is_current, migrate
from control.store.unit_of_work import Store, UnitOfWork
from entitlements.policy import digest
from entitlements.policy.ids import CustomerId, FeatureKey, Millis, ProductId
from entitlements.policy.model import Decision, Query
from entitlements.policy.reasons import Code
from entitlements.runtime.clock import ManualClock
from entitlements.wire.envelope import FeedDelta, read_body
from tests.support.postgres import PostgresServer, postgres_server
from tests.support.vendor import NOW_MS, vendor_document

DENY = {"product": "suite", "feature": "reports", "effect": "deny"}


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """One PostgreSQL server for this module."""
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty, migrated database of each kind."""
    if request.param == "sqlite":
        made = open_engine(f"sqlite:///{tmp_path / 'control.db'}")
        migrate(made)
        yield made
        made.dispose()
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database() as url:
        made = open_engine(url)
        migrate(made)
        yield made
        made.dispose()


@pytest.fixture
def store(engine: Engine) -> Store:
    """A store with nothing in it, at a fixed time."""
    return Store(engine, ManualClock(NOW_MS))


@pytest.fixture
def vendor(store: Store) -> Store:
    """A store with the small vendor applied."""
    with store.begin("setup") as uow:
        apply_document(uow, vendor_document())
    return store


def records(store: Store, product: str) -> dict[str, bytes]:
    """Return the record table of a feed."""
    query = sa.select(tables.record.c.key, tables.record.c.body).where(tables.record.c.feed == product)
    with store.reading() as connection:
        return {key: bytes(body) for key, body in connection.execute(query)}


def head(store: Store, product: str) -> Any:
    """Return the row of a feed."""
    with store.reading() as connection:
        return connection.execute(sa.select(tables.feed).where(tables.feed.c.product == product)).one()


def deltas(store: Store, product: str) -> list[FeedDelta]:
    """Return the outbox of a feed, in order, read back from its bytes."""
    query = sa.select(tables.outbox.c.body).where(tables.outbox.c.feed == product).order_by(tables.outbox.c.seq)
    with store.reading() as connection:
        messages = [read_body(bytes(body)) for body in connection.execute(query).scalars()]
    assert all(isinstance(message, FeedDelta) for message in messages)
    return [message for message in messages if isinstance(message, FeedDelta)]


def folded(store: Store, product: str) -> dict[str, bytes]:
    """Return what a follower that began with nothing has after all deltas; checks seq, chain and digest on the way."""
    state: dict[str, bytes] = {}
    chain, seq = None, 0
    for delta in deltas(store, product):
        assert delta.seq == seq + 1
        assert chain in {None, delta.prev}
        for key, body in delta.ops:
            if body is None:
                del state[key]
            else:
                state[key] = body
        assert digest.digest_of(digest.sum_records(state.items())) == delta.digest
        seq, chain = delta.seq, delta.chain
    return state


def audited(store: Store) -> list[tuple[str, str]]:
    """Return (action, subject) of the audit trail."""
    with store.reading() as connection:
        return [(each.event.action, each.event.subject) for each in audit_log.events(connection, 0, 10_000)]


def answer(store: Store, customer: str, feature: str, product: str = "suite", at_ms: int = NOW_MS) -> Decision:
    """Return the decision of the stored records."""
    query = Query(CustomerId(customer), FeatureKey(feature), ProductId(product))
    with store.reading() as connection:
        return decisions.preview(decisions.records_of(connection, product), query, Millis(at_ms))


def test_the_migrations_lead_to_the_tables_that_the_code_declares(engine: Engine) -> None:
    """No drift between migrations and models."""
    assert is_current(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []


def test_migrating_again_changes_nothing(vendor: Store) -> None:
    """A start of the control plane may always migrate."""
    before = records(vendor, "suite")
    migrate(vendor.engine)
    assert records(vendor, "suite") == before


def test_a_new_product_begins_its_feed_at_seq_0_with_all_customers(store: Store) -> None:
    """The base of a feed is a snapshot: customers that exist already are in it, not in a delta."""
    with store.begin("me") as uow:
        customers.put_customer(uow, "acme", {"name": "Acme"})
    with store.begin("me") as uow:
        result = catalogue.put_product(uow, "suite", {"name": "Suite"})
    assert result.versions == {"suite": (NOW_MS // 1000, 0)}
    assert set(records(store, "suite")) == {"c/acme"}
    total = digest.sum_records(records(store, "suite").items())
    assert bytes(head(store, "suite").digest_sum) == digest.sum_to_bytes(total)
    assert deltas(store, "suite") == []


def test_one_business_action_is_one_delta_in_each_feed_it_touches(vendor: Store) -> None:
    """A whole document, or a customer that every product knows, moves each feed by one (H3)."""
    assert (head(vendor, "suite").seq, head(vendor, "desk").seq) == (1, 1)
    with vendor.begin("me") as uow:
        result = customers.put_customer(uow, "acme", {"attributes": {"region": "us"}})
    epoch = NOW_MS // 1000
    assert result.versions == {"desk": (epoch, 2), "suite": (epoch, 2)}
    with vendor.begin("me") as uow:
        result = overrides.put_override(uow, "acme", "o1", DENY)
    assert result.versions == {"suite": (epoch, 3)}
    assert head(vendor, "desk").seq == 2


def test_the_record_table_is_the_fold_of_the_outbox_and_has_its_digest(store: Store) -> None:
    """A follower that applies every delta has what the record table says, byte by byte."""
    document = vendor_document()
    with store.begin("me") as uow:  # products first, so that both feeds begin empty and the outbox tells everything
        for product in document["products"]:
            catalogue.put_product(uow, product["key"], {"name": product["name"]})
    with store.begin("me") as uow:
        apply_document(uow, document)
    with store.begin("me") as uow:
        overrides.put_override(uow, "acme", "o1", DENY)
    with store.begin("me") as uow:
        customers.archive_customer(uow, "globex")
    with store.begin("me") as uow:
        customers.delete_customer(uow, "globex")
    with store.begin("me") as uow:
        catalogue.publish_plan(uow, "suite", "pro", {"entitlements": {"exports": True}})
    assert set(records(store, "desk")) == {"c/acme", "f/chat", "p/basic@1"}
    assert "p/pro@2" in records(store, "suite")
    for product in ("suite", "desk"):
        assert folded(store, product) == records(store, product)
        total = digest.sum_records(records(store, product).items())
        assert bytes(head(store, product).digest_sum) == digest.sum_to_bytes(total)
        assert bytes(head(store, product).chain) == deltas(store, product)[-1].chain
        assert head(store, product).seq == len(deltas(store, product))


def test_writing_the_same_again_changes_nothing(vendor: Store) -> None:
    """No delta, no audit event, no new revision; the reply has the present position (H1)."""
    trail = audited(vendor)
    position = (NOW_MS // 1000, 1)
    suite, feature = vendor_document()["products"][0], {"name": "Reports", "kind": "switch"}
    product = {name: suite[name] for name in ("name", "contact", "ladder")}
    with vendor.begin("me") as uow:
        results = [
            catalogue.put_product(uow, "suite", product),
            catalogue.put_feature(uow, "suite", "reports", feature),
            catalogue.publish_plan(uow, "suite", "pro", suite["plans"][0]),
            catalogue.publish_addon(uow, "suite", "more-projects", {"entitlements": {"projects": 10}}),
            customers.put_customer(uow, "globex", {"name": "Globex", "attributes": {"region": "us"}}),
        ]
    assert [(each.changed, each.revision, each.versions["suite"]) for each in results] == [(False, 1, position)] * 5
    with vendor.begin("me") as uow:
        diff = apply_document(uow, vendor_document())
    assert diff.changes == ()
    assert diff.versions == {"desk": position, "suite": position}
    assert audited(vendor) == trail


def test_true_is_not_one(vendor: Store) -> None:
    """An attribute that changes its type is a change, although Python calls the two equal."""
    with vendor.begin("me") as uow:
        assert customers.put_customer(uow, "x", {"attributes": {"level": 1}}).changed
        assert customers.put_customer(uow, "x", {"attributes": {"level": True}}).changed


def test_a_failing_command_leaves_nothing_and_no_gap(vendor: Store) -> None:
    """The seq that a transaction took comes back with its rollback."""
    before, trail = records(vendor, "suite"), audited(vendor)

    def fail_at_the_end() -> None:
        with vendor.begin("me") as uow:
            overrides.put_override(uow, "acme", "o1", DENY)
            raise RuntimeError("power")

    with pytest.raises(RuntimeError, match="power"):
        fail_at_the_end()
    assert records(vendor, "suite") == before
    assert audited(vendor) == trail
    with vendor.begin("me") as uow:
        assert overrides.put_override(uow, "acme", "o1", DENY).versions["suite"][1] == 2
    assert [delta.seq for delta in deltas(vendor, "suite")] == [1, 2]


def test_concurrent_writers_get_gapless_positions_in_the_order_of_commits(vendor: Store) -> None:
    """Each of many writers gets a seq of its own, and the outbox has them all."""
    got: list[int] = []
    problems: list[BaseException] = []

    def write(worker: int) -> None:
        try:
            for number in range(10):
                with vendor.begin(f"worker-{worker}") as uow:
                    key = f"c-{worker}-{number}"
                    versions = customers.put_customer(uow, key, {"name": key}).versions
                    got.append(versions["suite"][1])
        except BaseException as error:
            problems.append(error)
            raise

    workers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert problems == []
    assert sorted(got) == list(range(2, 42))
    for product in ("suite", "desk"):
        assert [delta.seq for delta in deltas(vendor, product)] == list(range(1, 42))
    total = digest.sum_records(records(vendor, "suite").items())
    assert bytes(head(vendor, "suite").digest_sum) == digest.sum_to_bytes(total)
    with vendor.reading() as connection:
        assert audit_log.verify(connection).ok


def test_a_product_and_customers_that_come_at_the_same_time_miss_nobody(vendor: Store) -> None:
    """Whoever is first: in the end every product's feed has every customer."""

    def add_products() -> None:
        for number in range(5):
            with vendor.begin("me") as uow:
                catalogue.put_product(uow, f"p{number}", {"name": "P"})

    def add_customers() -> None:
        for number in range(5):
            with vendor.begin("me") as uow:
                customers.put_customer(uow, f"new-{number}", {})

    workers = [threading.Thread(target=add_products), threading.Thread(target=add_customers)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    wanted = {"c/acme", "c/globex", *(f"c/new-{number}" for number in range(5))}
    for product in ("suite", *(f"p{number}" for number in range(5))):
        assert {key for key in records(vendor, product) if key.startswith("c/")} == wanted


def test_the_publisher_is_woken_after_the_commit_with_the_products(vendor: Store) -> None:
    """The hook sees committed data, and is not called when nothing moved."""
    woken: list[tuple[frozenset[str], int]] = []
    vendor.on_commit(lambda products: woken.append((products, head(vendor, "suite").seq)))
    with vendor.begin("me") as uow:
        overrides.put_override(uow, "acme", "o1", DENY)
    with vendor.begin("me") as uow:
        overrides.put_override(uow, "acme", "o1", DENY)
    with pytest.raises(NotFound), vendor.begin("me") as uow:
        overrides.put_override(uow, "nobody", "o1", DENY)
    assert woken == [(frozenset({"suite"}), 2)]


def test_a_revoke_is_in_the_next_record_and_ends_when_told(vendor: Store) -> None:
    """Override deny: REVOKED at once; ended: entitled again."""
    assert answer(vendor, "acme", "reports").code is Code.ENTITLED
    with vendor.begin("me") as uow:
        overrides.put_override(uow, "acme", "o1", DENY)
    assert answer(vendor, "acme", "reports").code is Code.REVOKED
    later = NOW_MS + 60_000
    with vendor.begin("me") as uow:
        result = overrides.end_override(uow, "acme", "o1", Millis(later))
    assert result.revision == 2
    assert answer(vendor, "acme", "reports", at_ms=later - 1).code is Code.REVOKED
    assert answer(vendor, "acme", "reports", at_ms=later).code is Code.ENTITLED


def test_a_feature_can_be_revoked_restored_and_revoked_again_without_dates(vendor: Store) -> None:
    """The second revoke begins where the first ended; writing it again changes nothing."""
    with vendor.begin("me") as uow:
        overrides.put_override(uow, "acme", "o1", DENY)
    with vendor.begin("me") as uow:
        overrides.end_override(uow, "acme", "o1")
    assert answer(vendor, "acme", "reports").code is Code.ENTITLED
    with vendor.begin("me") as uow:
        first = overrides.put_override(uow, "acme", "o2", DENY)
    assert first.entity["from"] == "2027-01-15T08:00:00.000Z"
    assert answer(vendor, "acme", "reports").code is Code.REVOKED
    with vendor.begin("me") as uow:
        assert not overrides.put_override(uow, "acme", "o2", DENY).changed
    document = {"version": 1, "customers": [{"id": "acme", "overrides": [{**DENY, "id": "o2"}]}]}
    document["customers"][0] |= {name: vendor_document()["customers"][0][name] for name in ("name", "attributes")}  # type: ignore[index]
    with vendor.begin("me") as uow:
        assert apply_document(uow, document).changes == ()


def test_a_failed_payment_ends_in_payment_required(vendor: Store) -> None:
    """Access in grace until the date, then the code that asks for payment, then paid."""
    grace_end = Millis(NOW_MS + 7 * 86_400_000)
    with vendor.begin("me") as uow:
        subscriptions.mark_past_due(uow, "acme", "acme-suite", grace_end)
    assert answer(vendor, "acme", "reports").code is Code.ENTITLED_GRACE
    assert answer(vendor, "acme", "reports", at_ms=grace_end).code is Code.PAYMENT_REQUIRED
    with vendor.begin("me") as uow:
        subscriptions.activate(uow, "acme", "acme-suite")
    assert answer(vendor, "acme", "reports", at_ms=grace_end).code is Code.ENTITLED


def test_a_second_override_at_the_same_time_is_refused(vendor: Store) -> None:
    """Semantics B4, whichever comes second."""
    with vendor.begin("me") as uow:
        overrides.put_override(uow, "acme", "o1", DENY)
    with pytest.raises(Conflict, match="'o1' at the same time"), vendor.begin("me") as uow:
        overrides.put_override(uow, "acme", "o2", {**DENY, "effect": "allow", "from": "2028-01-01T00:00:00Z"})
    document = vendor_document()
    document["customers"][0]["overrides"] = [{**DENY, "id": "o3"}]
    before = records(vendor, "suite")
    with pytest.raises(Conflict, match="at the same time"), vendor.begin("me") as uow:
        apply_document(uow, document)
    assert records(vendor, "suite") == before


def test_a_suspension_touches_only_the_feeds_that_it_concerns(vendor: Store) -> None:
    """Of a customer: all products; of a subscription or a feature: one."""
    with vendor.begin("me") as uow:
        result = suspensions.put_suspension(uow, "acme", "s1", {"scope": "customer", "cause": "abuse"})
    assert set(result.versions) == {"suite", "desk"}
    assert answer(vendor, "acme", "reports").code is Code.SUBSCRIPTION_SUSPENDED
    with vendor.begin("me") as uow:
        suspensions.end_suspension(uow, "acme", "s1", Millis(NOW_MS + 1))
    with vendor.begin("me") as uow:
        result = subscriptions.suspend(uow, "acme", "acme-suite", "s2", {"cause": "non_payment", "access": "none"})
    assert set(result.versions) == {"suite"}
    with vendor.begin("me") as uow:
        spec = {"scope": "feature", "product": "desk", "target": "chat", "cause": "export"}
        assert set(suspensions.put_suspension(uow, "acme", "s3", spec).versions) == {"desk"}
    assert answer(vendor, "acme", "reports", at_ms=NOW_MS + 1).code is Code.SUBSCRIPTION_SUSPENDED
    with vendor.begin("me") as uow:
        suspensions.end_suspension(uow, "acme", "s2", Millis(NOW_MS + 2))
    assert answer(vendor, "acme", "reports", at_ms=NOW_MS + 2).code is Code.ENTITLED


def test_a_suspension_of_a_foreign_subscription_is_refused(vendor: Store) -> None:
    """The target must belong to the customer."""
    spec = {"scope": "subscription", "target": "acme-suite", "cause": "abuse"}
    with pytest.raises(NotFound, match="subscription"), vendor.begin("me") as uow:
        suspensions.put_suspension(uow, "globex", "s1", spec)


def test_a_subscription_lives_by_its_dates(vendor: Store) -> None:
    """Trial, conversion, upgrade, failed payment, cancellation: each by API, each with its date."""
    day = 86_400_000
    begin, trial_end = Millis(NOW_MS), Millis(NOW_MS + 14 * day)
    with vendor.begin("me") as uow:
        terms = Terms(begin, trial_until_ms=trial_end)
        subscriptions.start_subscription(uow, "globex", "g", "suite", {"pro@1": 1}, terms)
    assert answer(vendor, "globex", "reports").code is Code.ENTITLED_TRIAL
    assert answer(vendor, "globex", "reports", at_ms=trial_end).code is Code.TRIAL_EXPIRED
    with vendor.begin("me") as uow:
        subscriptions.convert_trial(uow, "globex", "g")
    assert answer(vendor, "globex", "reports", at_ms=trial_end).code is Code.ENTITLED
    with vendor.begin("me") as uow:
        subscriptions.change_plan(uow, "globex", "g", "max@1", Millis(trial_end + day))
    assert not answer(vendor, "globex", "exports", at_ms=trial_end).allowed
    assert answer(vendor, "globex", "projects", at_ms=trial_end + day).value is not None
    with vendor.begin("me") as uow:
        subscriptions.cancel(uow, "globex", "g", Millis(trial_end + 9 * day))
    assert answer(vendor, "globex", "projects", at_ms=trial_end + 9 * day - 1).code is Code.ENTITLED
    assert answer(vendor, "globex", "reports", at_ms=trial_end + 9 * day).code is Code.SUBSCRIPTION_CANCELED
    with vendor.begin("me") as uow:
        result = subscriptions.uncancel(uow, "globex", "g")
    assert "cancel_at" not in result.entity
    assert result.revision == 5
    with pytest.raises(Conflict, match="TRIALING"), vendor.begin("me") as uow:
        subscriptions.mark_past_due(uow, "globex", "g", Millis(NOW_MS + day))
    with pytest.raises(Conflict, match="'pro@7' is not a published version"), vendor.begin("me") as uow:
        subscriptions.change_plan(uow, "globex", "g", "pro@7")


def test_published_versions_never_change(vendor: Store) -> None:
    """The same content is no change; other content is refused with the number to use instead (H2)."""
    content = {"entitlements": {"reports": True}}
    with (
        pytest.raises(Conflict, match=r"'pro@1' is published and never changes.*as version 2"),
        vendor.begin("me") as uow,
    ):
        catalogue.publish_plan(uow, "suite", "pro", content, version=1)
    with vendor.begin("me") as uow:
        assert catalogue.publish_plan(uow, "suite", "pro", content).entity["version"] == 2
    with pytest.raises(Conflict, match="is the key of a plan"), vendor.begin("me") as uow:
        catalogue.publish_addon(uow, "suite", "pro", content)
    assert b"pro" in records(vendor, "suite")["f/reports"]
    document = vendor_document()
    document["products"][0]["plans"][0]["entitlements"]["projects"] = 51
    before = records(vendor, "suite")
    with pytest.raises(Conflict, match="never changes"), vendor.begin("me") as uow:
        apply_document(uow, document)
    assert records(vendor, "suite") == before


def test_kind_and_type_of_a_feature_stay(vendor: Store) -> None:
    """Published versions rely on them."""
    with pytest.raises(Conflict, match="type: cannot change"), vendor.begin("me") as uow:
        catalogue.put_feature(uow, "suite", "projects", {"kind": "config", "type": "string"})


def test_a_stale_revision_is_refused(vendor: Store) -> None:
    """Whoever decided on old data reads again first; 0 stands for "must be new"."""
    with vendor.begin("me") as uow:
        assert customers.put_customer(uow, "acme", {"name": "A"}, expected=1).revision == 2
    with pytest.raises(StaleRevision) as stale, vendor.begin("me") as uow:
        customers.put_customer(uow, "acme", {"name": "B"}, expected=1)
    assert (stale.value.expected, stale.value.actual) == (1, 2)
    with pytest.raises(StaleRevision, match="at revision 2"), vendor.begin("me") as uow:
        customers.put_customer(uow, "acme", {"name": "B"}, expected=0)
    with pytest.raises(StaleRevision, match="does not exist"), vendor.begin("me") as uow:
        overrides.put_override(uow, "acme", "o1", DENY, expected=3)


def test_a_change_of_a_product_reaches_what_it_governs(vendor: Store) -> None:
    """The ladder is in the features, the access of states in the customers."""
    with vendor.begin("me") as uow:
        catalogue.put_product(uow, "suite", {"name": "Suite", "state_access": {"ACTIVE": "READ_ONLY"}})
    changed = {key for key, _ in deltas(vendor, "suite")[-1].ops}
    assert changed == {"c/acme", "f/reports", "f/exports", "f/projects", "f/regions"}
    assert answer(vendor, "acme", "reports").access_level.name == "READ_ONLY"


def test_mistakes_name_field_and_remedy_and_change_nothing(vendor: Store) -> None:
    """Every mistake of a command is told at once."""
    before = records(vendor, "suite")
    with pytest.raises(Invalid) as refused, vendor.begin("me") as uow:
        catalogue.put_feature(uow, "suite", "x", {"kind": "config", "type": "int", "default": -1, "requires": ["y"]})
    assert {problem.path for problem in refused.value.problems} == {"default", "requires"}
    spec = {"product": "suite", "feature": "nope", "effect": "deny", "value": 1, "until": "soon"}
    with pytest.raises(Invalid) as refused, vendor.begin("me") as uow:
        overrides.put_override(uow, "acme", "o1", spec)
    assert {problem.path for problem in refused.value.problems} == {"feature", "value", "until"}
    with pytest.raises(NotFound), vendor.begin("me") as uow:
        promotions.put_promotion(uow, "acme", "p1", {"product": "none", "feature": "reports"})
    with pytest.raises(DocumentError), vendor.begin("me") as uow:
        apply_document(uow, {"version": 1, "products": [{"key": "a"}, {"key": "a"}]})
    assert records(vendor, "suite") == before


def test_a_dry_run_tells_what_an_apply_would_do(store: Store) -> None:
    """The same changes, nothing written."""
    with store.begin("me") as uow:
        dry = apply_document(uow, vendor_document(), dry_run=True)
    with store.begin("me") as uow:
        wet = apply_document(uow, vendor_document())
    assert dry.changes == wet.changes
    assert {change.action for change in dry.changes} == {"added"}
    assert dry.versions == {}
    assert audited(store)[0] == ("apply.added", "product/suite")
    assert len(audited(store)) == len(wet.changes)


def test_applying_adds_and_changes_but_never_removes(vendor: Store) -> None:
    """A revoke made since stays when an older document is applied again."""
    with vendor.begin("me") as uow:
        overrides.put_override(uow, "acme", "o1", DENY)
    document = vendor_document()
    document["customers"][0]["attributes"] = {"region": "us"}
    with vendor.begin("me") as uow:
        diff = apply_document(uow, document)
    assert [(change.action, change.kind, change.id) for change in diff.changes] == [("changed", "customer", "acme")]
    assert answer(vendor, "acme", "reports").code is Code.REVOKED


def test_a_document_may_hold_only_customers(vendor: Store) -> None:
    """It refers to the catalogue as it is stored."""
    subscription = {"id": "g", "product": "desk", "items": [{"ref": "basic@1"}], "timeline": [{"state": "ACTIVE"}]}
    with vendor.begin("me") as uow:
        apply_document(uow, {"version": 1, "customers": [{"id": "globex", "subscriptions": [subscription]}]})
    assert answer(vendor, "globex", "chat", product="desk").code is Code.ENTITLED


def test_a_change_too_large_for_one_delta_is_cut_into_several(vendor: Store) -> None:
    """All in one transaction, versions before features before customers, and the fold is right."""
    wide = {"attributes": {f"a{number}": "x" * 1_000 for number in range(20)}}
    crowd = [{"id": f"wide-{number:03}", **wide} for number in range(150)]
    document: dict[str, Any] = {
        "version": 1,
        "products": [{"key": "desk", "name": "Desk", "features": [{"key": "calls", "kind": "switch"}]}],
        "customers": crowd,
    }
    seq = head(vendor, "desk").seq
    with vendor.begin("me") as uow:
        versions = apply_document(uow, document).versions
    made = deltas(vendor, "desk")[seq:]
    assert len(made) > 1
    assert versions["desk"][1] == seq + len(made)
    assert [key for key, _ in made[0].ops if not key.startswith("c/")] == ["f/calls"]
    assert all(sum(len(body or b"") for _, body in delta.ops) <= MAX_DELTA_BYTES for delta in made)
    total = digest.sum_records(records(vendor, "desk").items())
    assert made[-1].digest == digest.digest_of(total)


def test_an_import_goes_in_batches_and_is_idempotent(store: Store) -> None:
    """One delta for each batch; the same document again changes nothing."""
    document = vendor_document()
    document["customers"] = [{"id": f"c{number}", "attributes": {"n": number}} for number in range(25)]
    done = import_document(store, "loader", document, batch=10)
    assert done.versions["suite"] == (NOW_MS // 1000, 1 + 3)
    assert [len(delta.ops) for delta in deltas(store, "suite")[1:]] == [10, 10, 5]
    again = import_document(store, "loader", document, batch=10)
    assert (again.changed, again.versions) == (0, done.versions)
    assert done.changed == again.unchanged


def test_a_hypothetical_document_is_decided_without_being_stored(vendor: Store) -> None:
    """What would be, laid over what is."""
    document = {
        "version": 1,
        "products": [{"key": "desk", "features": [{"key": "calls", "kind": "switch", "core": True}]}],
    }
    query = Query(CustomerId("acme"), FeatureKey("calls"), ProductId("desk"))
    with vendor.reading() as connection:
        would = decisions.records_of(connection, "desk", document, NOW_MS)
        assert decisions.preview(would, query, Millis(NOW_MS)).code is Code.ENTITLED_CORE
        assert would.feature_keys() == ["calls", "chat"]
        assert (
            decisions.preview(decisions.records_of(connection, "desk"), query, Millis(NOW_MS)).code
            is Code.FEATURE_UNKNOWN
        )
        with pytest.raises(NotFound):
            decisions.records_of(connection, "none")


def test_effective_entitlements_list_every_feature_of_a_customer(vendor: Store) -> None:
    """Allowed and denied, sorted by feature."""
    with vendor.reading() as connection:
        stored = decisions.records_of(connection, "suite")
        listed = list(decisions.effective(stored, "suite", "acme", Millis(NOW_MS)))
        assert [(each.feature, each.allowed) for each in listed] == [
            ("exports", False),
            ("projects", True),
            ("regions", True),
            ("reports", True),
        ]
        assert listed[1].value == 70
        assert [
            each.feature for each in decisions.effective(stored, "suite", "acme", Millis(NOW_MS), after="projects")
        ] == ["regions", "reports"]
        with pytest.raises(NotFound):
            list(decisions.effective(stored, "suite", "nobody", Millis(NOW_MS)))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'nobody' WHERE seq = 3",
        "DELETE FROM audit WHERE seq = 3",
        "UPDATE audit SET after = NULL WHERE seq = 2",
        "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)",
    ],
)
def test_tampering_with_the_trail_is_found(vendor: Store, statement: str) -> None:
    """Edited, removed, cut off: verify says where."""
    with vendor.reading() as connection:
        assert audit_log.verify(connection).ok
    with vendor.begin("intruder") as uow:
        uow.connection.execute(sa.text(statement))
    with vendor.reading() as connection:
        verdict = audit_log.verify(connection)
    assert not verdict.ok
    assert verdict.first_bad_seq is not None


def test_the_trail_tells_who_did_what_with_before_and_after(vendor: Store) -> None:
    """One event for each command that changed something."""
    with vendor.begin("carol") as uow:
        customers.put_customer(uow, "acme", {"name": "Acme AG"})
    with vendor.reading() as connection:
        [event] = [each.event for each in audit_log.events(connection, 0, 100, actor="carol")]
        about = audit_log.events(connection, 0, 100, subject="customer/acme")
    assert (event.action, event.subject, event.at_ms) == ("customer.put", "customer/acme", NOW_MS)
    assert event.before is not None
    assert '"Acme GmbH"' in event.before
    assert event.after == '{"id":"acme","name":"Acme AG"}'
    assert [each.event.action for each in about] == ["apply.added", "customer.put"]


def test_deleting_a_customer_needs_it_archived_and_leaves_no_row(vendor: Store) -> None:
    """Rows of all kinds go with it, and every feed forgets it."""
    with pytest.raises(Conflict, match="only archived"), vendor.begin("me") as uow:
        customers.delete_customer(uow, "acme")
    with vendor.begin("me") as uow:
        customers.archive_customer(uow, "acme")
    assert answer(vendor, "acme", "reports").code is Code.CUSTOMER_ARCHIVED
    with vendor.begin("me") as uow:
        customers.delete_customer(uow, "acme")
    assert answer(vendor, "acme", "reports").code is Code.CUSTOMER_UNKNOWN
    with vendor.reading() as connection:
        assert connection.execute(sa.select(tables.subscriptions)).all() == []


def test_pages_follow_the_bytes_of_keys(store: Store) -> None:
    """Keyset paging gives every row once, in one order on every database, whatever its language is set to."""
    names = ["b", "B", "a", "ä", "_", "A", "a b", "z/1"]
    with store.begin("me") as uow:
        for name in names:
            customers.put_customer(uow, name, {})
    seen: list[str] = []
    with store.reading() as connection:
        while page := resources.page(connection, tables.customers, {}, "id", seen[-1] if seen else "", 3):
            seen += [each.form["id"] for each in page]
    assert seen == sorted(names, key=str.encode)


def test_a_writer_shows_what_it_holds(vendor: Store) -> None:
    """A unit of work prints its actor and its locks."""
    with vendor.begin("me") as uow:
        assert isinstance(uow, UnitOfWork)
        uow.lock("suite")
        assert repr(uow) == "<UnitOfWork me [locked suite]>"
