from pathlib import Path

from ollamon.supervisor.marks import END, START, TIME, Mark, Part, Slice, parse, previous, since

NEW, OLD = Path("a.log"), Path("a.log.1")


def begin(offset: int, t: float) -> Mark:
    return Mark(offset, t, START, "7f3a", 42)


def test_a_mark_reads_as_it_was_written():
    marks = (begin(0, 10.0), Mark(5, 11.5, TIME), Mark(9, 12.25, END))
    assert parse(b"".join(mark.encode() for mark in marks).decode()) == marks


def test_lines_that_are_no_marks_are_skipped():
    text = "x\n\n1 2\n-1 5 time\n1 soon time\n1 2 start r x\n1 2 end more\n² 1 end\n4 5.0 end\n5 6"
    assert parse(text) == (Mark(4, 5.0, END),)


def test_marks_of_a_file_that_was_moved_away_are_forgotten():
    assert parse("0 1 time\n50 2 time\n0 3 time\n9 4 time\n") == (Mark(0, 3.0), Mark(9, 4.0))


def test_since_begins_at_the_first_bytes_that_may_be_so_young():
    part = Part(NEW, 90, (Mark(0, 10.0), Mark(30, 20.0), Mark(60, 30.0)))
    assert since([part], 5.0) == [Slice(NEW, 0, 90)]
    # What was marked at 20 may have come up to a second later.
    assert since([part], 20.5) == [Slice(NEW, 30, 90)]
    assert since([part], 21.0) == [Slice(NEW, 60, 90)]
    assert since([part], 31.0) == []


def test_since_goes_over_rotated_files_and_takes_the_unmarked_for_old():
    old = Part(OLD, 100, (Mark(0, 10.0), Mark(80, 50.0)))
    new = Part(NEW, 40, (Mark(0, 51.0),))
    bare = Part(Path("a.log.2"), 100, ())
    assert since([bare, old, new], 0.0) == [Slice(OLD, 0, 100), Slice(NEW, 0, 40)]
    assert since([bare, old, new], 49.5) == [Slice(OLD, 80, 100), Slice(NEW, 0, 40)]


def test_the_previous_incarnation_is_the_last_that_has_ended():
    one = (begin(0, 1.0), Mark(10, 2.0), Mark(30, 3.0, END))
    two = (begin(30, 4.0), Mark(70, 5.0, END))
    assert previous([Part(NEW, 90, (*one, *two, begin(70, 6.0)))]) == [Slice(NEW, 30, 70)]
    assert previous([Part(NEW, 70, (*one, *two))]) == [Slice(NEW, 30, 70)]
    assert previous([Part(NEW, 20, one[:2])]) == []


def test_the_previous_incarnation_may_lie_in_several_files():
    old = Part(OLD, 100, (begin(0, 0.0), Mark(20, 1.0, END), begin(20, 2.0)))
    middle = Part(Path("a.log.0"), 100, (Mark(0, 3.0),))
    new = Part(NEW, 50, (Mark(0, 4.0), Mark(40, 5.0, END), begin(40, 6.0)))
    expected = [Slice(OLD, 20, 100), Slice(middle.path, 0, 100), Slice(NEW, 0, 40)]
    assert previous([old, middle, new]) == expected
    # Its beginning was rotated away.
    assert previous([middle, new]) == expected[1:]
