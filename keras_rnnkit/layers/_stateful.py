"""The states that a stateful layer keeps from one call to the next."""

from typing import Any

from keras import ops, tree

from keras_rnnkit.layers._checks import checked_states, packed
from keras_rnnkit.layers._traceable import check_variables_are_here
from keras_rnnkit.running.names import name_of


class Stateful:
    """A mixin that keeps the states of a stateful layer from call to call.

    The states are tracked variables, so that they are carried on every backend and saved. They are
    not listed in `weights`, which stay those of the Keras layer.
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
        """Refuse states for a layer that keeps none."""
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

        A file of plain Keras has no states, and one written with another batch size has states of
        other shapes. So a model that takes single rows can load the weights of a model that was
        trained on batches of 32.
        """
        of_cell = {id(weight) for weight in getattr(self.cell, "weights", ())}
        if any(id(weight) not in of_cell for weight in self.weights):
            super().load_own_variables(store)  # type: ignore[misc]  # a subclass with its own
            return
        states = [] if self.states is None else tree.flatten(self.states)
        stored = [store[str(i)] for i in range(len(store.keys()))]
        if [tuple(value.shape) for value in stored] == [tuple(state.shape) for state in states]:
            self._assign(stored)

    def _make_states(self, batch: int) -> None:
        def variable(i: int) -> Any:
            def initial(shape: Any, dtype: Any = None) -> Any:
                return ops.cast(tree.flatten(self.get_initial_state(batch))[i], dtype)

            # Without autocast: in mixed precision, Keras would read a copy of the variable, and on
            # PyTorch an assignment in place would change that copy.
            return self.add_weight(
                shape=(batch, sizes[i]),
                initializer=initial,
                trainable=False,
                autocast=False,
                name=f"state_{i}",
            )

        sizes = tree.flatten(self.state_size)
        variables = [variable(i) for i in range(len(sizes))]
        self.states = packed(self, variables)

    def _assign(self, values: Any) -> None:
        if self.states is None:
            return
        for variable, value in zip(tree.flatten(self.states), tree.flatten(values), strict=True):
            # A copy: on JAX the variable would hold the array that the caller has, and the trainer
            # of Keras deletes the arrays of the variables (it donates them to the compiled step).
            variable.assign(ops.copy(ops.convert_to_tensor(value)))
