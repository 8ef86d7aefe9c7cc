"""Scores of masks against truth, their summaries, and what confidences are worth."""
