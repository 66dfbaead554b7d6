"""Each layer's error against the float64 reference, gtenp's and torch's, both at float32.

usage: python tools/bench/exactness.py MODEL_FOLDER TEXTS

Prints JSON. Nothing is timed here, so both are in one process.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from batches import load
from onnx_graphs import load_bert

from gtenp import BertModel, reference
from gtenp.model_files.checkpoint import astype
from gtenp.model_files.model import load_weights, read_config


def main(folder: Path, texts: Path) -> dict[str, dict[str, list[float]]]:
    """Over the texts named "check": runtime -> the largest and the root mean square error,
    each of the L + 1 hidden states.
    """
    config = read_config(folder)
    weights = astype(load_weights(folder, config), np.float64)
    ours, theirs = BertModel.from_pretrained(folder), load_bert(folder, "sdpa")
    largest: dict[str, list] = {"gtenp": [], "torch": []}
    squares: dict[str, list] = {"gtenp": [], "torch": []}
    tokens = 0
    for _, ids in load(texts)["check"]:
        exact = np.stack(reference.forward(weights, config, np.array(ids)).hidden_states)
        with torch.inference_mode():
            output = theirs(input_ids=torch.tensor([ids]), output_hidden_states=True)
        found = {
            "gtenp": ours(input_ids=[ids], output_hidden_states=True).hidden_states,
            "torch": [state.numpy() for state in output.hidden_states],
        }
        tokens += len(ids)
        for name, states in found.items():
            error = np.concatenate(states) - exact
            largest[name].append(np.abs(error).max(axis=(1, 2)))
            squares[name].append((error * error).sum(axis=(1, 2)))
    return {
        name: {
            "max": np.max(largest[name], axis=0).tolist(),
            "rms": np.sqrt(np.sum(squares[name], axis=0) / tokens / config.hidden_size).tolist(),
        }
        for name in found
    }


if __name__ == "__main__":
    print(json.dumps(main(*map(Path, sys.argv[1:]))))
