"""What the folders of well-known embedding models say, and the forms that folders come in.

Of each published model: config.json's keys that matter, the sentence-transformers files, the dtype
of the weights. ``build.py`` writes a folder of the same form from them, smaller.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

_BERT: dict[str, Any] = {
    "architectures": ["BertModel"],
    "attention_probs_dropout_prob": 0.1,
    "classifier_dropout": None,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 512,
    "model_type": "bert",
    "pad_token_id": 0,
    "position_embedding_type": "absolute",
    "type_vocab_size": 2,
    "use_cache": True,
    "vocab_size": 30522,
}


def bert(hidden_size: int, layers: int, **changes: Any) -> dict[str, Any]:
    sizes = {
        "hidden_size": hidden_size,
        "intermediate_size": 4 * hidden_size,
        "num_attention_heads": 16 if hidden_size == 1024 else 12,
        "num_hidden_layers": layers,
    }
    return {**_BERT, **sizes, **changes}


def distilbert(layers: int = 6, **changes: Any) -> dict[str, Any]:
    return {
        "activation": "gelu",
        "architectures": ["DistilBertModel"],
        "dim": 768,
        "hidden_dim": 3072,
        "max_position_embeddings": 512,
        "model_type": "distilbert",
        "n_heads": 12,
        "n_layers": layers,
        "pad_token_id": 0,
        "sinusoidal_pos_embds": False,
        "tie_weights_": True,
        "vocab_size": 30522,
        **changes,
    }


def xlm_roberta(hidden_size: int, layers: int, **changes: Any) -> dict[str, Any]:
    sizes = {"max_position_embeddings": 514, "type_vocab_size": 1, "vocab_size": 250002}
    tokens = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "layer_norm_eps": 1e-5}
    family = {"model_type": "xlm-roberta", "architectures": ["XLMRobertaModel"]}
    return {**bert(hidden_size, layers), **sizes, **tokens, **family, **changes}


def mpnet(**changes: Any) -> dict[str, Any]:
    return {
        "architectures": ["MPNetForMaskedLM"],
        "bos_token_id": 0,
        "eos_token_id": 2,
        "hidden_act": "gelu",
        "hidden_size": 768,
        "intermediate_size": 3072,
        "layer_norm_eps": 1e-5,
        "max_position_embeddings": 514,
        "model_type": "mpnet",
        "num_attention_heads": 12,
        "num_hidden_layers": 12,
        "pad_token_id": 1,
        "relative_attention_num_buckets": 32,
        "vocab_size": 30527,
        **changes,
    }


def t5(size: int, layers: int, **changes: Any) -> dict[str, Any]:
    return {
        "architectures": ["T5EncoderModel"],
        "d_ff": 4 * size,
        "d_kv": 64,
        "d_model": size,
        "eos_token_id": 1,
        "feed_forward_proj": "relu",
        "is_encoder_decoder": True,
        "layer_norm_epsilon": 1e-6,
        "model_type": "t5",
        "num_heads": size // 64,
        "num_layers": layers,
        "pad_token_id": 0,
        "relative_attention_max_distance": 128,
        "relative_attention_num_buckets": 32,
        "vocab_size": 32128,
        **changes,
    }


def bloom(size: int, layers: int, heads: int, **changes: Any) -> dict[str, Any]:
    return {
        "apply_residual_connection_post_layernorm": False,
        "architectures": ["BloomModel"],
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_size": size,
        "layer_norm_epsilon": 1e-5,
        "model_type": "bloom",
        "n_head": heads,
        "n_layer": layers,
        "pad_token_id": 3,
        "vocab_size": 250880,
        **changes,
    }


def nomic(size: int, layers: int, **changes: Any) -> dict[str, Any]:
    """GPT-2's names, as published, and BERT's, as transformers writes them since it has them."""
    return {
        "activation_function": "swiglu",
        "architectures": ["NomicBertModel"],
        "causal": False,
        "hidden_act": "silu",
        "hidden_size": size,
        "intermediate_size": 4 * size,
        "layer_norm_eps": 1e-12,
        "layer_norm_epsilon": 1e-12,
        "max_position_embeddings": 2048,
        "max_trained_positions": 2048,
        "mlp_fc1_bias": False,
        "mlp_fc2_bias": False,
        "model_type": "nomic_bert",
        "n_embd": size,
        "n_head": size // 64,
        "n_inner": 4 * size,
        "n_layer": layers,
        "n_positions": 8192,
        "num_attention_heads": size // 64,
        "num_hidden_layers": layers,
        "pad_token_id": 0,
        "prenorm": False,
        "qkv_proj_bias": False,
        "rope_parameters": {"rope_theta": 1000.0, "rope_type": "default"},
        "rotary_emb_base": 1000,
        "rotary_emb_fraction": 1.0,
        "rotary_emb_interleaved": False,
        "rotary_emb_scale_base": None,
        "rotary_scaling_factor": None,
        "type_vocab_size": 2,
        "vocab_size": 30528,
        **changes,
    }


def modernbert(**changes: Any) -> dict[str, Any]:
    """As published, with the keys that mean nothing."""
    return {
        "architectures": ["ModernBertModel"],
        "attention_bias": False,
        "classifier_activation": "gelu",
        "classifier_bias": False,
        "classifier_pooling": "mean",
        "decoder_bias": True,
        "global_attn_every_n_layers": 3,
        "global_rope_theta": 160000.0,
        "hidden_activation": "gelu",
        "hidden_size": 768,
        "intermediate_size": 1152,
        "layer_norm_eps": 1e-5,
        "local_attention": 128,
        "local_rope_theta": 10000.0,
        "max_position_embeddings": 8192,
        "mlp_bias": False,
        "model_type": "modernbert",
        "norm_bias": False,
        "norm_eps": 1e-5,
        "num_attention_heads": 12,
        "num_hidden_layers": 22,
        "pad_token_id": 50283,
        "position_embedding_type": "absolute",
        "tie_word_embeddings": True,
        "vocab_size": 50368,
        **changes,
    }


def gte(size: int, layers: int, factor: float, theta: float, **changes: Any) -> dict[str, Any]:
    """GTE's own, with the code that its folders bring."""
    return {
        "architectures": ["NewModel"],
        "auto_map": {"AutoModel": "Alibaba-NLP/new-impl--modeling.NewModel"},
        "classifier_dropout": None,
        "hidden_act": "gelu",
        "hidden_size": size,
        "intermediate_size": 4 * size,
        "layer_norm_eps": 1e-12,
        "layer_norm_type": "layer_norm",
        "logn_attention_clip1": False,
        "logn_attention_scale": False,
        "max_position_embeddings": 8192,
        "model_type": "new",
        "num_attention_heads": size // 64,
        "num_hidden_layers": layers,
        "pack_qkv": True,
        "pad_token_id": 0,
        "position_embedding_type": "rope",
        "rope_scaling": {"factor": factor, "type": "ntk"},
        "rope_theta": theta,
        "type_vocab_size": 0,
        "unpad_inputs": False,
        "use_memory_efficient_attention": False,
        "vocab_size": 30528,
        **changes,
    }


