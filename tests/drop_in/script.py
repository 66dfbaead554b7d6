"""What people write for sentence-transformers on the CPU. Its import lines are all that changes."""

import sys

import numpy as np
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import cos_sim, dot_score, semantic_search


def show(name, values):
    """Rounded so that two libraries' last bits don't count."""
    values = np.asarray(values)
    rounded = (values.astype(float).round(3) + 0.0).tolist()
    print(name, tuple(values.shape), str(values.dtype), rounded if values.size < 13 else "")


model = SentenceTransformer(
    sys.argv[1],
    device="cpu",
    prompts={"query": "question: ", "answer": "answer: "},
    default_prompt_name=None,
    truncate_dim=None,
    cache_folder=None,
    local_files_only=True,
    token=None,
    trust_remote_code=False,
    backend="torch",
    model_kwargs=None,
)
model.eval()
model = model.to("cpu")
print(model.device, model.max_seq_length, model.get_max_seq_length())
print(model.get_embedding_dimension(), model.get_sentence_embedding_dimension())
print(model.similarity_fn_name, model.truncate_dim, model.default_prompt_name)

texts = ["what is the capital of China?", "Beijing", "sorting algorithms", "", "Grüße aus 北京"]

show("list", model.encode(texts))
show("first values", model.encode(texts)[:, :2])
show("one text", model.encode(texts[0])[:4])
show("tuple", model.encode(tuple(texts))[:, 0])
show("array", model.encode(np.array(texts))[:, 0])
show("positional", model.encode(texts, "query", None, 32, False)[:, 0])
show("prompt", model.encode(texts, prompt="query: ", batch_size=2, show_progress_bar=False)[:, 0])
show("named prompt", model.encode("Beijing", prompt_name="answer", device="cpu")[:4])
show("known prompt", model.encode("Beijing", prompt_name="document")[:4])
show("numpy", model.encode(texts, convert_to_numpy=True, convert_to_tensor=False)[:, 0])
show("rows", [vector[0] for vector in model.encode(texts, convert_to_numpy=False)])
show("truncated", model.encode(texts[:2], truncate_dim=4))
show("unit again", model.encode(texts[:2], truncate_dim=4, normalize_embeddings=True))
show("bits", model.encode(texts[:2], precision="ubinary", truncate_dim=32))
show("signed bits", model.encode(texts[0], precision="binary", truncate_dim=32))
tokens = model.encode(texts, output_value="token_embeddings")
print("tokens", [tuple(each.shape) for each in tokens])
everything = model.encode(texts[:2], output_value=None)
print("all of it", sorted(everything[0].keys() - {"modality"}))
show("its vector", everything[1]["sentence_embedding"][:4])

queries = model.encode_query(texts[:2], batch_size=32, normalize_embeddings=True)
documents = model.encode_document(texts, show_progress_bar=None, convert_to_tensor=False)
show("queries", queries[:, 0])
show("documents", documents[:, 0])
show("similarity", model.similarity(queries, documents))
show("pairwise", model.similarity_pairwise(queries, documents[:2]))
show("cosines", cos_sim(queries[0], documents))
show("dots", dot_score(queries, documents[:3]))
for hits in semantic_search(queries, documents, top_k=2):
    print([(hit["corpus_id"], round(float(hit["score"]), 3)) for hit in hits])

features = model.tokenize(texts[:2])
show("ids", features["input_ids"][1][:6])
show("mask", features["attention_mask"].sum())
print(model.tokenizer.tokenize("Grüße aus 北京"), model.tokenizer.cls_token)

model.similarity_fn_name = "dot"
model.max_seq_length = 6
model.truncate_dim = 8
model.default_prompt_name = "query"
print(model.get_embedding_dimension(), model.max_seq_length)
show("set", model.encode(["one two three four five", "one"]))
show("dot", model.similarity(model.encode(["one"]), model.encode(["one", "two"])))
