"""flagd's in-process provider under the OpenFeature SDK, from an offline file."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from openfeature import api
from openfeature.contrib.provider.flagd import FlagdProvider
from openfeature.contrib.provider.flagd.config import ResolverType
from openfeature.evaluation_context import EvaluationContext

from benchmarks.peers.questionnaire import Ask, Questionnaire

DISTRIBUTIONS: Final = ("openfeature-sdk", "openfeature-provider-flagd")
NOTE: Final = "plan is sent by the caller; JSONLogic `in` on plan; evaluation context built per call; offline file"


@contextmanager
def opened(questions: Questionnaire) -> Iterator[Ask]:
    """Write the flags, start the provider, wait for it: until it has read them it answers every question with the default."""
    flags = {
        feature: {
            "state": "ENABLED",
            "variants": {"on": True, "off": False},
            "defaultVariant": "off",
            "targeting": {"if": [{"in": [{"var": "plan"}, questions.plans_with(feature)]}, "on", "off"]},
        }
        for feature in questions.features
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flags.json"
        path.write_text(json.dumps({"flags": flags}), encoding="utf-8")
        api.set_provider_and_wait(FlagdProvider(resolver_type=ResolverType.FILE, offline_flag_source_path=str(path)))
        client = api.get_client()
        plan_of = questions.customers

        def ask(customer: str, feature: str) -> bool:
            context = EvaluationContext(customer, {"plan": plan_of[customer]})
            return client.get_boolean_value(feature, False, context) is True

        try:
            yield ask
        finally:
            api.shutdown()
