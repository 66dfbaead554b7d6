"""What an actor of Ray Data's ``map_batches`` does with a table of texts; docs/scale.md has all."""

import pyarrow as pa
import ray

from gtenp.embedder import Embedder


class EmbedTexts:
    """A table with a column ``text`` -> the same with a float32 [n, H] ``embedding``, a model each.

    For ``map_batches(EmbedTexts, batch_format="pyarrow", …)``; as many threads as the actor's CPUs.
    """

    def __init__(self, name_or_path: str, text: str = "text", embedding: str = "embedding") -> None:
        cpus = ray.get_runtime_context().get_assigned_resources().get("CPU", 1)
        self.embedder = Embedder(name_or_path, threads=max(1, int(cpus)))
        self.text, self.embedding = text, embedding

    def __call__(self, table: pa.Table) -> pa.Table:
        vectors = self.embedder.encode_document(table[self.text])
        column = pa.FixedSizeListArray.from_arrays(vectors.ravel(), vectors.shape[1])
        return table.append_column(self.embedding, column)
