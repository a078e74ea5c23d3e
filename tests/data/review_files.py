"""Files of labelled texts, and what a reader says of damaged ones."""

import pytest

from keras_rnnkit.data import DataFileError


def write_folder(folder, files):
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def write_csv(folder, content, name="reviews.csv"):
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def assert_refused(call, *words):
    with pytest.raises(DataFileError) as caught:
        call()
    message = str(caught.value)
    for word in words:
        assert str(word) in message, message
    assert "Received: " in message


POLAR = {"pos/2.txt": "good", "pos/10.txt": "fine\r\nfilm", "neg/1.txt": "dull"}
