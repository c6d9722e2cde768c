"""Log lines are one JSON object each and carry no secret."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from entitlements.runtime import logs
from entitlements.runtime.logs_vocabulary import FORMATS


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leave the process's logging as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_line_is_json_with_time_level_process_and_facts() -> None:
    """A machine reads every line without a pattern."""
    stream = io.StringIO()
    logs.configure("info", "json", process="serving", stream=stream)
    logs.logger(product="suite").info("store opened", seq=7)
    logs.logger().debug("not shown")
    line = json.loads(stream.getvalue())
    assert {key: line[key] for key in ("event", "level", "process", "product", "seq")} == {
        "event": "store opened",
        "level": "info",
        "process": "serving",
        "product": "suite",
        "seq": 7,
    }
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize("form", FORMATS)
def test_secrets_are_masked_everywhere(form: str) -> None:
    """By key, inside URLs, in nested values, in exceptions, in lines of libraries."""
    stream = io.StringIO()
    logs.configure("info", form, process="main", stream=stream)
    line = logs.logger(control_token="s3cret")
    line.info(
        "connect", url="redis://user:s3cret@cache:6379/0", headers={"Authorization": "s3cret"}, parts=["Bearer s3cret"]
    )
    line.error("feed failed", exc_info=ConnectionError("redis://user:s3cret@cache:6379/0 refused"))
    logging.getLogger("uvicorn").warning("sent Bearer s3cret")
    assert "s3cret" not in stream.getvalue()
    assert "redis://user:***@cache:6379/0 refused" in stream.getvalue()
    assert stream.getvalue().count(logs.MASK) >= 5


def test_unknown_level_or_format_is_refused() -> None:
    """A process does not start with logs that nobody asked for."""
    with pytest.raises(ValueError, match="log level is one of"):
        logs.configure("loud", "json", process="main")
    with pytest.raises(ValueError, match="format one of"):
        logs.configure("info", "xml", process="main")
