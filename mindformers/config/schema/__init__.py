"""The dataclasses of a recipe, one module per group of sections."""
