"""Customers."""

from __future__ import annotations

from fastapi import Response

from control.api.credentials import Scope
from control.api.describing import reads, writes
from control.api.paging import Wanted
from control.api.reading import Reads, json_reply, page_reply, stored_reply
from control.api.route import api_router
from control.api.schemas.customers import CustomerBody, CustomerDocument, CustomerForm
from control.api.schemas.replies import Deleted, Page, Stored, Written
from control.api.segments import PathId
from control.api.writing import Outcome, Write, version_header, version_tokens
from control.handlers import customers as handlers
from control.store import accounts, resources, tables
from control.store.unit_of_work import Versions

customers = api_router("customers")


@customers.get("/customers", response_model=Page[Stored[CustomerForm]], summary="List customers", **reads())
def list_customers(store: Reads, wanted: Wanted) -> Response:
    """Without what belongs to them."""
    with store.reading() as connection:
        found = resources.page(connection, tables.customers, {}, "id", wanted.after, wanted.limit + 1)
    return page_reply("id", found, wanted)


@customers.get(
    "/customers/{customer}", response_model=Stored[CustomerForm], summary="Read a customer", **reads(tagged=True)
)
def read_customer(customer: PathId, store: Reads) -> Response:
    """Name, attributes, whether it is archived."""
    with store.reading() as connection:
        return stored_reply("customer", customer, resources.find(connection, tables.customers, {"id": customer}))


@customers.get(
    "/customers/{customer}/document",
    response_model=CustomerDocument,
    summary="Read a customer with everything that belongs to it",
    **reads(),
)
def read_document(customer: PathId, store: Reads) -> Response:
    """As a catalogue document holds it: subscriptions, overrides, suspensions and promotions included."""
    with store.reading() as connection:
        return json_reply(accounts.account_form(connection, customer))


@customers.put(
    "/customers/{customer}",
    summary="Create or replace a customer",
    **writes(Scope.WRITE, Written[CustomerForm], creates=True),
)
def put_customer(customer: PathId, body: CustomerBody, write: Write) -> Response:
    """What belongs to the customer stays; an archived customer is denied everything."""
    spec = body.fragment()
    return write.save(customer, lambda uow: handlers.put_customer(uow, customer, spec, write.expected))


@customers.post(
    "/customers/{customer}/archive",
    summary="Archive a customer",
    **writes(Scope.WRITE, Written[CustomerForm]),
)
def archive(customer: PathId, write: Write) -> Response:
    """Deny it everything; nothing is lost."""
    return write.save(customer, lambda uow: handlers.archive_customer(uow, customer, write.expected), creates=False)


@customers.post(
    "/customers/{customer}/restore",
    summary="Take an archiving back",
    **writes(Scope.WRITE, Written[CustomerForm]),
)
def restore(customer: PathId, write: Write) -> Response:
    """As it was before."""
    return write.save(
        customer,
        lambda uow: handlers.archive_customer(uow, customer, write.expected, archived=False),
        creates=False,
    )


@customers.delete("/customers/{customer}", summary="Forget an archived customer", **writes(Scope.WRITE, Deleted))
def delete(customer: PathId, write: Write) -> Response:
    """With everything that belongs to it; only the audit trail remembers its id and name."""

    def finish(versions: Versions) -> Outcome:
        tokens = version_tokens(versions)
        return Outcome(200, {"id": customer, "versions": tokens}, version_header(tokens))

    return write.run(lambda uow: handlers.delete_customer(uow, customer, write.expected), finish)
