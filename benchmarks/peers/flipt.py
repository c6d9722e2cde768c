"""Flipt's client-side evaluation: a Rust engine behind ctypes, fed with a snapshot over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final

from flipt_client import FliptClient
from flipt_client.models import ClientOptions

from benchmarks.peers.questionnaire import Ask, Questionnaire

DISTRIBUTIONS: Final = ("flipt-client",)
NOTE: Final = (
    "plan is sent by the caller; segment on plan; snapshot from a loopback HTTP server; JSON in and out of the engine"
)
WRITTEN: Final = "2026-01-01T00:00:00Z"
POLL_S: Final = 3600


@contextmanager
def opened(questions: Questionnaire) -> Iterator[Ask]:
    """Serve the snapshot, let the client fetch it, stop it from polling during the measurement."""
    snapshot = json.dumps(snapshot_of(questions)).encode()

    class Snapshot(BaseHTTPRequestHandler):
        """Answers every path with the one snapshot."""

        def do_GET(self) -> None:
            """Send it."""
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(snapshot)))
            self.end_headers()
            self.wfile.write(snapshot)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Snapshot) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        client = FliptClient(ClientOptions(url=f"http://127.0.0.1:{server.server_port}", update_interval=POLL_S))
        plan_of = questions.customers

        def ask(customer: str, feature: str) -> bool:
            enabled: bool = client.evaluate_boolean(feature, customer, {"plan": plan_of[customer]}).enabled
            return enabled

        try:
            yield ask
        finally:
            client.close()
            server.shutdown()


def snapshot_of(questions: Questionnaire) -> dict[str, Any]:
    """Return the namespace as Flipt's server sends it: one boolean flag per feature, on for a segment of its plans."""
    return {"namespace": {"key": "default"}, "flags": [flag(each, questions) for each in questions.features]}


def flag(feature: str, questions: Questionnaire) -> dict[str, Any]:
    """Return one flag with one rollout."""
    constraint = {
        "type": "STRING_CONSTRAINT_COMPARISON_TYPE",
        "property": "plan",
        "operator": "isoneof",
        "value": json.dumps(questions.plans_with(feature)),
    }
    segment = {
        "key": f"has-{feature}",
        "name": f"has-{feature}",
        "matchType": "ALL_SEGMENT_MATCH_TYPE",
        "createdAt": WRITTEN,
        "updatedAt": WRITTEN,
        "constraints": [{"id": f"plan-{feature}", **constraint}],
    }
    rollout = {
        "type": "SEGMENT_ROLLOUT_TYPE",
        "rank": 1,
        "segment": {"value": True, "segmentOperator": "OR_SEGMENT_OPERATOR", "segments": [segment]},
    }
    named = {"key": feature, "name": feature, "description": "", "enabled": False, "type": "BOOLEAN_FLAG_TYPE"}
    return {**named, "createdAt": WRITTEN, "updatedAt": WRITTEN, "rules": [], "rollouts": [rollout]}
