"""``gtenp tokenize``: the pieces that a model sees instead of a text."""

from __future__ import annotations

import unicodedata
from itertools import cycle
from typing import TYPE_CHECKING, Any

import click

from gtenp.cli.options import examples, model_option, open_texts, revision_option, texts_argument
from gtenp.cli.streams import echo_json

if TYPE_CHECKING:
    from gtenp.tokenizer import Tokenizer


@click.command(epilog=examples('gtenp tokenize "unbelievable"'))
@texts_argument
@model_option
@revision_option
@click.option("--max-length", type=click.IntRange(min=3), help="Instead of the model's own.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one line a text, for programs.")
def tokenize(
    texts: tuple[str, ...],
    model: str,
    revision: str | None,
    max_length: int | None,
    as_json: bool,
) -> None:
    """Show each text's pieces with their ids and the characters that they stand for.

    Without TEXTS, each line of standard input is one.
    """
    sentences, embedder = open_texts(texts, model, revision)
    tokenizer, limit = embedder.tokenizer, embedder.max_seq_length
    for text in sentences:
        found = describe(tokenizer, text, max_length or limit)
        if as_json:
            echo_json(found)
        else:
            _show(found)


def describe(tokenizer: Tokenizer, text: str, max_length: int) -> dict[str, Any]:
    """The text's tokens, [CLS] and [SEP] among them, and the characters that none stands for."""
    batch = tokenizer(text, return_offsets_mapping=True, truncation=False)
    ids, spans = batch["input_ids"], batch["offset_mapping"]
    kept = len(ids) if len(ids) <= max_length else max_length - 1  # the last place is [SEP]'s
    tokens = [
        {
            "token": token,
            "id": number,
            "start": start,
            "end": end,
            "unknown": number == tokenizer.unk_token_id,
            "kept": place < kept or place == len(ids) - 1,
        }
        for place, (token, number, (start, end)) in enumerate(
            zip(tokenizer.convert_ids_to_tokens(ids), ids, spans, strict=True)
        )
    ]
    covered = {place for start, end in spans for place in range(start, end)}
    dropped = [
        {"start": place, "character": f"U+{ord(char):04X}", "name": unicodedata.name(char, "")}
        for place, char in enumerate(text)
        if place not in covered and not char.isspace()
    ]
    return {"text": text, "max_length": max_length, "tokens": tokens, "dropped": dropped}


def _show(found: dict[str, Any]) -> None:
    text, tokens = found["text"], found["tokens"]
    colours = cycle(("cyan", "yellow"))
    click.echo(
        " ".join(
            click.style(t["token"], fg=next(colours), dim=None if t["kept"] else True)
            for t in tokens
        )
    )
    width = max((len(token["token"]) for token in tokens), default=0)
    for token in tokens:
        source = text[token["start"] : token["end"]]
        place = f"{token['start']:>5}-{token['end']:<5} {source!r}" if source else ""
        note = "not in the vocabulary" if token["unknown"] else ""
        if not token["kept"]:
            note = "cut off"
        line = f"{token['id']:>7}  {token['token']:<{width}}  {place:<20}  {note}".rstrip()
        click.echo(
            click.style(
                line, fg="red" if token["unknown"] else None, dim=None if token["kept"] else True
            )
        )
    for char in found["dropped"]:
        line = f"dropped  {char['start']:>5}  {char['character']} {char['name']}".rstrip()
        click.echo(click.style(line, fg="magenta"))
    cut = sum(not token["kept"] for token in tokens)
    if cut:
        click.echo(
            f"{len(tokens)} tokens, {cut} of them beyond the maximum of {found['max_length']}"
        )
