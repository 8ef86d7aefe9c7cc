"""Finding the scale in a photograph: bars, rulers and cards of known size."""
