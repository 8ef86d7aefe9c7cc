"""Shapes for geometric morphometrics: semilandmarks, landmarks, Fourier coefficients, symmetry."""
