"""Pictures of traces and of training histories (needs the `plot` extra: matplotlib)."""

from keras_rnnkit.plots.heat_maps import gates
from keras_rnnkit.plots.loss_curves import history

__all__ = ["gates", "history"]
