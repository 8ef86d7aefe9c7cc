"""Annotations, masks and their encoding, the specimens of a genus and the shards they lie in."""
