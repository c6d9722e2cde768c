"""A small product service that sells: Fernhill Boards, whose routes are gated by its sidecar.

    GET  /boards                    core, every customer has it
    POST /boards                    as many boards as the plan allows
    GET  /reports                   in the Team plan and above
    POST /report-exports            in the Business plan and above
    GET  /data-export               core, and allowed even when the policy is too old
    POST /automation-rules          refused while access is limited to reading

The customer comes in the header X-Customer, where a real service would take it from its own login. What matters is `gate`: one question
for each request, and from its answer 402 when buying or paying would help, 503 when trying again would, else 403; always with the code,
a sentence for the customer, and what to do.

    python -m demo.sample_service --port 8601        asks the sidecar at $ENTITLEMENTS_TARGET
"""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from entitlements.client import Answer, AsyncEntitlementClient, BadQuestion, ExplainLevel, Fallback

PRODUCT: Final = "boards"
PAYABLE: Final = frozenset({"UPGRADE", "RENEW", "FIX_PAYMENT", "TOP_UP", "ADD_SEAT"})

client = AsyncEntitlementClient(product=PRODUCT)
boards: Counter[str] = Counter()


class Refused(Exception):  # noqa: N818  what happened to the request, not an error of the service
    """The request ends here; the reply says why."""

    def __init__(self, reply: JSONResponse) -> None:
        super().__init__()
        self.reply = reply


async def gate(request: Request, feature: str, **question: Any) -> Answer:
    """Let the request pass and return the answer, or end it with the reply that the customer should see."""
    customer = request.headers.get("x-customer", "")
    try:
        answer = await client.check(customer, feature, explain=ExplainLevel.SUMMARY, **question)
    except BadQuestion as error:
        raise Refused(JSONResponse({"error": f"X-Customer: {error}"}, 400)) from error
    if not answer.allowed:
        raise Refused(refusal(answer))
    if request.method != "GET" and answer.access_level == "READ_ONLY":
        raise Refused(JSONResponse({"code": answer.code, "message": "Only reading is possible at the moment."}, 403))
    return answer


def refusal(answer: Answer) -> JSONResponse:
    """Turn a deny into the reply of a web service."""
    status = 402 if answer.remedy in PAYABLE else 503 if answer.retry_after_s else 403
    shown = {
        "code": answer.code,
        "message": answer.user_message or "This is not available at the moment.",
        "remedy": answer.remedy,
        "plans": list(answer.remedy_plans),
        "contact": answer.contact,
    }
    headers = {"Retry-After": str(max(1, round(answer.retry_after_s)))} if answer.retry_after_s else {}
    return JSONResponse({name: value for name, value in shown.items() if value}, status, headers)


async def list_boards(request: Request) -> JSONResponse:
    """Count the customer's boards."""
    await gate(request, "tasks")
    return JSONResponse({"boards": boards[request.headers["x-customer"]]})


async def create_board(request: Request) -> JSONResponse:
    """Make a board, unless the plan's number of boards is reached."""
    customer = request.headers.get("x-customer", "")
    await gate(request, "boards-limit", requested_value=boards[customer] + 1)
    boards[customer] += 1
    return JSONResponse({"boards": boards[customer]}, 201)


async def read_reports(request: Request) -> JSONResponse:
    """Show reports."""
    answer = await gate(request, "reports")
    return JSONResponse({"reports": [], "answered_from": answer.served_from})


async def export_reports(request: Request) -> JSONResponse:
    """Schedule an export of reports."""
    await gate(request, "report-exports")
    return JSONResponse({"scheduled": True}, 202)


async def export_data(request: Request) -> JSONResponse:
    """Hand the customer's own data out. Should the sidecar itself be away, that is no reason to refuse."""
    answer = await gate(request, "data-export", fallback=Fallback(allowed=True))
    return JSONResponse({"data": {}, "answered_from": answer.served_from})


async def write_rule(request: Request) -> JSONResponse:
    """Change an automation rule."""
    await gate(request, "automation-editor")
    return JSONResponse({"saved": True}, 201)


async def answer_refused(_request: Request, error: Exception) -> JSONResponse:
    """Send the reply that `gate` decided on."""
    assert isinstance(error, Refused)  # noqa: S101  registered for this type alone
    return error.reply


app = Starlette(
    routes=[
        Route("/boards", list_boards, methods=["GET"]),
        Route("/boards", create_board, methods=["POST"]),
        Route("/reports", read_reports),
        Route("/report-exports", export_reports, methods=["POST"]),
        Route("/data-export", export_data),
        Route("/automation-rules", write_rule, methods=["POST"]),
    ],
    exception_handlers={Refused: answer_refused},
)


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="demo.sample_service", description="A product service gated by its sidecar.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8601)
    asked = parser.parse_args()
    uvicorn.run(app, host=asked.host, port=asked.port, log_level="warning", lifespan="off")


if __name__ == "__main__":
    main()
