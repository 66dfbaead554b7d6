"""Other people's interfaces over ``encode_query`` and ``encode_document``, a file each, so that a
model's prompts come where they belong. Each file imports its host; nothing here imports a file.
"""
