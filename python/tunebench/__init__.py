"""tunebench for Python."""
