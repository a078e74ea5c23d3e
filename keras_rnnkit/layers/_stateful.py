"""The states that a stateful layer keeps from one call to the next."""

from typing import Any

from keras import ops, tree

from keras_rnnkit.layers._checks import checked_states, packed
from keras_rnnkit.layers._traceable import check_variables_are_here
from keras_rnnkit.running.names import name_of


class Stateful:
    """A mixin that keeps the states of a stateful layer from call to call.

    The states are tracked variables, so that every backend updates them and a file holds them.
    `weights` leaves them out, so that it is the list of the Keras layer.
    """

    add_weight: Any
    cell: Any
    get_initial_state: Any
    state_size: Any
    stateful: bool
    states: Any

    def reset_state(self, states: Any = None) -> None:
        """Reset a stateful layer to its initial states, or to the states given.

        Args:
            states: Arrays in the structure of the layer's states, each `(batch, units)`, or a dict
                of them by name.

        Raises:
            ValueError: If `states` are given to a layer that keeps none, because it is not stateful
                or not built yet. Without `states` nothing happens there, as in Keras.
        """
        if self.states is None:
            self._check_no_states(states)
            return
        check_variables_are_here(self)
        batch = tree.flatten(self.states)[0].shape[0]
        values = self.get_initial_state(batch) if states is None else states
        self._assign(checked_states(self, values, batch, "states"))

    def _check_no_states(self, states: Any) -> None:
        """Raise an error if `states` are given, as the layer has none to set."""
        if states is not None and self.stateful:
            raise ValueError(
                f"{name_of(self)}: `states` of reset_state need a built layer, which has a batch "
                "size. Call the layer first, or `layer.build((batch, time, features))`. "
                "Received: layer.built=False"
            )
        if states is not None:
            raise ValueError(
                f"{name_of(self)}: `states` of reset_state need a stateful layer. Make the layer "
                "with `stateful=True`, or pass the states to a call as `initial_state`. "
                "Received: layer.stateful=False"
            )

    @property
    def weights(self) -> list[Any]:
        states = {id(variable) for variable in tree.flatten(self.states)}
        return [w for w in super().weights if id(w) not in states]  # type: ignore[misc]

    def load_own_variables(self, store: Any) -> None:
        """Load the states if the file has states of the same shapes; else leave them unchanged.

        A file of a `keras.layers` model has no states, and a file of a model with another batch
        size has states of other shapes. So a model for single rows can load the weights of one that
        was trained on batches of 32.
        """
        cell_weights = {id(weight) for weight in getattr(self.cell, "weights", ())}
        if any(id(weight) not in cell_weights for weight in self.weights):
            # A subclass has weights of its own in the store, beside the states.
            super().load_own_variables(store)  # type: ignore[misc]
            return
        states = [] if self.states is None else tree.flatten(self.states)
        stored = [store[str(i)] for i in range(len(store.keys()))]
        if [tuple(value.shape) for value in stored] == [tuple(state.shape) for state in states]:
            self._assign(stored)

    def _make_states(self, batch: int) -> None:
        sizes = tree.flatten(self.state_size)

        def state_variable(i: int) -> Any:
            def initial_value(shape: Any, dtype: Any = None) -> Any:
                return ops.cast(tree.flatten(self.get_initial_state(batch))[i], dtype)

            # Without autocast: in mixed precision, `variable.value` would be a cast copy, and on
            # PyTorch `assign`, which writes in place, would change only that copy.
            return self.add_weight(
                shape=(batch, sizes[i]),
                initializer=initial_value,
                trainable=False,
                autocast=False,
                name=f"state_{i}",
            )

        self.states = packed(self, [state_variable(i) for i in range(len(sizes))])

    def _assign(self, values: Any) -> None:
        if self.states is None:
            return
        for variable, value in zip(tree.flatten(self.states), tree.flatten(values), strict=True):
            # A copy: on JAX the variable would otherwise share the caller's array, and the Keras
            # trainer donates the arrays of variables to its compiled step, which deletes them.
            variable.assign(ops.copy(ops.convert_to_tensor(value)))
