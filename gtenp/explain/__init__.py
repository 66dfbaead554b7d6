"""For readers: a text's way through the model, stage by stage (``explain``), on a page (``page``),
and how alike many texts are, as a shaded square (``heatmap``).
"""
