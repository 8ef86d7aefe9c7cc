"""Segmenting a shard: every structure of every specimen, at the photograph's own size, with a confidence."""
