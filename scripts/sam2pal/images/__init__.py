"""Photographs: reading them, and mapping them to the model's square and back."""
