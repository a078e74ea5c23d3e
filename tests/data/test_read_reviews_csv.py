"""Labelled texts in a CSV file, and everything odd in it."""

import csv
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_rnnkit.data import DataFileError, read_reviews
from tests.data.review_files import assert_refused, write_csv

pytestmark = pytest.mark.no_backend


def test_a_csv_file(tmp_path):
    file = write_csv(
        tmp_path,
        '\ufeffid,text,label\r\n1,"a ""gem"", truly\r\nyes",pos\n\n2,dull, neg \r3,"",pos\n',
    )
    with pytest.warns(UserWarning, match="csv:6"):
        reviews = read_reviews(file)
    assert reviews.texts == ['a "gem", truly\r\nyes', "dull", ""]
    assert reviews.classes == ("neg", "pos")
    assert reviews.labels.tolist() == [1, 0, 1]
    assert reviews.files == ["reviews.csv:2", "reviews.csv:5", "reviews.csv:6"]


def test_columns_and_delimiters_of_other_names(tmp_path):
    file = write_csv(tmp_path, "id\tdocument\tlabel\n1\t좋아요, 정말\t1\n", "ratings.tsv")
    assert read_reviews(file, text="document").texts == ["좋아요, 정말"]
    file = write_csv(tmp_path, "stars;review\n5;good\n")
    reviews = read_reviews(file, text="review", label="stars", delimiter=";")
    assert reviews.texts == ["good"] and reviews.classes == ("5",)


def test_quotes_can_be_plain_characters(tmp_path):
    file = write_csv(
        tmp_path, 'id\tdocument\tlabel\n1\t"정말" 좋아요\t1\n2\t"별로\t0\n', "nsmc.tsv"
    )
    assert_refused(lambda: read_reviews(file, text="document"), "line 2", "quoted=False")
    reviews = read_reviews(file, text="document", quoted=False)
    assert reviews.texts == ['"정말" 좋아요', '"별로']


def test_classes_are_sorted_as_numbers_if_all_are(tmp_path):
    rows = "".join(f"a,{label}\n" for label in (10, 9, -1))
    assert read_reviews(write_csv(tmp_path, f"text,label\n{rows}")).classes == ("-1", "9", "10")
    rows += "a,x\n"
    assert read_reviews(write_csv(tmp_path, f"text,label\n{rows}")).classes == (
        *("-1", "10", "9", "x"),
    )


def test_a_million_characters_in_a_line(tmp_path):
    before = csv.field_size_limit()
    long = "word " * 250_000
    file = write_csv(tmp_path, f"text,label\n{long},1\n")
    assert read_reviews(file).texts == [long]
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", "line 1: an empty file"),
        ("\n\r\n", "line 1: an empty file"),
        ("text,label\n", "line 1: no rows below the header"),
        (
            "review,label\na,1\n",
            "line 1: the column 'text' not among the columns ['review', '",
        ),
        ("text,stars\na,1\n", "line 1: the column 'label' not"),
        ("text;label\na;1\n", "or another `delimiter`"),
        ("text,label,text\na,1,b\n", "line 1: the column 'text' twice"),
        ("text,label\na,1\nb\n", "line 3: 1 columns where the header has 2"),
        ("text,label\na,1\nb, c,1\n", "line 3: 3 columns where the header has 2"),
        ('text,label\n"a\nb",1\nc,1,2\n', "line 4: 3 columns"),
        ("text,label\na,1\nb, \n", "line 3: no label in column 'label'"),
        ('text,label\na,1\n"b,1\nc,1\n', "line 3: unexpected end of data; close quotes"),
        ('text,label\n"a"b,1\n', "line 2: ',' expected after '\"'"),
    ],
)
def test_a_damaged_csv_file_is_refused_with_the_line(tmp_path, content, found):
    before = csv.field_size_limit()
    file = write_csv(tmp_path, content)
    assert_refused(lambda: read_reviews(file), found, f"path='{file}'")
    assert csv.field_size_limit() == before


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@settings(deadline=None)
@given(st.lists(st.tuples(CELLS, st.sampled_from(["a", "b, c", 'd"e'])), min_size=1))
def test_what_the_csv_module_writes_is_read_back(tmp_path_factory, rows):
    file = tmp_path_factory.mktemp("csv") / "reviews.csv"
    with open(file, "w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, quoting=csv.QUOTE_ALL).writerows([("text", "label"), *rows])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of empty texts
        reviews = read_reviews(file)
    assert reviews.texts == [text for text, _ in rows]
    assert [reviews.classes[label] for label in reviews.labels] == [label for _, label in rows]


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    file = write_csv(tmp_path_factory.mktemp("csv"), b"text,label\n" + content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            reviews = read_reviews(file)
        except DataFileError as error:
            reviews = str(error)
    if isinstance(reviews, str):
        assert str(file) in reviews
    else:
        assert len(reviews.texts) == len(reviews.labels) == len(reviews.files) > 0
