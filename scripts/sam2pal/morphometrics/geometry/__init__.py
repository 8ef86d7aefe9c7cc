"""Outlines, axes and shapes of masks."""
