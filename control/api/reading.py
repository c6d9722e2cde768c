"""How reads answer: one stored thing with its ETag, or a page of them, from one state of the database."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import Response

from control.api.paging import PageWanted
from control.api.preconditions import etag
from control.domain.errors import NotFound
from control.store.resources import Stored
from control.store.unit_of_work import Store


def store_of(request: Request) -> Store:
    """Return the store that the composition root gave to the application."""
    store: Store = request.app.state.store
    return store


Reads = Annotated[Store, Depends(store_of)]


def json_reply(body: object, headers: Mapping[str, str] | None = None) -> Response:
    """Return a reply of plain data."""
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(content, 200, headers, media_type="application/json")


def stored_reply(kind: str, identity: str, found: Stored | None) -> Response:
    """Return one thing; NotFound when there is none."""
    if found is None:
        raise NotFound(kind, identity)
    return json_reply(stored_json(identity, found), {"ETag": etag(found.revision)})


def stored_json(identity: str, found: Stored) -> dict[str, Any]:
    """Return a thing as `Stored` describes it."""
    return {"id": identity, "revision": found.revision, "resource": found.form}


def page_reply(identity: str, found: Sequence[Stored], wanted: PageWanted) -> Response:
    """Return a page of things that were asked for with one more than the limit; `identity` names the field of their id."""
    shown = found[: wanted.limit]
    items = [stored_json(str(each.form[identity]), each) for each in shown]
    following = items[-1]["id"] if len(found) > wanted.limit else None
    return json_reply({"items": items, "next": following})
