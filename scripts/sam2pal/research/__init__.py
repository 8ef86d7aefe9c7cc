"""Drawn insects, pretraining and the benchmark: for the demo and the developers, never for a user's run."""
