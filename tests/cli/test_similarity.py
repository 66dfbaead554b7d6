from command_line import TINY, run
from texts import CARD

from gtenp import Embedder


def test_similarity_of_two_texts_is_one_score_times_100():
    result = run("similarity", "--model", TINY, *CARD[:2])
    assert result.exit_code == 0
    embedder = Embedder(TINY)
    score = embedder.similarity(*embedder.encode(CARD[:2]))[0, 0] * 100
    shown = result.stdout.splitlines()
    assert shown[:2] == [CARD[0], f"{score:8.2f}  {CARD[1]}"]
    assert TINY in shown[2]
    assert "32 dimensions" in shown[2]
