"""What an application imports.

Owns: the Check client, asynchronous and synchronous, with deadline and per-call fallback.
Imported by: applications and `demo`; stands beside the services, never under them.
Invariant: a sidecar that is away is an answer marked as a fallback, not an exception, unless the caller asks for one.
"""

from entitlements.client.aio import AsyncEntitlementClient
from entitlements.client.answer import Answer
from entitlements.client.blocking import EntitlementClient
from entitlements.client.channel import SidecarUnavailable
from entitlements.client.question import BadQuestion, Fallback, Question
from entitlements.client.reply import ReplyPolicy
from entitlements.policy.vocabulary import UNLIMITED, ExplainLevel

__all__ = [
    "UNLIMITED",
    "Answer",
    "AsyncEntitlementClient",
    "BadQuestion",
    "EntitlementClient",
    "ExplainLevel",
    "Fallback",
    "Question",
    "ReplyPolicy",
    "SidecarUnavailable",
]
