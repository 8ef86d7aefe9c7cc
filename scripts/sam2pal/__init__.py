"""SAM2-PAL: measure museum specimens after outlining a handful of them."""

__version__ = "0.1.0"
