"""A job that test_ray.py kills: python ray_job.py MODEL FOLDER. Its first actor dies of itself."""

import os
import signal
import sys
import time
from pathlib import Path

import pyarrow as pa
import ray
from ray.data.checkpoint import CheckpointConfig

from gtenp.integrations.ray import EmbedTexts


class Mortal(EmbedTexts):
    """Slow, and one of all actors that there ever are is killed at its second batch."""

    def __init__(self, name_or_path: str, folder: str) -> None:
        super().__init__(name_or_path)
        self.folder = Path(folder)
        self.batches = 0

    def __call__(self, table: pa.Table) -> pa.Table:
        self.batches += 1
        time.sleep(0.2)
        if self.batches == 2:
            try:
                (self.folder / "killed").touch(exist_ok=False)
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        (self.folder / f"actor-{os.getpid()}").touch()
        return super().__call__(table)


model, folder = sys.argv[1:]
ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False)  # as if there were so many
context = ray.data.DataContext.get_current()
context.checkpoint_config = CheckpointConfig("id", f"{folder}/checkpoint")
context.target_min_block_size = 1  # a block a file, though they are small
context.target_max_block_size = 2000
texts = ray.data.read_parquet(f"{folder}/texts")
vectors = texts.map_batches(
    Mortal,
    fn_constructor_kwargs={"name_or_path": model, "folder": folder},
    compute=ray.data.ActorPoolStrategy(size=2),
    num_cpus=1,
    batch_format="pyarrow",
)
vectors.write_parquet(f"{folder}/vectors")
