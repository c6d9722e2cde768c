"""What departs from the plans: overrides, suspensions and promotions of one customer. Each is put, and later ended."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Response
from sqlalchemy import Table

from control.api.credentials import Scope
from control.api.describing import reads, writes
from control.api.instants import read_instants
from control.api.paging import Wanted
from control.api.reading import Reads, page_reply, stored_reply
from control.api.route import api_router
from control.api.schemas.customers import (
    NOW,
    At,
    OverrideBody,
    OverrideForm,
    PromotionBody,
    PromotionForm,
    SuspensionBody,
    SuspensionForm,
)
from control.api.schemas.replies import Page, Stored, Written
from control.api.schemas.values import Body
from control.api.segments import PathId
from control.api.writing import Write
from control.handlers.overrides import end_override, put_override
from control.handlers.promotions import end_promotion, put_promotion
from control.handlers.result import Result
from control.handlers.suspensions import end_suspension, put_suspension
from control.store import resources, tables
from control.store.accounts import load_account


def _holdings(
    *,
    noun: str,
    table: Table,
    body_model: type[Body],
    form_model: type[Body],
    put: Callable[..., Result],
    end: Callable[..., Result],
    ending: str,
) -> APIRouter:
    """Return the routes of one kind of holding."""
    router = api_router(f"{noun}s")
    place = f"/customers/{{customer}}/{noun}s"
    one = place + "/{id}"
    words = f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"

    @router.get(
        place,
        response_model=Page[Stored[form_model]],  # type: ignore[valid-type]
        name=f"list_{noun}s",
        summary=f"List a customer's {noun}s",
        **reads(),
    )
    def list_all(customer: PathId, store: Reads, wanted: Wanted) -> Response:
        with store.reading() as connection:
            load_account(connection, customer)
            keys = {"customer": customer}
            found = resources.page(connection, table, keys, "id", wanted.after, wanted.limit + 1)
        return page_reply("id", found, wanted)

    @router.get(
        one,
        response_model=Stored[form_model],  # type: ignore[valid-type]
        name=f"read_{noun}",
        summary=f"Read {words}",
        **reads(tagged=True),
    )
    def read(customer: PathId, id: PathId, store: Reads) -> Response:  # noqa: A002  the word of the address
        with store.reading() as connection:
            return stored_reply(noun, id, resources.find(connection, table, {"customer": customer, "id": id}))

    @router.put(
        one,
        name=f"put_{noun}",
        summary=f"Create or replace {words}",
        **writes(Scope.WRITE, Written[form_model], creates=True),  # type: ignore[valid-type]
    )
    def put_one(customer: PathId, id: PathId, body: body_model, write: Write) -> Response:  # type: ignore[valid-type]  # noqa: A002
        spec: dict[str, Any] = body.fragment()  # type: ignore[attr-defined]
        return write.save(id, lambda uow: put(uow, customer, id, spec, write.expected))

    @router.post(
        one + "/end",
        name=f"end_{noun}",
        summary=ending,
        description="Now, or at a date in the body.",
        **writes(Scope.WRITE, Written[form_model]),  # type: ignore[valid-type]
    )
    def end_one(customer: PathId, id: PathId, store: Reads, write: Write, body: At = NOW) -> Response:  # noqa: A002
        at = read_instants(store.clock.now_ms(), at=body.at)["at"]
        return write.save(id, lambda uow: end(uow, customer, id, at, write.expected), creates=False)

    return router


overrides = _holdings(
    noun="override",
    table=tables.overrides,
    body_model=OverrideBody,
    form_model=OverrideForm,
    put=put_override,
    end=end_override,
    ending="Let an override end",
)
suspensions = _holdings(
    noun="suspension",
    table=tables.suspensions,
    body_model=SuspensionBody,
    form_model=SuspensionForm,
    put=put_suspension,
    end=end_suspension,
    ending="Reinstate: let a suspension end",
)
promotions = _holdings(
    noun="promotion",
    table=tables.promotions,
    body_model=PromotionBody,
    form_model=PromotionForm,
    put=put_promotion,
    end=end_promotion,
    ending="Let a promotion end",
)
