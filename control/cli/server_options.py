"""The options with which a command line finds its control plane: --server, --key-file, and their variables."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from control.api.credentials import Secret, parse_key
from control.cli.rest_client import Answer, RestClient

SERVER: Final = "ENTITLEMENTS_CONTROL_URL"
KEY: Final = "ENTITLEMENTS_API_KEY"
DEFAULT_SERVER: Final = "http://127.0.0.1:8480"


class OptionError(Exception):
    """An option is wrong; the message names it and the remedy."""


def add_server_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--server", "--url", metavar="URL", help=f"the control plane (default: ${SERVER} or {DEFAULT_SERVER})"
    )
    keys = parser.add_mutually_exclusive_group()
    keys.add_argument("--key-file", metavar="FILE", type=Path, help="file that holds the API key")
    keys.add_argument("--key", help=f"the API key itself; other users of this machine can see it, prefer ${KEY}")


def client_from(options: argparse.Namespace, environ: Mapping[str, str]) -> RestClient:
    """Return a client; OptionError when the address or the key cannot be used."""
    text = options.key or environ.get(KEY, "")
    if options.key_file is not None:
        try:
            text = options.key_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise OptionError(f"--key-file {options.key_file} cannot be read; name a file with one API key") from None
    if text and parse_key(text) is None:
        raise OptionError(f"the API key does not look like ent_..._...; check --key, --key-file or {KEY}")
    try:
        return RestClient(options.server or environ.get(SERVER, DEFAULT_SERVER), Secret(text) if text else None)
    except ValueError as error:
        raise OptionError(f"--server: {error}") from None


def problem_text(answer: Answer) -> str:
    """Return a refusal as a person reads it."""
    body: Any = answer.body if isinstance(answer.body, dict) else {}
    lines = [f"{body.get('title', 'The server refused')} ({answer.status}): {body.get('detail', '')}"]
    for error in body.get("errors", []):
        lines += [f"  {error['field']} {error['problem']}", f"    {error['remedy']}"]
    if body.get("request_id"):
        lines.append(f"  request id: {body['request_id']}")
    return "\n".join(lines)
