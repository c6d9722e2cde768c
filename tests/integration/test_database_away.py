"""The control plane while its database is away: refusals that say so, and everything again afterwards."""

from __future__ import annotations

from pathlib import Path

from tests.support.control_server import control_server
from tests.support.postgres import postgres_server
from tests.support.processes import wait_until

PRODUCT = {"name": "Suite"}


def test_writes_are_503_while_the_database_is_away_and_go_on_afterwards(tmp_path: Path) -> None:
    """Problem+json, not ready but alive; nothing has to be restarted when the database is back."""
    with postgres_server() as postgres, postgres.database() as url, control_server(tmp_path, url) as server:
        assert server.call("PUT", "/products/suite", PRODUCT).is_success
        postgres.shut(url)
        refused = server.call("PUT", "/products/other", PRODUCT)
        assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
        assert server.client.get("/readyz").status_code == 503
        assert server.client.get("/livez").status_code == 200
        postgres.reopen(url)
        wait_until(lambda: server.client.get("/readyz").status_code == 200, 20, "readiness")
        assert server.call("PUT", "/products/other", PRODUCT).is_success
        assert server.call("GET", "/products/suite").is_success
