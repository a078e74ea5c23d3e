"""Pictures of traces and of training histories (needs the `plot` extra: matplotlib), and a page.

The page, `explore`, is for a browser and needs no matplotlib.
"""

from keras_rnnkit.plots.explore import explore
from keras_rnnkit.plots.heat_maps import gates
from keras_rnnkit.plots.loss_curves import history

__all__ = ["explore", "gates", "history"]
