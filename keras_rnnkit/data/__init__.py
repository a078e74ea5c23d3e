"""Reviews as arrays: the IMDB data set, its vocabulary, padding, and a small sample."""

from keras_rnnkit.data.bucketed import Bucketed
from keras_rnnkit.data.errors import DataFileError, DownloadError
from keras_rnnkit.data.flat import FlatSequences
from keras_rnnkit.data.flat_files import open_flat, write_flat
from keras_rnnkit.data.imdb import ImdbData, Split, load_imdb
from keras_rnnkit.data.padding import pad
from keras_rnnkit.data.sample import SampleData, SampleReviews, load_sample
from keras_rnnkit.data.sequences import load_imdb_sequences
from keras_rnnkit.data.vocabulary import Vocabulary, tokenize

__all__ = [
    "Bucketed",
    "DataFileError",
    "DownloadError",
    "FlatSequences",
    "ImdbData",
    "SampleData",
    "SampleReviews",
    "Split",
    "Vocabulary",
    "load_imdb",
    "load_imdb_sequences",
    "load_sample",
    "open_flat",
    "pad",
    "tokenize",
    "write_flat",
]
