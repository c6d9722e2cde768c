"""Every setting of a sidecar, with its sentence. Read once, in `__main__` and in the serving process; handed down in pieces."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from entitlements.policy.ids import ProductId, id_problem
from entitlements.runtime.forms import (
    Address,
    Form,
    address,
    choice,
    duration_ms,
    file_mode,
    listed,
    optional,
    path,
    size_bytes,
    text,
    whole_number,
)
from entitlements.runtime.logs_vocabulary import FORMATS, LEVELS
from entitlements.runtime.settings import SettingsError, reference_page, setting

TRANSPORTS = ("inline", "stock")
FALLBACKS_SECTION = """
## The file of static fallbacks

`ENTITLEMENTS_FALLBACKS` names a JSON file. It answers while records cannot: before the first policy has come, or when a record is damaged. A
feature that is not in it is answered by the caller's own fallback, else denied. Unknown products, unknown fields and duplicate keys stop the
start.

```json
{
  "version": 1,
  "products": {
    "suite": {
      "exports": "allow",
      "audit": "deny",
      "projects": {"verdict": "allow", "value": 3},
      "seats": {"verdict": "allow", "value": "unlimited"}
    }
  }
}
```
"""


def _product(raw: str) -> ProductId:
    problem = id_problem(raw)
    if problem is not None:
        raise ValueError(f"holds a product key that {problem}")
    return ProductId(raw)


def _products(raw: str) -> tuple[ProductId, ...]:
    products = listed(Form(_product, "a product key")).read(raw)
    if not products:
        raise ValueError("is empty")
    return products


def _root_key(raw: str) -> bytes:
    if re.fullmatch(r"[0-9a-f]{64}", raw) is None:
        raise ValueError("holds something else than 64 hexadecimal digits")
    return bytes.fromhex(raw)


def _root_keys(raw: str) -> tuple[bytes, ...]:
    keys = listed(Form(_root_key, "")).read(",".join(raw.split()))
    if not keys:
        raise ValueError("is empty")
    return keys


def _room(raw: str) -> int:
    room = whole_number(0, 100_000_000).read(raw)
    if 0 < room < 1_000:
        raise ValueError("is too small to be of use")
    return room


def _redis_url(raw: str) -> str:
    if re.match(r"(rediss?|unix)://", raw) is None:
        raise ValueError("is not a Redis URL")
    return raw


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarSettings:
    """What a deployment decides about one sidecar. Lengths of time are milliseconds, sizes are bytes."""

    products: tuple[ProductId, ...] = setting(
        "PRODUCTS",
        "The products this sidecar answers for; the first one is meant when a request names none.",
        Form(_products, "product keys separated by commas"),
    )
    root_keys: tuple[bytes, ...] = setting(
        "ROOT_KEYS",
        "The pinned Ed25519 public keys that every policy must be traceable to; nothing else is accepted from Redis, the control plane or the disk.",
        Form(_root_keys, "public keys of 64 hexadecimal digits, separated by commas or new lines"),
        from_file=True,
    )
    socket: Path | None = setting(
        "SOCKET", "The unix socket on which checks are answered.", optional(path()), default=".run/sidecar.sock"
    )
    socket_mode: int = setting(
        "SOCKET_MODE",
        "Access rights of that socket; who may open it may ask about every customer.",
        file_mode(),
        default="0660",
    )
    listen: Address | None = setting(
        "LISTEN",
        "The TCP address on which checks are answered as well; there is no authentication, so keep it on the loopback interface.",
        optional(address()),
        default="127.0.0.1:50051",
    )
    admin: Address = setting(
        "ADMIN",
        "The address of the HTTP pages for probes and metrics: /livez /readyz /startupz /metrics /statusz.",
        address(),
        default="127.0.0.1:9902",
    )
    store_dir: Path = setting(
        "STORE_DIR",
        "The directory of the policy store, which is also the last-known-good copy; it must survive a restart to be of use.",
        path(),
        default=".run/store",
    )
    store_access: str = setting(
        "STORE_ACCESS",
        "Who may map the store read-only beside the sidecar's own user: nobody, or the group, for applications that decide in their own process; see the client's local mode for what that trusts them with.",
        choice("private", "group"),
        default="private",
    )
    store_map_bytes: int = setting(
        "STORE_MAP",
        "The most that one product's store may grow to on disk; plan for three times the policy set, because a new one is written beside the old one.",
        size_bytes(1 << 20, 1 << 40),
        default="1GiB",
    )
    redis_url: str | None = setting(
        "REDIS_URL",
        "Where the policy feed is read; without it, or while it is away, the feed comes from the control plane.",
        optional(Form(_redis_url, "a URL such as rediss://user:password@host:6379/0")),
        default="",
        secret=True,
    )
    control_target: str | None = setting(
        "CONTROL_TARGET",
        "The control plane's gRPC address: snapshots, and the whole feed while Redis is away.",
        optional(text("HOST:PORT or another gRPC target")),
        default="127.0.0.1:50052",
    )
    control_token: str | None = setting(
        "CONTROL_TOKEN",
        "The API key that this sidecar shows to the control plane.",
        optional(text()),
        default="",
        secret=True,
    )
    control_ca: Path | None = setting(
        "CONTROL_CA",
        "A PEM file with the authorities that the control plane's certificate must come from; without it the connection is not encrypted.",
        optional(path()),
        default="",
    )
    fallbacks: Path | None = setting(
        "FALLBACKS",
        "A JSON file with the answers to give, per product and feature, while no policy can be read at all.",
        optional(path()),
        default="",
    )
    decision_cache: int = setting(
        "DECISION_CACHE",
        "How many answers are remembered, each checked against the records and the clock before it is used again; 0 remembers none.",
        whole_number(0, 10_000_000),
        default="10000",
    )
    record_cache: int = setting(
        "RECORD_CACHE",
        "How many decoded records are kept; a record that changed is decoded again.",
        whole_number(16, 10_000_000),
        default="20000",
    )
    threads: int = setting(
        "THREADS",
        "How many threads answer checks with `stock`; more than a few do not help, because one Python process computes on one core.",
        whole_number(1, 64),
        default="4",
    )
    serving_processes: int = setting(
        "SERVING_PROCESSES",
        "How many processes answer checks, about one for each core to spare; a unix socket has one listener, so it leads to the first "
        "process alone, and the others share the TCP address, each connection staying with one of them.",
        whole_number(1, 64),
        default="1",
    )
    max_concurrent: int = setting(
        "MAX_CONCURRENT",
        "How many calls may be in flight at once with `stock`, where the next ones are refused with RESOURCE_EXHAUSTED, and how many may wait for a version.",
        whole_number(1, 100_000),
        default="256",
    )
    min_version_wait_ms: int = setting(
        "MIN_VERSION_WAIT",
        "The longest that a call with `min_version` waits for the store to reach it, if its own deadline is not shorter.",
        duration_ms(0, 60_000),
        default="2s",
    )
    working_set: int = setting(
        "WORKING_SET",
        "The most customers of one product that are held, those asked about lately; 0 holds all of them. For policy sets larger than the pod.",
        Form(_room, "0, or a number from 1000"),
        default="0",
    )
    working_set_wait_ms: int = setting(
        "WORKING_SET_WAIT",
        "The longest that a call waits for a customer that is not held, if its own deadline is not shorter; then fallbacks answer.",
        duration_ms(0, 60_000),
        default="1s",
    )
    drain_ms: int = setting(
        "DRAIN",
        "How long calls in flight may take to end after SIGTERM.",
        duration_ms(0, 600_000),
        default="10s",
    )
    log_level: str = setting("LOG_LEVEL", "The least level that is logged.", choice(*LEVELS), default="info")
    log_format: str = setting(
        "LOG_FORMAT", "JSON objects for machines or aligned text for a terminal.", choice(*FORMATS), default="json"
    )
    sidecar_id: str | None = setting(
        "SIDECAR_ID",
        "The name under which the control plane lists this sidecar; the host's name unless given.",
        optional(text("1 to 64 letters, digits, dots, hyphens or underscores")),
        default="",
    )
    transport: str = setting(
        "TRANSPORT",
        "What carries the calls: `inline` answers in the thread that reads, several times faster; `stock` is gRPC's own server, used also where `inline` is not possible.",
        choice(*TRANSPORTS),
        default="inline",
    )
    tls_certificate: Path | None = setting(
        "TLS_CERT",
        "A PEM file with the certificate chain for the TCP address of checks; with it, that address speaks TLS. The unix socket never does.",
        optional(path()),
        default="",
    )
    tls_key: Path | None = setting(
        "TLS_KEY", "The PEM file of that certificate's private key, without a password.", optional(path()), default=""
    )
    tls_client_ca: Path | None = setting(
        "TLS_CLIENT_CA",
        "A PEM file with the authorities that a caller's own certificate must come from; with it, callers without one are refused.",
        optional(path()),
        default="",
    )

    def __post_init__(self) -> None:
        """Refuse what fits together badly; SettingsError names the setting and the remedy."""
        if self.serving_processes > 1 and (self.listen is None or self.listen.port == 0):
            raise SettingsError(
                "ENTITLEMENTS_SERVING_PROCESSES",
                "is more than 1, but there is no TCP port for the processes to share",
                "set ENTITLEMENTS_LISTEN to HOST:PORT with a port of your choice, or leave it at 1",
            )

    @property
    def default_product(self) -> ProductId:
        """Return the product that a request means when it names none."""
        return self.products[0]


def pages() -> dict[str, str]:
    """Return the reference page of the sidecar's settings (path below the repository's root -> text)."""
    opening = (
        "All settings of `entitlements sidecar` are environment variables. They are read once, at start; an unknown value stops the start\n"
        "with a message that names the variable and what to write. This page is made from the declarations in `sidecar/settings.py`."
    )
    page = reference_page(SidecarSettings, "Settings of the sidecar", opening)
    return {"docs/reference/config-sidecar.md": page + FALLBACKS_SECTION}
