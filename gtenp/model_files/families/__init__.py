"""One file a family of models: its keys in config.json, what of them is refused, the names of its
tensors. ``model_files/model.py`` knows which file is whose.
"""
