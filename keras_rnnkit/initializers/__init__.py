"""Initial weights of recurrent layers."""

from keras_rnnkit.initializers.chrono import Chrono
from keras_rnnkit.initializers.decay import Decay

__all__ = ["Chrono", "Decay"]
