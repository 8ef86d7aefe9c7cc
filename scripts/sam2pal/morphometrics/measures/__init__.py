"""What is measured of a specimen: lengths, areas, colours, indices, and their units."""
