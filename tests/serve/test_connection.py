"""Clients that go away or are slow, seen from inside: the application as a server calls it."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest

from gtenp.serve.app import create_app
from gtenp.serve.models import Models
from gtenp.serve.options import Options
from gtenp.serve.service import Service

BODY = json.dumps({"input": ["hello"] * 2000}).encode()


class Client:
    """A connection: what the server receives of it, and what it sent."""

    def __init__(self, *messages, last=None):
        self.messages = list(messages)
        self.last = last or asyncio.Event().wait  # what is received when there is no more
        self.sent = []

    async def receive(self):
        return self.messages.pop(0) if self.messages else await self.last()

    async def send(self, message):
        self.sent.append(message)

    async def ask(self, app, path="/v1/embeddings"):
        scope = {
            "type": "http", "method": "POST", "path": path, "raw_path": path.encode(),
            "query_string": b"", "headers": [], "http_version": "1.1", "root_path": "",
        }  # fmt: skip
        await app(scope, self.receive, self.send)


def part(content, *, more):
    return {"type": "http.request", "body": content, "more_body": more}


@pytest.fixture
def service(embedder):
    options = Options(log_format="none", body_seconds=0.05, max_batch_tokens=64)
    models = Models(embedder, None, "tiny", options=options)
    service = Service(options, lambda: models)
    service.serve(models)
    return service


def requests(service, status):
    name = "gtenp_requests_total"
    labels = {"route": "/v1/embeddings", "status": str(status)}
    return service.metrics.registry.get_sample_value(name, labels)


def test_a_client_that_goes_away_while_it_waits_costs_no_more_compute(service):
    batches = []
    first = threading.Event()
    compute = service.batcher._compute

    def seen(lane, items):
        batches.append(len(items))
        first.set()
        return compute(lane, items)

    service.batcher._compute = seen

    async def scenario():
        async def gone():
            while not first.is_set():
                await asyncio.sleep(0.001)
            return {"type": "http.disconnect"}

        await Client(part(BODY, more=False), last=gone).ask(create_app(service))
        await asyncio.sleep(0.1)

    asyncio.run(scenario())
    assert sum(batches) < 200  # of 2,000
    assert requests(service, 499) == 1
    assert service.is_idle


def test_a_client_that_goes_away_in_the_midst_of_its_body_is_no_fault(service, capfd):
    async def gone():
        return {"type": "http.disconnect"}

    async def scenario():
        await Client(part(BODY[:9], more=True), last=gone).ask(create_app(service))

    asyncio.run(scenario())
    assert requests(service, 499) == 1
    assert capfd.readouterr().err == ""


def test_a_body_that_does_not_arrive_is_408_and_takes_no_place_in_the_queue(service):
    async def scenario():
        client = Client(part(BODY[:9], more=True))
        asking = asyncio.create_task(client.ask(create_app(service)))
        await asyncio.sleep(0.01)
        assert service.is_idle
        await asking
        return client.sent

    start, *rest = asyncio.run(scenario())
    assert start["status"] == 408
    error = json.loads(b"".join(message["body"] for message in rest))["error"]
    assert error["message"] == "the body did not arrive in 0.05 seconds"
