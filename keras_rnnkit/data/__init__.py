"""Texts and time series as arrays: data sets, vocabularies, padding, batches and windows."""

from keras_rnnkit.data.bucketed import Bucketed
from keras_rnnkit.data.errors import DataFileError, DownloadError
from keras_rnnkit.data.flat import FlatSequences
from keras_rnnkit.data.flat_files import open_flat, write_flat
from keras_rnnkit.data.imdb import ImdbData, Split, load_imdb
from keras_rnnkit.data.labelled_texts import Reviews, read_reviews
from keras_rnnkit.data.lane_rows import lanes
from keras_rnnkit.data.packing import Packed, pack
from keras_rnnkit.data.padding import Padded, pad
from keras_rnnkit.data.sample import SampleData, SampleReviews, load_sample
from keras_rnnkit.data.scaling import Scaler
from keras_rnnkit.data.sequences import load_imdb_sequences
from keras_rnnkit.data.tokenizers import tokenize
from keras_rnnkit.data.vocabulary import Vocabulary
from keras_rnnkit.data.window_batches import WindowBatches
from keras_rnnkit.data.windowing import Windows, windows
from keras_rnnkit.models import PaddingFinding, PaddingReport, check_padding

__all__ = [
    "Bucketed",
    "DataFileError",
    "DownloadError",
    "FlatSequences",
    "ImdbData",
    "Packed",
    "Padded",
    "PaddingFinding",
    "PaddingReport",
    "Reviews",
    "SampleData",
    "SampleReviews",
    "Scaler",
    "Split",
    "Vocabulary",
    "WindowBatches",
    "Windows",
    "check_padding",
    "lanes",
    "load_imdb",
    "load_imdb_sequences",
    "load_sample",
    "open_flat",
    "pack",
    "pad",
    "read_reviews",
    "tokenize",
    "windows",
    "write_flat",
]
