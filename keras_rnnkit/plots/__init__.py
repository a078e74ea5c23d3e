"""Pictures of traces and of training histories (needs the `plot` extra: matplotlib), and a page.

The page, `explore`, is for a browser and needs no matplotlib.
"""

from keras_rnnkit.plots.comparisons import compare
from keras_rnnkit.plots.exploration import explore
from keras_rnnkit.plots.gradient_lines import gradients
from keras_rnnkit.plots.heat_maps import gates
from keras_rnnkit.plots.influences import influence
from keras_rnnkit.plots.kernels import weights
from keras_rnnkit.plots.loss_curves import history
from keras_rnnkit.plots.memories import memory
from keras_rnnkit.plots.saturations import saturation
from keras_rnnkit.plots.state_lines import states
from keras_rnnkit.plots.texts import attribution

__all__ = [
    "attribution",
    "compare",
    "explore",
    "gates",
    "gradients",
    "history",
    "influence",
    "memory",
    "saturation",
    "states",
    "weights",
]
