import pickle

import numpy as np
import pytest

from gtenp import Embedder

pytest.importorskip("sklearn")

TEXTS = ["hello world", "a quick sort", "the capital"]


@pytest.fixture
def vectorizer(prompted):
    from gtenp.integrations.sklearn import GtenpVectorizer

    return GtenpVectorizer(str(prompted))


def test_scikit_learn_gets_documents_or_the_prompt_that_is_named(vectorizer, prompted):
    embedder = Embedder(prompted)
    assert np.array_equal(vectorizer.fit_transform(TEXTS), embedder.encode_document(TEXTS))
    vectorizer.set_params(prompt_name="query")
    assert np.array_equal(vectorizer.transform(TEXTS), embedder.encode_query(TEXTS))


def test_scikit_learn_clones_and_pickles_it_without_weights(vectorizer):
    from sklearn.base import clone

    vectors = vectorizer.transform(TEXTS)
    content = pickle.dumps(vectorizer)
    assert len(content) < 1000
    for copy in (clone(vectorizer), pickle.loads(content)):
        assert copy.get_params() == vectorizer.get_params()
        assert np.array_equal(copy.transform(TEXTS), vectors)


def test_scikit_learn_puts_it_into_a_pipeline_and_searches_over_its_options(vectorizer):
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import Pipeline

    pipeline = Pipeline([("vectors", vectorizer), ("classes", LogisticRegression())])
    search = GridSearchCV(pipeline, {"vectors__prompt_name": ["query", "document"]}, cv=2)
    search.fit(TEXTS * 4, [0, 1, 2] * 4)
    assert search.predict(TEXTS).tolist() == [0, 1, 2]


def test_scikit_learn_sets_its_output(vectorizer):
    pytest.importorskip("pandas")
    from sklearn.compose import ColumnTransformer

    names = [f"gtenpvectorizer{i}" for i in range(32)]
    assert vectorizer.get_feature_names_out().tolist() == names
    frame = vectorizer.set_output(transform="pandas").transform(TEXTS)
    assert frame.columns.tolist() == names
    assert set(frame.dtypes) == {np.dtype(np.float32)}
    import pandas as pd

    columns = ColumnTransformer([("vectors", vectorizer, "text")], remainder="passthrough")
    table = columns.set_output(transform="pandas").fit_transform(
        pd.DataFrame({"text": TEXTS, "n": [1, 2, 3]}, index=[7, 8, 9])
    )
    assert table.shape == (3, 33)
    assert table.index.tolist() == [7, 8, 9]


def test_scikit_learn_is_told_what_it_takes(vectorizer):
    tags = vectorizer.__sklearn_tags__()
    assert tags.input_tags.string
    assert not tags.requires_fit
