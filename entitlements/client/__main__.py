"""`entitlements check`: ask a sidecar from a terminal.

Exit code: 0 allowed, 1 denied, 2 the question is wrong, 3 the sidecar did not answer.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from datetime import datetime
from typing import Any, Final

from google.protobuf.json_format import MessageToDict

from entitlements.client.answer import Answer
from entitlements.client.blocking import EntitlementClient
from entitlements.client.channel import DEFAULT_TARGET, TARGET_VARIABLE, SidecarUnavailable
from entitlements.client.question import BadQuestion
from entitlements.client.reply import ReplyPolicy
from entitlements.policy.vocabulary import UNLIMITED, ExplainLevel, Value

ALLOWED: Final = 0
DENIED: Final = 1
WRONG: Final = 2
NO_ANSWER: Final = 3


def main(argv: list[str]) -> int:
    """Ask one question, or list all entitlements of a customer, and print the answer."""
    asked = _parser().parse_args(argv)
    policy = ReplyPolicy(raise_unavailable=True)
    try:
        with EntitlementClient(asked.target, product=asked.product, timeout_s=asked.timeout, policy=policy) as client:
            return _list(client, asked) if asked.feature is None else _check(client, asked)
    except BadQuestion as error:
        print(f"entitlements check: {error}", file=sys.stderr)
        return WRONG
    except SidecarUnavailable as error:
        print(f"entitlements check: {error}; is a sidecar listening there? set --target", file=sys.stderr)
        return NO_ANSWER
    except BrokenPipeError:  # whoever reads (head, less) has seen enough; Python must not complain again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ALLOWED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="entitlements check", description="May this customer use this feature now?")
    parser.add_argument("customer", help="customer id")
    parser.add_argument("feature", nargs="?", help="feature key; without it every entitlement is listed")
    parser.add_argument("--product", default="", help="product (default: the sidecar's)")
    parser.add_argument(
        "--attr", action="append", default=[], metavar="NAME=VALUE", help="request attribute; repeatable"
    )
    parser.add_argument("--at", metavar="ISO-8601", help="evaluate at another instant")
    parser.add_argument("--min-version", default="", metavar="TOKEN", help="wait for a write's version token")
    parser.add_argument("--explain", action="store_true", help="show every source that was considered")
    parser.add_argument("--json", action="store_true", help="print the whole answer as JSON")
    parser.add_argument("--timeout", type=float, default=1.0, metavar="SECONDS", help="deadline (default 1)")
    parser.add_argument("--target", help=f"gRPC target (default ${TARGET_VARIABLE}, else {DEFAULT_TARGET})")
    return parser


def _attributes(pairs: list[str]) -> dict[str, str | int | bool]:
    """Read NAME=VALUE; true, false and whole numbers keep their type, everything else is text."""
    attributes: dict[str, str | int | bool] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise BadQuestion(f"--attr takes NAME=VALUE, got {pair!r}", "attributes")
        digits = text.removeprefix("-")
        if text in {"true", "false"}:
            attributes[name] = text == "true"
        elif digits.isascii() and digits.isdigit():
            attributes[name] = int(text)
        else:
            attributes[name] = text
    return attributes


def _check(client: EntitlementClient, asked: argparse.Namespace) -> int:
    fields: dict[str, Any] = {"attributes": _attributes(asked.attr), "min_version": asked.min_version}
    if asked.at:
        try:
            fields["as_of"] = datetime.fromisoformat(asked.at)
        except ValueError as error:
            raise BadQuestion(f"--at takes an ISO-8601 instant with its zone: {error}", "as_of") from error
    if asked.explain:
        fields["explain"] = ExplainLevel.FULL
    answer = client.check(asked.customer, asked.feature, **fields)
    if asked.json:
        print(json.dumps(_as_json(answer), indent=2))
    else:
        print(_line(answer))
        for line in _details(answer):
            print("  " + line)
    return ALLOWED if answer.allowed else DENIED


def _list(client: EntitlementClient, asked: argparse.Namespace) -> int:
    answers = list(client.entitlements(asked.customer, attributes=_attributes(asked.attr)))
    if asked.json:
        print(json.dumps([_as_json(each) for each in answers], indent=2))
        return ALLOWED
    width = max((len(each.feature) for each in answers), default=0)
    for each in answers:
        print(f"{each.feature:<{width}}  {_line(each)}")
    return ALLOWED


def _line(answer: Answer) -> str:
    verdict = "ALLOW" if answer.allowed else "DENY "
    parts = [verdict, answer.code]
    if answer.value is not None:
        parts.append(f"value={_value_text(answer.value)}")
    if answer.source:
        parts.append(f"by {answer.source}")
    if answer.age_ms is not None:
        parts.append(
            f"{answer.served_from} {answer.freshness} age {answer.age_ms / 1000:.1f} s version {answer.version}"
        )
    else:
        parts.append(answer.served_from)
    if answer.remedy:
        parts.append(f"remedy {answer.remedy}")
    return "  ".join(parts)


def _value_text(value: Value) -> str:
    if value is UNLIMITED:
        return "unlimited"
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _details(answer: Answer) -> list[str]:
    lines = [each for each in (answer.user_message, answer.engineer_message) if each]
    if answer.valid_until is not None:
        lines.append(f"valid until {answer.valid_until.isoformat(timespec='milliseconds')}")
    if answer.message is not None:
        explain = answer.message.explain
        if explain.rules:
            lines.append("rules " + " ".join(explain.rules))
        lines.extend(
            f"{'*' if each.counted else '-'} {each.id or 'core'}{' of ' + each.subscription_id if each.subscription_id else ''}: {each.note}"
            for each in explain.considered
        )
        lines.extend(f"! {each}" for each in explain.failed_conditions)
    return lines


def _as_json(answer: Answer) -> dict[str, Any]:
    return MessageToDict(answer.message, preserving_proto_field_name=True) if answer.message is not None else {}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
