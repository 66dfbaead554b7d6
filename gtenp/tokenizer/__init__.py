"""Text → ``input_ids``: BERT's tokenizer, sentencepiece's and byte-level BPE, equal to the Rust
ones for any text.

A text goes through BERT's from left to right; read the files in that order::

    text ─ added tokens ─► the rest ─ normalize ─► plain text ─ split ─► words ─ WordPiece ─► ids
           added_tokens.py          normalizer.py         pre_tokenizer.py     wordpiece.py

    ids ─ truncate, put [CLS] and [SEP] around, pad ─► rows          batch_encoding.py, template.py
    ids ─► text                                                      decoder.py

``bert_pipeline.py`` puts the three in the middle together, ``memory.py`` remembers what they made,
``tokenizer.py`` is the call. The files of a model folder are read in ``files.py``.

XLM-R's tokenizer, and what else is made with sentencepiece, has others in the middle::

    the rest ─ normalize ─► plain text ─ split at spaces, write them as ▁ ─► words ─ Unigram ─► ids
               precompiled.py            metaspace.py                                unigram.py
               unicode_forms.py, edits.py

    ids ─► text                                                      sentencepiece_decoder.py

RoBERTa's, and what else cuts bytes, has these::

    the rest ─ normalize ─► plain text ─ split by a pattern ─► words ─ as bytes ─► BPE ─► ids
               unicode_forms.py, edits.py  split.py, patterns.py      byte_level.py  bpe.py

Which of them a model has, and in what order, its tokenizer.json or its class says: ``stages.py``.
``pipeline.py`` puts them together. ``graphemes.py`` cuts a text into what a reader takes for single
characters, ``origins.py`` counts whence each character comes, ``sentencepiece.py`` reads a model's
pieces from the file that sentencepiece itself writes. A BERT model loads none of these.

The reference is ``tokenizers`` as transformers' classes set it up: its ``AddedVocabulary``, its
``BertNormalizer``, ``BertPreTokenizer`` and ``WordPiece``, its ``Precompiled``, ``Metaspace`` and
``Unigram``, its ``Split``, ``ByteLevel`` and ``BPE``. Its Unicode is not Python's; what it believes
about each character is frozen in ``unicode_tables.py`` and looked up by ``characters.py``.
"""

from gtenp.tokenizer.tokenizer import Tokenizer as Tokenizer
