"""Errors of requests as application/problem+json (RFC 9457)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from http import HTTPStatus

from aiohttp import web

from ticker import answers
from ticker.answers import ProblemAnswer
from ticker.edge import query
from ticker.edge.admission import retry_after
from ticker.edge.packed import NotAcceptable
from ticker.rates.model import Pair
from ticker.wire import BadFrame

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Problem(Exception):
    """Ends a request with this status, detail and headers."""

    def __init__(self, status: int, detail: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers or {}


def away(detail: str) -> Problem:
    """Something is not available yet: 503, and when to try again."""
    return Problem(503, detail, headers={"Retry-After": str(retry_after())})


def parameters(request: web.Request, route: str) -> dict[str, str]:
    """The parameters of a request. Raises BadFrame if the route does not know one of their names."""
    return query.read(request.rel_url.raw_query_string, route)


def symbol_of(request: web.Request, served: Collection[Pair]) -> Pair:
    """The symbol in a request's path. Raises Problem if it is not served."""
    try:
        symbol = Pair.parse(request.match_info["symbol"])
    except ValueError as error:
        raise Problem(400, str(error)) from None
    if symbol not in served:
        raise Problem(404, f"{symbol} is not served here")
    return symbol


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error of a handler into an answer."""
    try:
        return await handler(request)
    except Problem as problem:
        status, detail, headers = problem.status, problem.detail, problem.headers
    except BadFrame as error:
        status, detail, headers = 400, str(error), {}
    except NotAcceptable as error:
        status, detail, headers = 406, str(error), {"Vary": "Accept-Encoding"}
    except web.HTTPException as error:
        status, detail, headers = error.status, f"{request.method} {request.path}", {}
        if allow := error.headers.get("Allow"):
            headers = {"Allow": allow}
    answer = ProblemAnswer(title=HTTPStatus(status).phrase, status=status, detail=detail)
    kind = "application/problem+json"
    return web.Response(text=answers.encode(answer), status=status, content_type=kind, headers=headers)
