"""Lists, page by page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from werkzeug import Request

from tests.ops_manager.problems import Problem
from tests.ops_manager.settings import Switches

T = TypeVar("T")


@dataclass
class Listing(Generic[T]):
    """All there is, and how one of them is shown; only those of the page are."""

    items: Sequence[T]
    show: Callable[[T], dict[str, Any]]


def page(listing: Listing[Any], request: Request, switches: Switches, base_url: str) -> dict[str, Any]:
    """Return the page that was asked for."""
    number = _number(request, "pageNum", 1)
    size = _number(request, "itemsPerPage", min(100, switches.max_items_per_page))
    if size > switches.max_items_per_page:
        if switches.large_page == "refuse":
            raise Problem("INVALID_QUERY_PARAMETER", f"itemsPerPage is at most {switches.max_items_per_page}.")
        size = switches.max_items_per_page
    total = len(listing.items)
    first = (number - 1) * size
    found: dict[str, Any] = {
        "links": [_link("self", request, number, size, base_url)],
        "results": [listing.show(item) for item in listing.items[first : first + size]],
    }
    if not switches.list_links:
        del found["links"]
    else:
        if number > 1:
            found["links"].append(_link("previous", request, number - 1, size, base_url))
        if first + size < total:
            found["links"].append(_link("next", request, number + 1, size, base_url))
    if switches.list_count and request.args.get("includeCount", "true") != "false":
        found["totalCount"] = total
    return found


def _number(request: Request, name: str, default: int) -> int:
    text = request.args.get(name, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise Problem("INVALID_QUERY_PARAMETER", f"{name} has to be a number from 1 on.")
    return int(text)


def _link(name: str, request: Request, number: int, size: int, base_url: str) -> dict[str, str]:
    query = [(key, value) for key, value in request.args.items(multi=True) if key not in ("pageNum", "itemsPerPage")]
    query += [("pageNum", str(number)), ("itemsPerPage", str(size))]
    return {"rel": name, "href": f"{base_url}{request.path}?{urlencode(query)}"}
