"""What a backend does better than `keras.ops`: one file a backend, loaded where it runs."""
