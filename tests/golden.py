"""Reading the golden files that tools/make_goldens.py wrote."""

from __future__ import annotations

import json

import numpy as np
from places import DATA
from safetensors import safe_open

# What `make test` asserts: float32 against transformers' float32, float64 against torch's.
HIDDEN_TOLERANCE = 2e-5
EMBEDDING_TOLERANCE = 1e-6
FLOAT64_TOLERANCE = 1e-10


class Golden:
    """One golden file: its arrays by name, and the facts in its metadata."""

    def __init__(self, name: str) -> None:
        path = DATA / f"{name}.safetensors"
        with safe_open(path, framework="np") as file:
            self.arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            metadata = file.metadata()
        self.made_by = metadata.pop("made_by")
        self.facts = {key: json.loads(value) for key, value in metadata.items()}

    def sequences(self, prefix: str = "") -> list[list[int]]:
        """The token ids, one list a text; ``prefix`` is that of their names."""
        cuts = np.cumsum(self.arrays[f"{prefix}lengths"])[:-1]
        return [ids.tolist() for ids in np.split(self.arrays[f"{prefix}input_ids"], cuts)]
