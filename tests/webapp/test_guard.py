"""The guard: another site's page, or a name that was rebound to this machine, cannot use the app."""

import asyncio

import pytest

from sr_gan_tf.webapp.guard import LocalOnly, refusal

PORT = 7860
HOST = (b"host", b"127.0.0.1:7860")


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", [HOST]),
        ("GET", [(b"host", b"localhost:7860")]),
        ("POST", [HOST, (b"origin", b"http://127.0.0.1:7860"), (b"sec-fetch-site", b"same-origin")]),
        ("GET", [HOST, (b"sec-fetch-site", b"none"), (b"sec-fetch-mode", b"navigate")]),
        # A link on another page leads here: an ordinary visit, which shows that page nothing.
        ("GET", [HOST, (b"sec-fetch-site", b"cross-site"), (b"sec-fetch-mode", b"navigate")]),
    ],
)
def test_own_requests_pass(method, headers):
    assert refusal(method, headers, PORT) is None


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", []),
        ("GET", [(b"host", b"evil.example:7860")]),  # DNS rebinding
        ("GET", [(b"host", b"127.0.0.1:80")]),
        ("GET", [(b"host", b"127.0.0.1:7860.evil.example")]),
        ("GET", [HOST, HOST]),
        ("POST", [HOST, (b"origin", b"https://evil.example")]),
        ("POST", [HOST, (b"origin", b"null")]),
        ("POST", [HOST, (b"origin", b"http://127.0.0.1:9999")]),
        ("GET", [HOST, (b"sec-fetch-site", b"cross-site"), (b"sec-fetch-mode", b"no-cors")]),
        ("POST", [HOST, (b"sec-fetch-site", b"cross-site"), (b"sec-fetch-mode", b"navigate")]),
        ("GET", [HOST, (b"sec-fetch-site", b"same-site"), (b"sec-fetch-mode", b"cors")]),
    ],
)
def test_foreign_requests_are_refused(method, headers):
    assert refusal(method, headers, PORT)


def answer(headers, kind="http"):
    sent, asked = [], []

    async def app(scope, receive, send):
        asked.append(scope)
        allowed = [(b"Access-Control-Allow-Origin", b"*"), (b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": allowed})
        await send({"type": "http.response.body", "body": b"hello"})

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.disconnect"}

    scope = {"type": kind, "method": "POST", "headers": headers}
    asyncio.run(LocalOnly(app, PORT)(scope, receive, send))
    return sent, asked


def test_the_page_may_only_talk_to_its_own_server():
    sent, asked = answer([HOST])
    headers = dict(sent[0]["headers"])
    assert sent[0]["status"] == 200
    assert asked
    assert b"default-src 'self'" in headers[b"content-security-policy"]
    assert b"frame-ancestors 'none'" in headers[b"content-security-policy"]
    # Nobody else may read the answers.
    assert not any(name.lower() == b"access-control-allow-origin" for name in headers)
    assert headers[b"content-type"] == b"text/plain"


def test_a_refused_request_does_not_reach_the_app():
    sent, asked = answer([(b"host", b"evil.example")])
    assert sent[0]["status"] == 403
    assert b"open http://127.0.0.1:7860" in sent[1]["body"]
    assert not asked
    sent, asked = answer([HOST, (b"origin", b"https://evil.example")], "websocket")
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": "the request comes from another site's page"}]
    assert not asked
