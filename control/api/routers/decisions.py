"""What a customer may do, and why: previews and effective entitlements, by the same decision as at a sidecar."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response

from control.api.credentials import Scope
from control.api.deciding import Standpoint, answer, read_question
from control.api.describing import reads
from control.api.instants import read_instants
from control.api.paging import DEFAULT_LIMIT, MAX_LIMIT
from control.api.problems import invalid, invalid_fields
from control.api.reading import Reads, json_reply
from control.api.refusals import control_problem, domain_fields
from control.api.route import DocumentRoute, api_router
from control.api.schemas.decisions import DecisionReply, EntitlementsReply, ExplainWord, Question
from control.api.segments import PathId
from control.domain.errors import Invalid, NotFound
from control.domain.fields import Fields, Findings
from control.handlers.decisions import records_of
from control.store.sidecars import positions
from entitlements.wire.names import stream_id

decisions = api_router("decisions", DocumentRoute)
IdText = Annotated[str, Query(min_length=1, max_length=128)]


@decisions.post("/decisions:preview", response_model=DecisionReply, summary="Preview and explain a decision", **reads())
def preview(body: Question, store: Reads) -> Response:
    """Like Check, on the control plane's own records, now or at another instant, also on a hypothetical document.

    A deny is a 200 with `allowed: false`. Nothing is written, nothing is consumed.
    """
    now_ms = store.clock.now_ms()
    age_ms = _age(body.policy_age, now_ms)
    with store.reading() as connection:
        try:
            records = records_of(connection, body.product, body.document, now_ms)
        except Invalid as error:
            raise control_problem(error, "document") from None
        query, as_of_ms = read_question(body, records, now_ms)
        epoch, seq = positions(connection).get(body.product, (0, 0))
        reply = answer(query, as_of_ms, Standpoint(records, epoch, seq, now_ms, age_ms))
    return json_reply(reply.model_dump(mode="json"))


def _age(text: str | None, now_ms: int) -> int | None:
    findings = Findings(now_ms)
    age_ms = Fields(findings, {"policy_age": text}, "", {"policy_age"}).duration("policy_age")
    if findings.problems:
        raise invalid_fields(domain_fields(findings.problems))
    return age_ms


@decisions.get(
    "/customers/{customer}/entitlements",
    response_model=EntitlementsReply,
    summary="List a customer's effective entitlements",
    **reads(Scope.READ),
)
def entitlements(
    customer: PathId,
    store: Reads,
    product: IdText,
    as_of: Annotated[str | None, Query(max_length=40, description="Another instant, ISO 8601 with offset.")] = None,
    feature_prefix: Annotated[str, Query(max_length=128)] = "",
    allowed_only: Annotated[bool, Query(description="Leave out what is denied.")] = False,  # noqa: FBT002  a query parameter
    attribute: Annotated[
        list[str] | None, Query(max_length=32, description="NAME=TEXT, repeatable: what a request would carry.")
    ] = None,
    explain: ExplainWord = "NONE",
    after: Annotated[str, Query(max_length=128, description="`next` of the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
) -> Response:
    """Every feature of a product, allowed and denied, sorted by key; one version and one instant for a page."""
    now_ms = store.clock.now_ms()
    read_instants(now_ms, as_of=as_of)
    attributes = dict(_attribute(each) for each in attribute or ())
    answers = []
    with store.reading() as connection:
        records = records_of(connection, product)
        if records.customer(customer) is None:
            raise NotFound("customer", customer)
        epoch, seq = positions(connection)[product]
        standpoint = Standpoint(records, epoch, seq, now_ms)
        for key in records.feature_keys():
            if key <= after or not key.startswith(feature_prefix):
                continue
            question = Question(
                customer_id=customer, feature=key, product=product, attributes=attributes, as_of=as_of, explain=explain
            )
            query, as_of_ms = read_question(question, records, now_ms)
            reply = answer(query, as_of_ms, standpoint)
            if reply.allowed or not allowed_only:
                answers.append(reply.model_dump(mode="json"))
            if len(answers) > limit:
                break
    return json_reply(
        {
            "customer_id": customer,
            "product": product,
            "version": stream_id(epoch, seq),
            "entitlements": answers[:limit],
            "next": answers[limit - 1]["feature"] if len(answers) > limit else None,
        }
    )


def _attribute(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise invalid("attribute", f"{text[:60]!r} has no equals sign", "Write NAME=TEXT, such as region=eu.")
    return name, value
