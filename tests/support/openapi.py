"""Checks replies against the OpenAPI description that the server itself gives."""

from __future__ import annotations

import re
from typing import Any

from jsonschema import Draft202012Validator


class OpenApi:
    """One description; `check` raises AssertionError when a reply is not as it says."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._templates = [
            (
                re.compile(
                    "^" + re.sub(r"\{[^}]+\}", "[^/]+", re.escape(path).replace(r"\{", "{").replace(r"\}", "}")) + "$"
                ),
                path,
            )
            for path in document["paths"]
        ]
        self.seen: set[tuple[str, str, int]] = set()

    def check(self, method: str, raw_path: str, status: int, body: Any) -> None:
        """Compare a reply's JSON with the schema of its operation and status."""
        path = raw_path.partition("?")[0]
        template = next((name for pattern, name in self._templates if pattern.match(path)), None)
        if template is None or method.lower() not in self.document["paths"][template]:
            assert status in {404, 405}, f"{method} {path} answers {status} and is not described"
            return
        answers = self.document["paths"][template][method.lower()]["responses"]
        described = answers.get(str(status)) or answers.get(f"{status // 100}XX")
        assert described is not None, f"{method} {template} answers {status}, which is not described"
        self.seen.add((method, template, status))
        kinds = described["content"]
        kind = "application/json" if status < 400 else "application/problem+json"
        schema = kinds[kind].get("schema") or kinds["application/json"]["schema"]
        whole = {**schema, "components": self.document["components"]}
        errors = [f"{error.json_path}: {error.message}" for error in Draft202012Validator(whole).iter_errors(body)]
        assert errors == [], f"{method} {template} {status}: {errors[:3]}"
