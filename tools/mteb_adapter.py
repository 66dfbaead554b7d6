"""gtenp as a model of mteb, the Massive Text Embedding Benchmark.

usage: python tools/mteb_adapter.py MODEL TASK...

prints the main score of each task, by its name in mteb: STSBenchmark, SciFact, ... Elsewhere:

    mteb.evaluate(GtenpEncoder("all-MiniLM-L6-v2"), mteb.get_tasks(tasks=["STSBenchmark"]))

`make mteb` tests it, and leaves an environment that has mteb: .venv-parity (Python 3.11 or newer).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import mteb
from mteb.models import ModelMeta
from mteb.models.abs_encoder import AbsEncoder, get_prompt
from mteb.types import PromptType

from gtenp import Embedder
from gtenp.model_files.names import SHORT_NAMES

if TYPE_CHECKING:
    import numpy as np
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.types import BatchedInput
    from torch.utils.data import DataLoader


class GtenpEncoder(AbsEncoder):
    """An Embedder for mteb; its scores are those of sentence-transformers.

    ``model_prompts`` replace the model's own prompts. Their names are mteb's: a task's name or
    type, "query" or "document", or both as in "SciFact-query"; the most specific wins.
    """

    def __init__(
        self,
        model_name: str,
        revision: str | None = None,
        device: str | None = None,
        model_prompts: dict[str, str] | None = None,
    ) -> None:
        if device not in (None, "cpu"):
            raise ValueError(f"device: {device!r}; gtenp computes on the CPU")
        self.model = Embedder(model_name, revision=revision)
        self.model.prompts = model_prompts or self.model.prompts
        # Of names that are not mteb's, such as "passage", encode_document knows what to make.
        self.model_prompts, _ = self.validate_task_to_prompt_name(
            self.model.prompts, raise_for_invalid_keys=False
        )
        # No similarity_fn_name: mteb then asks the model, which has two more than mteb computes.
        self.mteb_model_meta = ModelMeta.create_empty(
            {
                "loader": type(self),
                "name": SHORT_NAMES.get(model_name, model_name),
                "revision": revision,
                "max_tokens": self.model.max_seq_length,
                "embed_dim": self.model.get_embedding_dimension(),
                "framework": ["NumPy", "safetensors"],
            }
        )

    def encode(
        self,
        inputs: DataLoader[BatchedInput],
        *,
        task_metadata: TaskMetadata,
        hf_split: str,  # noqa: ARG002
        hf_subset: str,  # noqa: ARG002
        prompt_type: PromptType | None = None,
        **options: Any,
    ) -> np.ndarray:
        """Texts in batches -> float32 [n, H], with the prompt that mteb chooses for the task."""
        encode = {
            None: self.model.encode,
            PromptType.query: self.model.encode_query,
            PromptType.document: self.model.encode_document,
        }[prompt_type]
        texts = [text for batch in inputs for text in batch["text"]]
        prompt = get_prompt(self.model_prompts, task_metadata, prompt_type)
        return encode(texts, prompt=prompt, **options)


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    model, *tasks = sys.argv[1:]
    results = mteb.evaluate(GtenpEncoder(model), mteb.get_tasks(tasks=tasks), cache=None)
    for result in results:
        print(f"{result.task_name}  {result.get_score() * 100:.2f}")


if __name__ == "__main__":
    main()
