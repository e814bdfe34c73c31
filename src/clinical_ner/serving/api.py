"""The HTTP API as one ASGI application: every request, whatever becomes of it, gets one answer of one shape.

It stands before BentoML's own routes and leaves them nothing: those cost a millisecond of processor time a request,
log what fails to validate, and have error shapes of their own.
"""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus

from starlette.types import Receive, Scope, Send

from clinical_ner.serving import metrics, problems, routes
from clinical_ner.serving.access import KeyNeeded, LocalUse
from clinical_ner.serving.endpoints import Endpoints
from clinical_ner.serving.exchange import DisconnectedError, Exchange, Headers, Reply, dump
from clinical_ner.serving.logs import FIELDS, logger
from clinical_ner.serving.problems import RefusedError
from clinical_ner.serving.routes import PROBES, Route
from clinical_ner.serving.settings import Settings

RETRY_SECONDS = b"1"
CHALLENGE = b'Bearer realm="clinical-ner"'
CHALLENGE_OF_PAGES = b'Basic realm="clinical-ner: any user, the API key as password", charset="UTF-8"'
UNMATCHED = "unmatched"
READY = "ready"
UNREAD_BYTES = 65_536  # that are taken and dropped of a body that is refused; more is not worth a connection
GONE = 499  # in logs and metrics: the client left before it had an answer
QUIET = PROBES | {"/metrics"}  # not logged, and answered however much is in hand
SAFE: Headers = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
Methods = frozenset[str]  # those of a path, where the request's method is none of them


class Api:
    """The routes of `routes.ROUTES`, behind the gate."""

    def __init__(self, settings: Settings, gate: KeyNeeded | LocalUse, endpoints: Endpoints) -> None:
        self._settings = settings
        self._gate = gate
        self._handlers = {route.name: getattr(endpoints, route.name) for route in routes.ROUTES}
        self._version = endpoints.version
        self._in_hand = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return await send({"type": "websocket.close"})  # there is none
        start = time.perf_counter()
        exchange = Exchange(scope, receive)
        route = routes.find(exchange.method, exchange.path)
        try:
            reply = await self._reply(route, exchange)
        except DisconnectedError:
            reply = Reply(GONE, b"")
        else:
            await self._send(send, exchange, reply)
        self._note(route, exchange, reply, time.perf_counter() - start)
        return None

    # --- from a request to its answer -----------------------------------------------------------
    async def _reply(self, route: Route | Methods, exchange: Exchange) -> Reply:
        try:
            return await self._answer(route, exchange)
        except RefusedError as refused:
            return self._refusal(refused, route, exchange)
        except DisconnectedError:
            raise
        except Exception:
            fields = {"http.request.id": exchange.request_id, "url.path": _path(route)}
            logger.error("a request failed", exc_info=True, extra={FIELDS: fields})
            return self._refusal(RefusedError(problems.INTERNAL), route, exchange)

    async def _answer(self, route: Route | Methods, exchange: Exchange) -> Reply:
        """The answer of the route's own function, if the request may have it."""
        if isinstance(route, Route) and route.is_open:
            if route.name == READY:
                self._gate.check()
            return await self._handle(route, exchange)
        role = route.role if isinstance(route, Route) else None
        self._gate.authorise(exchange, role)
        if not isinstance(route, Route):
            raise RefusedError(problems.NOT_ALLOWED if route else problems.NOT_FOUND)
        if self._in_hand >= self._settings.max_concurrent and route.path not in QUIET:
            raise RefusedError(problems.BUSY)
        self._take_in_hand(1)
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                return await self._handle(route, exchange)
        except TimeoutError:
            slow = bool(route.takes) and not exchange.complete
            raise RefusedError(problems.TOO_SLOW if slow else problems.TIMEOUT) from None
        finally:
            self._take_in_hand(-1)

    def _take_in_hand(self, more: int) -> None:
        self._in_hand += more
        metrics.IN_HAND.set(self._in_hand)

    async def _handle(self, route: Route, exchange: Exchange) -> Reply:
        reply: Reply = await self._handlers[route.name](exchange)
        return reply

    def _refusal(self, refused: RefusedError, route: Route | Methods, exchange: Exchange) -> Reply:
        problem = refused.problem
        content = dump(problems.body(problem, refused.details, exchange.request_id, self._version))
        return Reply(problem.status, content, headers=_advice(problem.status, route), problem=problem)

    async def _send(self, send: Send, exchange: Exchange, reply: Reply) -> None:
        headers = [
            (b"content-type", reply.media_type.encode()),
            (b"content-length", str(len(reply.content)).encode()),
            (b"x-request-id", exchange.request_id.encode()),
            (b"x-model-version", self._version.encode()),
            *SAFE,
            *reply.headers,
            *_closing(reply.status, exchange),
        ]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.content})

    def _note(self, route: Route | Methods, exchange: Exchange, reply: Reply, seconds: float) -> None:
        """Count the request, and log it."""
        path = _path(route)
        method = route.method if isinstance(route, Route) else UNMATCHED
        metrics.count_request(path, method, reply.status, seconds)
        if reply.problem:
            metrics.REJECTS.labels(path, reply.problem.code).inc()
        if self._settings.log_requests and path not in QUIET:
            client_ip = exchange.client_ip
            fields = {
                "event.dataset": "clinical-ner.requests",
                "http.request.id": exchange.request_id,
                "http.request.method": method,
                "url.path": path,
                "http.response.status_code": reply.status,
                "event.duration": int(seconds * 1e9),
                **({"client.ip": client_ip} if client_ip else {}),
                **({"user.id": exchange.key.id} if exchange.key else {}),
                **({"error.code": reply.problem.code} if reply.problem else {}),
            }
            logger.info("%s %s %d", method, path, reply.status, extra={FIELDS: fields})


def _path(route: Route | Methods) -> str:
    """What may be logged of a path: the route's own, never the one asked for."""
    return route.path if isinstance(route, Route) else UNMATCHED


def _closing(status: int, exchange: Exchange) -> Headers:
    """The header that ends a connection on which somebody who may do nothing goes on sending."""
    refused = status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    return ((b"connection", b"close"),) if refused and exchange.leaves_unread(UNREAD_BYTES) else ()


def _advice(status: int, route: Route | Methods) -> Headers:
    """The headers that HTTP wants of an answer with this status."""
    if status == HTTPStatus.UNAUTHORIZED:
        is_page = isinstance(route, Route) and route.name == "page"  # a browser then asks for the key by itself
        return ((b"www-authenticate", CHALLENGE_OF_PAGES if is_page else CHALLENGE),)
    if status == HTTPStatus.METHOD_NOT_ALLOWED and not isinstance(route, Route):
        return ((b"allow", ", ".join(sorted(route)).encode()),)
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        return ((b"retry-after", RETRY_SECONDS),)
    return ()
