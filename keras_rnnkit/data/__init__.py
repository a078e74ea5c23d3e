"""Reviews as arrays: the IMDB data set, its vocabulary, padding, and a small sample."""

from keras_rnnkit.data.errors import DataFileError, DownloadError
from keras_rnnkit.data.imdb import ImdbData, Split, load_imdb
from keras_rnnkit.data.padding import Padded, pad
from keras_rnnkit.data.sample import SampleData, SampleReviews, load_sample
from keras_rnnkit.data.sequences import load_imdb_sequences
from keras_rnnkit.data.vocabulary import Vocabulary, tokenize
from keras_rnnkit.models import PaddingFinding, PaddingReport, check_padding

__all__ = [
    "DataFileError",
    "DownloadError",
    "ImdbData",
    "Padded",
    "PaddingFinding",
    "PaddingReport",
    "SampleData",
    "SampleReviews",
    "Split",
    "Vocabulary",
    "check_padding",
    "load_imdb",
    "load_imdb_sequences",
    "load_sample",
    "pad",
    "tokenize",
]