def gte_multilingual(**changes: Any) -> dict[str, Any]:
    changes = {"pad_token_id": 1, "type_vocab_size": 1, "vocab_size": 250048, **changes}
    return gte(768, 12, 8.0, 20000, **changes)


MEAN = {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
CLS = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
SEARCH = "Represent this sentence for searching relevant passages: "


@dataclass(frozen=True)
class Model:
    """One folder: what it says of itself, and in what form."""

    name: str
    config: dict[str, Any]
    pooling: dict[str, Any] | None = field(default_factory=lambda: MEAN)  # None: no modules.json
    after: tuple[str, ...] = ("Normalize",)
    transformer: dict[str, Any] = field(
        default_factory=lambda: {"max_seq_length": 512, "do_lower_case": False}
    )
    defaults: dict[str, Any] | None = None  # config_sentence_transformers.json
    dense: dict[str, Any] = field(default_factory=dict)
    dtype: str = "float32"
    lowercase: bool = True
    # Of a Unigram tokenizer: "older" or "newer" stages in tokenizer.json, "camembert", or "pieces",
    # which has sentencepiece.bpe.model alone; None: WordPiece.
    unigram: str | None = None
    tokenizer_class: str = "XLMRobertaTokenizer"
    # The form of the files
    tensor_names: str = "plain"  # or "prefixed", with heads, or "old": gamma and beta
    new_class_paths: bool = False
    shards: int = 1
    labels: int | None = None  # a cross-encoder's
    pieces_alone: bool = False  # sentencepiece's file in tokenizer.json's place

    @property
    def short_name(self) -> str:
        """Without the organisation."""
        return self.name.rpartition("/")[2]


def _max(length: int, do_lower_case: bool = False) -> dict[str, Any]:
    return {"max_seq_length": length, "do_lower_case": do_lower_case}


_NO_BIAS = {"bias": False, "activation_function": "torch.nn.modules.linear.Identity"}
_QUERY = {"prompts": {"query": SEARCH}, "default_prompt_name": None}

PUBLISHED = [
    Model("thenlper/gte-small", bert(384, 12), dtype="float16"),
    Model("thenlper/gte-base", bert(768, 12), dtype="float16"),
    Model("thenlper/gte-large", bert(1024, 24), dtype="float16"),
    Model("intfloat/e5-small-v2", bert(384, 12)),
    Model("intfloat/e5-base-v2", bert(768, 12)),
    Model("intfloat/e5-large-v2", bert(1024, 24)),
    Model("sentence-transformers/all-MiniLM-L6-v2", bert(384, 6), transformer=_max(256)),
    Model("sentence-transformers/all-MiniLM-L12-v2", bert(384, 12), transformer=_max(128)),
    Model("nthakur/contriever-base-msmarco", bert(768, 12), after=(), transformer=_max(509)),
    Model("BAAI/bge-small-en-v1.5", bert(384, 12), CLS, transformer=_max(512, True)),
    Model("BAAI/bge-base-en-v1.5", bert(768, 12), CLS, transformer=_max(512, True)),
    Model("BAAI/bge-large-en-v1.5", bert(1024, 24), CLS, transformer=_max(512, True)),
    Model("sentence-transformers/multi-qa-MiniLM-L6-cos-v1", bert(384, 6)),
    Model(
        "sentence-transformers/paraphrase-MiniLM-L6-v2",
        bert(384, 6),
        after=(),
        transformer=_max(128),
    ),
    Model("sentence-transformers/msmarco-MiniLM-L6-cos-v5", bert(384, 6)),
    Model("Snowflake/snowflake-arctic-embed-xs", bert(384, 6), CLS, defaults=_QUERY),
    Model("Snowflake/snowflake-arctic-embed-s", bert(384, 12), CLS, defaults=_QUERY),
    Model("Snowflake/snowflake-arctic-embed-m", bert(768, 12), CLS, defaults=_QUERY),
    Model(
        "mixedbread-ai/mxbai-embed-large-v1",
        bert(1024, 24),
        {**CLS, "include_prompt": True},
        after=(),
        defaults={"prompts": {"query": SEARCH, "passage": ""}, "default_prompt_name": None},
        dtype="float16",
    ),
    Model(
        "sentence-transformers/LaBSE",
        bert(768, 12, vocab_size=501153),
        CLS,
        after=("Dense", "Normalize"),
        transformer=_max(256),
        dense={"bias": True, "activation_function": "torch.nn.modules.activation.Tanh"},
        lowercase=False,
    ),
    Model("sentence-transformers/multi-qa-distilbert-cos-v1", distilbert()),
    Model(
        "sentence-transformers/distiluse-base-multilingual-cased-v2",
        distilbert(vocab_size=119547),
        after=("Dense",),
        transformer=_max(128),
        dense={"bias": True, "activation_function": "torch.nn.modules.activation.Tanh"},
        lowercase=False,
    ),
    Model("sentence-transformers/all-mpnet-base-v2", mpnet(), transformer=_max(384)),
    Model(
        "sentence-transformers/multi-qa-mpnet-base-dot-v1",
        mpnet(),
        CLS,
        after=(),
        defaults={"similarity_fn_name": "dot"},
    ),
    Model("sentence-transformers/paraphrase-mpnet-base-v2", mpnet(), after=()),
    Model("nomic-ai/nomic-embed-text-v1.5", nomic(768, 12), after=(), transformer=_max(8192)),
    Model(
        "Snowflake/snowflake-arctic-embed-m-long",
        nomic(768, 12),
        CLS,
        defaults=_QUERY,
        transformer=_max(2048),
    ),
    Model(
        "Alibaba-NLP/gte-base-en-v1.5",
        gte(768, 12, 2.0, 500000),
        CLS,
        after=(),
        transformer=_max(8192),
    ),
    Model(
        "Alibaba-NLP/gte-large-en-v1.5",
        gte(1024, 24, 2.0, 160000, type_vocab_size=2),
        CLS,
        after=(),
        transformer=_max(8192),
    ),
    Model(
        "sentence-transformers/sentence-t5-base",
        t5(768, 12),
        after=("Dense", "Normalize"),
        transformer=_max(256),
        dense=_NO_BIAS,
        dtype="float16",
    ),
    Model(
        "sentence-transformers/sentence-t5-xxl",
        t5(1024, 24, d_kv=128, num_heads=128, d_ff=65536),
        after=("Dense", "Normalize"),
        transformer=_max(256),
        dense=_NO_BIAS,
        dtype="float16",
    ),
    Model(
        "sentence-transformers/gtr-t5-base",
        t5(768, 12),
        after=("Dense", "Normalize"),
        dense=_NO_BIAS,
        dtype="float16",
        pieces_alone=True,
    ),
]

# XLM-R's tokenizer, and its 250,002 pieces.
_MINILM = {"vocab_size": 250037, "tokenizer_class": "XLMRobertaTokenizer"}
_LONG = {"max_position_embeddings": 8194}

MULTILINGUAL = [
    Model(
        "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2",
        bert(384, 12, vocab_size=250037),
        after=(),
        transformer=_max(128),
        unigram="older",
        tokenizer_class="PreTrainedTokenizerFast",
    ),
    Model(
        "sentence-transformers/paraphrase-multilingual-mpnet-base-v2",
        xlm_roberta(768, 12),
        after=(),
        transformer=_max(128),
        unigram="older",
    ),
    Model("intfloat/multilingual-e5-small", bert(384, 12, **_MINILM), unigram="older"),
    Model("intfloat/multilingual-e5-base", xlm_roberta(768, 12), unigram="older"),
    Model("intfloat/multilingual-e5-large", xlm_roberta(1024, 24), unigram="newer"),
    Model(
        "BAAI/bge-m3",
        xlm_roberta(1024, 24, **_LONG),
        CLS,
        transformer=_max(8192),
        unigram="newer",
    ),
    Model(
        "Snowflake/snowflake-arctic-embed-l-v2.0",
        xlm_roberta(1024, 24, **_LONG),
        CLS,
        transformer=_max(8192),
        defaults={"prompts": {"query": "query: "}, "default_prompt_name": None},
        unigram="newer",
    ),
    Model(
        "Alibaba-NLP/gte-multilingual-base",
        gte_multilingual(),
        CLS,
        transformer=_max(8192),
        dtype="float16",
        unigram="older",
    ),
    Model(
        "Snowflake/snowflake-arctic-embed-m-v2.0",
        gte_multilingual(model_type="gte", architectures=["GteModel"]),
        CLS,
        transformer=_max(8192),
        defaults={"prompts": {"query": "query: "}, "default_prompt_name": None},
        unigram="older",
    ),
    Model("pieces-alone", xlm_roberta(384, 2), unigram="pieces"),
    Model(
        "camembert-with-mean-pooling",
        xlm_roberta(384, 2, model_type="camembert", vocab_size=250005),
        unigram="camembert",
        tokenizer_class="CamembertTokenizer",
    ),
]

# One layer of the house each: no model in particular, but each form is in the wild.
_SMALL = bert(384, 2)
_NEW = {
    "transformer_task": "feature-extraction",
    "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
    "module_output_name": "token_embeddings",
}

FORMS = [
    Model("without-modules-json", _SMALL, None, ()),
    Model(
        "written-by-sentence-transformers-6",
        _SMALL,
        {"embedding_dimension": 384, "pooling_mode": "mean", "include_prompt": True},
        transformer=_NEW,
        defaults={
            "model_type": "SentenceTransformer",
            "prompts": {"query": "", "document": ""},
            "default_prompt_name": None,
            "similarity_fn_name": "cosine",
        },
        new_class_paths=True,
    ),
    Model("prefixed-with-heads", _SMALL, tensor_names="prefixed"),
    Model("gamma-and-beta", _SMALL, tensor_names="old"),
    Model("several-files", _SMALL, shards=3),
    Model("bfloat16", _SMALL, dtype="bfloat16"),
    Model("float64", _SMALL, dtype="float64"),
    Model("one-token-type", {**_SMALL, "type_vocab_size": 1}),
    Model("large-eps", {**_SMALL, "layer_norm_eps": 1e-5}),
    *(
        Model(f"hidden-act-{name}", {**_SMALL, "hidden_act": name}, after=())
        for name in ("gelu_new", "gelu_pytorch_tanh", "relu", "silu", "swish")
    ),
    *(
        Model(f"pooling-{mode}", _SMALL, {"pooling_mode": mode}, after=())
        for mode in ("max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
    ),
    Model(
        "pooling-flags-of-all",
        _SMALL,
        {
            "pooling_mode_mean_tokens": True,
            "pooling_mode_max_tokens": True,
            "pooling_mode_cls_token": True,
            "pooling_mode_lasttoken": True,
        },
        after=(),
    ),
    Model("pooling-list", _SMALL, {"pooling_mode": ["weightedmean", "cls"]}),
    *(
        Model(
            f"prompt-left-out-{mode}",
            _SMALL,
            {"pooling_mode": mode, "include_prompt": False},
            after=(),
            defaults={
                "prompts": {"query": "what is ", "document": "the "},
                "default_prompt_name": "query",
            },
        )
        for mode in ("mean", "cls", "max", "weightedmean", "lasttoken")
    ),
    *(
        Model(
            f"dense-{name.rpartition('.')[2].lower()}",
            _SMALL,
            after=("Dense",),
            dense={
                "bias": name != "activation.ReLU",
                "activation_function": f"torch.nn.modules.{name}",
            },
        )
        for name in (
            "activation.ReLU", "activation.GELU", "activation.SiLU", "activation.Sigmoid",
            "linear.Identity",
        )
    ),
    Model("layer-norm-and-normalize", _SMALL, after=("LayerNorm", "Normalize")),
    Model(
        "truncate-dim", _SMALL, defaults={"truncate_dim": 16, "similarity_fn_name": "dot"}
    ),
    Model("a-gated-t5", t5(768, 2, feed_forward_proj="gated-gelu"), after=()),
    Model("blooms-layers", bloom(384, 2, 6), {"pooling_mode": "weightedmean"}, after=()),
    Model("lowered-before-a-cased-tokenizer", _SMALL, transformer=_max(64, True), lowercase=False),
]  # fmt: skip

IDENTITY = "torch.nn.modules.linear.Identity"

CROSS_ENCODERS = [
    Model(
        "cross-encoder/ms-marco-MiniLM-L6-v2",
        bert(
            384,
            6,
            architectures=["BertForSequenceClassification"],
            id2label={"0": "LABEL_0"},
            sentence_transformers={"activation_fn": IDENTITY, "version": "4.1.0"},
        ),
        None,
        labels=1,
    ),
    Model(
        "cross-encoder/ms-marco-TinyBERT-L2-v2",
        bert(
            128,
            2,
            num_attention_heads=2,
            architectures=["BertForSequenceClassification"],
            id2label={"0": "LABEL_0"},
            sbert_ce_default_activation_function=IDENTITY,
        ),
        None,
        labels=1,
    ),
    Model(
        "a-sigmoid-by-default",
        bert(384, 2, architectures=["BertForSequenceClassification"], id2label={"0": "LABEL_0"}),
        None,
        labels=1,
    ),
    Model(
        "three-labels",
        bert(
            384,
            2,
            architectures=["BertForSequenceClassification"],
            id2label={"0": "contradiction", "1": "entailment", "2": "neutral"},
        ),
        None,
        labels=3,
    ),
    Model(
        "distilbert-with-two-labels",
        distilbert(2, architectures=["DistilBertForSequenceClassification"]),
        None,
        labels=2,
    ),
]

_ONE_LABEL = {
    "architectures": ["XLMRobertaForSequenceClassification"],
    "id2label": {"0": "LABEL_0"},
}

MULTILINGUAL_RERANKERS = [
    Model(
        "BAAI/bge-reranker-base",
        xlm_roberta(768, 12, **_ONE_LABEL),
        None,
        unigram="older",
        labels=1,
    ),
    Model(
        "BAAI/bge-reranker-v2-m3",
        xlm_roberta(1024, 24, **_ONE_LABEL, **_LONG),
        None,
        unigram="newer",
        labels=1,
    ),
    Model(
        "Alibaba-NLP/gte-multilingual-reranker-base",
        gte_multilingual(
            architectures=["NewForSequenceClassification"], id2label=_ONE_LABEL["id2label"]
        ),
        None,
        dtype="float16",
        unigram="older",
        labels=1,
    ),
]
