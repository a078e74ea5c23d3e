"""The lengths to which a fitted classifier pads texts."""

ALWAYS = 4096  # words; longer padding than any given text needs costs memory


def padded_lengths(lengths: list[int], longest: int) -> list[int]:
    """The lengths for texts of which the longest has `longest` words, ascending.

    They are those of the fit, for which the model is compiled, and one more for a longer text. A
    length above 4,096 is used up to the longest of the texts, so that what is allocated does not
    depend on a number in a file.
    """
    most = max(longest, ALWAYS)
    found = sorted({min(one, most) for one in lengths})
    return [*found, longest] if longest > found[-1] else found
