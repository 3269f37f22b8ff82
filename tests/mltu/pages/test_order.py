import numpy as np
import pytest

from mltu.pages.order import reading_order

HEIGHT = 30


def level(left, right, y):
    return [[left, y], [(left + right) / 2, y], [right, y]]


def column(left, right, top, count, step=40):
    return [level(left, right, top + step * index) for index in range(count)]


def turned(lines, degrees, center=(500, 700)):
    angle = np.radians(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return [((np.array(line) - center) @ rotation.T + center).tolist() for line in lines]


def order_of(lines, heights=None, seed=0):
    """Positions of lines in reading order, and their blocks, whatever order they are given in."""
    shuffled = np.random.default_rng(seed).permutation(len(lines))
    heights = [HEIGHT] * len(lines) if heights is None else heights
    found = reading_order([np.array(lines[i], float) for i in shuffled], [heights[i] for i in shuffled])
    return [int(shuffled[index]) for index, _ in found], [block for _, block in found]


def assert_read(lines, blocks, heights=None):
    """Lines are read in the order in which they are given, in blocks of the given numbers of lines."""
    for seed in range(3):
        order, numbers = order_of(lines, heights, seed)
        assert order == list(range(len(lines)))
        assert [numbers.count(number) for number in sorted(set(numbers))] == blocks
        assert numbers == sorted(numbers)


def test_reading_order_of_nothing_is_nothing():
    assert reading_order([], []) == []


@pytest.mark.parametrize("degrees", [0, 5, -17])
def test_reading_order_is_from_top_to_bottom(degrees):
    letter = [level(600, 900, 60), level(100, 300, 130), *column(80, 920, 200, 12), level(500, 800, 720)]
    assert_read(turned(letter, degrees), [15])


@pytest.mark.parametrize("degrees", [0, -3])
def test_reading_order_takes_columns_one_after_the_other(degrees):
    heading = level(100, 900, 50)
    foot = level(100, 900, 800)
    lines = [heading, *column(80, 480, 120, 12), *column(520, 920, 135, 10), foot]
    assert_read(turned(lines, degrees), [1, 12, 10, 1])


def test_reading_order_reads_the_left_of_two_facing_pages_first():
    # lines that reach over the fold a little
    left, right = column(60, 960, 200, 20), column(940, 1800, 120, 25)
    left[4] = level(60, 975, 360)
    assert_read([*left, *right], [20, 25])
    # an almost empty left page
    assert_read([*column(300, 600, 400, 2), *column(1000, 1800, 100, 25)], [2, 25])


def test_reading_order_takes_notes_in_the_margin_for_themselves():
    note = column(20, 180, 330, 3)
    text = column(240, 950, 100, 18)
    assert_read([*note, *text], [3, 18])
    assert_read([*text, *[level(1000, 1150, 300 + 40 * i) for i in range(4)]], [18, 4])


@pytest.mark.parametrize("degrees", [0, 4])
def test_reading_order_joins_lines_that_broke_at_one_place(degrees):
    broken = [part for y in (260, 300, 340, 380) for part in (level(80, 500 + y % 7, y), level(520, 920, y + 3))]
    lines = [*column(80, 920, 100, 4), *broken, *column(80, 920, 420, 4)]
    assert_read(turned(lines, degrees), [16])
    # but not columns that are as near to each other and have lines of their own
    assert_read([*column(80, 500, 100, 6), *column(520, 920, 118, 6)], [6, 6])
    # nor facing pages on which the lines stand at the same heights
    assert_read([*column(80, 500, 100, 12), *column(520, 920, 100, 12)], [12, 12])


@pytest.mark.parametrize("degrees", [90, -90])
def test_reading_order_takes_sideways_notes_after_the_text_beside(degrees):
    note = turned(column(-100, 250, 400, 2), degrees, center=(75, 420))
    left, right = column(200, 800, 100, 18), column(1100, 1700, 100, 18)
    assert_read([*left, *note, *right], [18, 2, 18])


def test_reading_order_of_a_page_that_is_all_sideways():
    assert_read(turned(column(80, 920, 200, 12), 90), [12])


def test_reading_order_reads_additions_after_the_line_below_them():
    text = column(80, 920, 100, 8, step=60)
    added = [level(300, 420, 258), level(600, 700, 260)]  # above the fourth line
    lines = [*text[:4], *added, *text[4:]]
    assert_read(lines, [10], [30] * 4 + [18] * 2 + [30] * 4)
    # a short last line of a paragraph is none
    assert_read([*text[:4], level(80, 300, 340), *text[5:]], [8])


def test_reading_order_reads_lines_of_one_height_from_left_to_right():
    lines = [level(80, 300, 100), level(400, 600, 92), level(700, 900, 104), level(80, 900, 150)]
    assert_read(lines, [4])


def row(y, entries, step=36):
    """A row of a table: a number, a date, and a description of some lines."""
    return [level(50, 110, y), level(150, 260, y + 4), *column(300, 900, y - 3, entries, step)]


@pytest.mark.parametrize("degrees", [0, 2])
def test_reading_order_reads_tables_row_by_row(degrees):
    rows = [row(100, 3), row(220, 2), row(300, 1), row(350, 4), row(500, 2)]
    table = [line for lines in rows for line in lines]
    assert_read(turned([level(50, 900, 30), *table], degrees), [1, 5, 4, 3, 6, 4])


def test_reading_order_reads_what_stands_above_a_table_line_by_line():
    # a title whose lines broke above a rule of the table
    title = [level(120, 285, 20), level(310, 880, 21), level(130, 285, 60), level(310, 860, 61)]
    rows = [row(150 + 80 * index, 2) for index in range(6)]
    table = [line for lines in rows for line in lines]
    assert_read([*title, *table], [4, *[4] * 6])


def test_reading_order_of_a_table_stands_an_entry_that_reaches_into_the_next_column():
    rows = [row(100 + 80 * index, 2) for index in range(14)]
    rows[5][1] = level(150, 330, 504)
    table = [line for lines in rows for line in lines]
    assert_read(table, [4] * 14)


def test_reading_order_of_many_lines_anywhere_ends_soon():
    rng = np.random.default_rng(0)
    starts = rng.uniform(0, 1000, (600, 1, 2))
    ends = starts + rng.normal(0, 100, (600, 1, 2))
    order = reading_order(list(np.concatenate([starts, ends], axis=1)), list(rng.uniform(1, 60, 600)))
    assert sorted(index for index, _ in order) == list(range(600))
