"""A map of a file that `gtenp embed` wrote. Not of the extra, for its numba and umap are large:
`pip install embedding-atlas` in .venv-integrations.
"""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("embedding_atlas")
parquet = pytest.importorskip("pyarrow.parquet")


@pytest.mark.usefixtures("minilm")
def test_embedding_atlas_maps_the_vectors_of_a_parquet_file(tmp_path):
    texts = [f"{colour} {thing} {i}" for i in range(10) for colour in ("red", "green", "sorting")
             for thing in ("car", "dog", "algorithm")]  # fmt: skip
    (tmp_path / "texts.txt").write_text("\n".join(texts) + "\n")

    def run(*command):
        done = subprocess.run(
            [*map(str, command)], cwd=tmp_path, capture_output=True, text=True, check=False,
            timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    model = ("--model", "all-MiniLM-L6-v2")
    run(sys.executable, "-m", "gtenp", "embed", "texts.txt", "-o", "texts.parquet", *model)
    atlas = Path(sys.executable).with_name("embedding-atlas")
    options = ("--text", "text", "--vector", "embedding", "--export-application", "map.zip")
    run(atlas, "texts.parquet", *options)
    content = zipfile.ZipFile(tmp_path / "map.zip").read("data/dataset.parquet")
    table = parquet.read_table(io.BytesIO(content))
    assert table["text"].to_pylist() == texts
    assert {"projection_x", "projection_y"} <= {name.strip("_") for name in table.column_names}
