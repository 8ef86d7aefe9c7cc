"""SAM 2 models by name: the official ones, any checkpoint with its configuration, and the bundled one."""
