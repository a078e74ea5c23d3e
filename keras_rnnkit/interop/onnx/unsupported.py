"""What a layer or an operation has that cannot be exported."""

from __future__ import annotations


class Unsupported(ValueError):
    """Why a call cannot be exported, and what to do; the exporter adds the layer and its place."""
