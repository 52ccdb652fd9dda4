"""Restricts the app to browser pages from this machine.

The server listens on 127.0.0.1, but any website can make a browser send requests to it. Two checks prevent that: the
`Host` header must be the app's own (a site that rebinds its name to 127.0.0.1 sends that name), and a request from
another site's page must be an ordinary navigation. See https://fetch.spec.whatwg.org/#origin-header and
https://w3c.github.io/webappsec-fetch-metadata/.
"""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; connect-src 'self' data: blob:; object-src 'none'; base-uri 'self'; "
    "frame-ancestors 'none'; form-action 'self'"
)
_ADDED = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_REPLACED = {b"access-control-allow-origin", b"access-control-allow-credentials", *(name for name, _ in _ADDED)}


def own_hosts(port: int) -> set[str]:
    """The values of the Host header that refer to the app itself."""
    return {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}


def refusal(method: str, headers: Iterable[tuple[bytes, bytes]], port: int) -> str | None:
    """Returns why a request is refused, or None if it is allowed.

    Args:
        method: of the request, e.g. "GET".
        headers: lowercase raw names, and values, as in ASGI.
        port: the app's own.
    """
    values: dict[bytes, list[str]] = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(value.decode("latin-1"))
    hosts = values.get(b"host", [])
    if len(hosts) != 1 or hosts[0].lower() not in own_hosts(port):
        return "the Host header is not this app's"
    for origin in values.get(b"origin", []):
        if origin.lower() not in {f"http://{host}" for host in own_hosts(port)}:
            return "the request comes from another site's page"
    for site in values.get(b"sec-fetch-site", []):
        visit = method == "GET" and values.get(b"sec-fetch-mode") == ["navigate"]
        if site not in ("same-origin", "none") and not visit:
            return "the request comes from another site's page"
    return None


class LocalOnly:
    """ASGI middleware that refuses foreign requests and adds headers that restrict the page to its own server.

    Args:
        app: the wrapped ASGI application.
        port: the port on which the app listens.
    """

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], port: int):
        self.app, self.port = app, port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or responds with 403."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        reason = refusal(scope.get("method", "GET"), scope["headers"], self.port)
        if reason is None:
            await self.app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
        else:
            body = f"refused: {reason}; open http://127.0.0.1:{self.port} in the browser\n".encode()
            headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": body})


def _with_headers(send: Send) -> Send:
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            kept = [(name, value) for name, value in message.get("headers", []) if name.lower() not in _REPLACED]
            message = {**message, "headers": [*kept, *_ADDED]}
        await send(message)

    return sending
