"""Text → ``input_ids``: BERT's tokenizer, equal to the Rust one for every text.

A text goes through it from left to right; read the files in that order::

    text ─ added tokens ─► the rest ─ normalize ─► plain text ─ split ─► words ─ WordPiece ─► ids
           added_tokens.py          normalizer.py         pre_tokenizer.py     wordpiece.py

    ids ─ truncate, put [CLS] and [SEP] around, pad ─► rows          batch_encoding.py
    ids ─► text                                                      decoder.py

``bert_pipeline.py`` puts the three in the middle together, ``memory.py`` remembers what they made,
``tokenizer.py`` is the call. The files of a model folder are read in ``files.py``.

The reference is ``tokenizers`` as transformers' ``BertTokenizerFast`` sets it up: its
``AddedVocabulary``, ``BertNormalizer``, ``BertPreTokenizer`` and ``WordPiece``. Its Unicode is not
Python's; what it believes about each character is frozen in ``unicode_tables.py`` and looked up by
``characters.py``.
"""

from gtenp.tokenizer.tokenizer import Tokenizer as Tokenizer
