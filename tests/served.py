"""``gtenp serve``, as the tests ask it."""

import contextlib
import json
import time
import urllib.error
import urllib.request


def wait_until_ready(url):
    """Until requests are answered."""
    for _ in range(300):
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{url}/readyz", timeout=5)
            return
        time.sleep(0.05)
    raise AssertionError("the server did not become ready")


def post(url, path, body, **headers):
    """Status and body of a reply."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url + path, content, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or "null")
