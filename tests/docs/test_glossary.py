"""The glossary lists every cell, with the gates and states that it has."""

import re
from pathlib import Path

import pytest

from keras_rnnkit import cells

pytestmark = pytest.mark.no_backend

BACKGROUND = Path(__file__).resolve().parents[2] / "docs" / "background"
PAGES = [BACKGROUND / "glossary.md", BACKGROUND / "glossary.ko.md"]
CELLS = {
    name: cell
    for name in cells.__all__
    if isinstance(cell := getattr(cells, name), type)
    and issubclass(cell, cells.GatedCell)
    and cell is not cells.GatedCell
}


def table(page, number):
    """The rows of a table of a page: for each column the names in backticks."""
    tables = re.findall(r"(?:^\|.*\n)+", page.read_text("utf-8"), re.MULTILINE)
    rows = [line.strip("|").split(" | ") for line in tables[number].splitlines()[2:]]
    return [[re.findall(r"`(\w+)`", column) for column in row] for row in rows]


def weight_blocks(name):
    """How many blocks of `units` columns the kernel of a cell has."""
    cell = CELLS[name](4, **({"projection": 2} if name == "ProjectedLSTMCell" else {}))
    cell.build((None, 3))
    return cell.kernel.shape[1] // 4


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
class TestGlossary:
    def test_gates_and_states_are_those_of_every_cell(self, page):
        listed = {
            name: (tuple(gates), tuple(states)) for (name,), gates, states, _ in table(page, 0)
        }
        assert listed == {
            name: (cell.gates_type._fields, tuple(cell.state_names)) for name, cell in CELLS.items()
        }

    def test_the_order_of_the_weights_has_a_letter_for_each_block(self, page):
        listed = {name: len(kit) for names, kit, _, _ in table(page, 2) for name in names}
        assert listed == {name: weight_blocks(name) for name in CELLS}
