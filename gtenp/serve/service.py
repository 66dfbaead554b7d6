"""What the requests of one server share: its models, its queue, its state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gtenp.serve.batcher import Batcher
from gtenp.serve.metrics import Metrics
from gtenp.serve.models import Models
from gtenp.serve.problem import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gtenp.serve.options import Options
    from gtenp.serve.route import Route
    from gtenp.serve.schema import Schema


class Service:
    """Not ready until the models are loaded, and again when it drains: when it is about to end."""

    def __init__(self, options: Options, load: Callable[[], Models]) -> None:
        self.options = options
        self.metrics = Metrics()
        self.models: Models | None = None
        self.batcher: Batcher | None = None
        self.draining = False
        self.failure: Exception | None = None  # why the models could not be loaded
        self._load = load
        self._schemas: dict[Route, Schema] = {}

    def load(self) -> None:
        """Load the models; what hinders it is kept as ``failure``."""
        try:
            self.serve(self._load())
        except Exception as error:
            self.failure = error

    def serve(self, models: Models) -> None:
        """Be ready, with these models."""
        self.batcher = Batcher(
            models.compute,
            max_tokens=models.max_batch_tokens,
            max_requests=self.options.max_concurrent,
            on_batch=self.metrics.batch,
            on_queue=self.metrics.queue_requests.set,
        )
        self.models = models

    @property
    def is_ready(self) -> bool:
        """Whether requests are answered."""
        return self.models is not None and not self.draining

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way."""
        return self.batcher is None or self.batcher.admitted == 0

    def ready(self) -> tuple[Models, Batcher]:
        """The models and the queue; RequestError while there are none yet, or none any more."""
        if self.draining:
            raise RequestError("unavailable", "the server is about to end")
        if self.models is None or self.batcher is None:
            raise RequestError("unavailable", "the model is being loaded; try again in a second")
        return self.models, self.batcher

    def schema(self, route: Route) -> Schema:
        """What a route's body is checked by; made once, for it names the model's prompts."""
        if route not in self._schemas:
            assert self.models is not None
            assert route.body is not None
            self._schemas[route] = route.body(self.models)
        return self._schemas[route]
