"""What an application imports.

Owns: the Check client, asynchronous and synchronous, with deadline and per-call fallback; deciding in the application's own process.
Imported by: applications and `demo`; stands beside the services, never under them.
Invariant: a sidecar that is away is an answer marked as a fallback, not an exception, unless the caller asks for one.
"""

from entitlements.client.aio import AsyncEntitlementClient
from entitlements.client.answer import Answer
from entitlements.client.blocking import EntitlementClient
from entitlements.client.channel import SidecarUnavailable
from entitlements.client.figures import LocalFigures
from entitlements.client.local import LocalEntitlementClient
from entitlements.client.local_aio import AsyncLocalEntitlementClient
from entitlements.client.opening import open_async_client, open_client
from entitlements.client.question import BadQuestion, Fallback, Question
from entitlements.client.reply import ReplyPolicy
from entitlements.policy.vocabulary import UNLIMITED, ExplainLevel

__all__ = [
    "UNLIMITED",
    "Answer",
    "AsyncEntitlementClient",
    "AsyncLocalEntitlementClient",
    "BadQuestion",
    "EntitlementClient",
    "ExplainLevel",
    "Fallback",
    "LocalEntitlementClient",
    "LocalFigures",
    "Question",
    "ReplyPolicy",
    "SidecarUnavailable",
    "open_async_client",
    "open_client",
]
