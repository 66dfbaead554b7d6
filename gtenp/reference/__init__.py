"""BERT as its papers write it: read ``bert.py`` from top to bottom, then ``variations.py`` for what
other models change.
"""

from gtenp.reference.bert import ACTIVATIONS as ACTIVATIONS
from gtenp.reference.bert import Array as Array
from gtenp.reference.bert import LayerTrace as LayerTrace
from gtenp.reference.bert import Trace as Trace
from gtenp.reference.bert import attention_scores as attention_scores
from gtenp.reference.bert import embed as embed
from gtenp.reference.bert import forward as forward
from gtenp.reference.bert import gelu as gelu
from gtenp.reference.bert import gelu_tanh as gelu_tanh
from gtenp.reference.bert import layer_norm as layer_norm
from gtenp.reference.bert import linear as linear
from gtenp.reference.bert import merge_heads as merge_heads
from gtenp.reference.bert import relu as relu
from gtenp.reference.bert import run_layer as run_layer
from gtenp.reference.bert import silu as silu
from gtenp.reference.bert import softmax as softmax
from gtenp.reference.bert import split_heads as split_heads
