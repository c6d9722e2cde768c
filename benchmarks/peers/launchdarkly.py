"""LaunchDarkly's server SDK with its own test data source: evaluation as in production, without its cloud."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ldclient import Config, Context, LDClient
from ldclient.integrations.test_data import TestData

from benchmarks.peers.questionnaire import Ask, Questionnaire

DISTRIBUTIONS: Final = ("launchdarkly-server-sdk",)
NOTE: Final = "plan is sent by the caller; one rule on plan; context built per call; analytics events off"


@contextmanager
def opened(questions: Questionnaire) -> Iterator[Ask]:
    """Give the client one boolean flag per feature."""
    source = TestData.data_source()
    for feature in questions.features:
        flag = source.flag(feature).variations(True, False).off_variation(1).fallthrough_variation(1).on(True)
        source.update(flag.if_match("plan", *questions.plans_with(feature)).then_return(0))
    client = LDClient(Config("sdk-none", update_processor_class=source, send_events=False))
    plan_of = questions.customers

    def ask(customer: str, feature: str) -> bool:
        context = Context.builder(customer).set("plan", plan_of[customer]).build()
        return client.variation(feature, context, False) is True

    try:
        yield ask
    finally:
        client.close()
