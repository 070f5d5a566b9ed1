import re

import pytest

from ollamon.helper.powermetrics.document import load
from ollamon.helper.powermetrics.sample import extract
from tests.fakes.powermetrics import apple, document, intel

GOOD = document(apple())


def test_a_good_document_is_read():
    assert load(GOOD)["hw_model"] == "Mac16,1"


def test_a_key_that_occurs_twice_has_its_last_value():
    twice = GOOD.replace(
        b"<key>idle_ratio</key><real>0.75</real>",
        b"<key>idle_ratio</key><real>0.5</real>\n<key>idle_ratio</key><real>0.75</real>",
    )
    assert twice != GOOD
    assert extract(load(twice)).gpu_percent == 25


@pytest.mark.parametrize(
    ("broken", "model"),
    [
        (b"A & B", "A & B"),
        (b"A &amp; B &#65; & C", "A & B A & C"),
        (b"A \x01\x1f B", "A  B"),
        (b"A \xff B", "A \N{REPLACEMENT CHARACTER} B"),
    ],
    ids=["a lone ampersand", "entities", "control bytes", "bad UTF-8"],
)
def test_bytes_that_are_no_xml_are_repaired(broken, model):
    assert load(GOOD.replace(b"Mac16,1", broken))["hw_model"] == model


def with_real(text):
    return re.sub(rb"(<key>gpu_power</key><real>)[^<]*", rb"\g<1>" + text, GOOD)


@pytest.mark.parametrize("text", [b"nan", b"NaN", b"inf", b"-inf", b"-nan", b"", b"N/A", b"--"])
def test_a_number_that_is_none_is_unknown_and_the_rest_stays(text):
    sample = extract(load(with_real(text)))
    assert sample.gpu.power_mw is None
    assert sample.cpu.power_mw == 3000


@pytest.mark.parametrize(("text", "value"), [(b"1.15444e+09", 1.15444e9), (b"0", 0), (b" 7 ", 7)])
def test_numbers_come_in_many_forms(text, value):
    assert extract(load(with_real(text))).gpu.power_mw == value


def test_a_whole_number_with_a_fraction_is_read():
    odd = GOOD.replace(b"<integer>15000</integer>", b"<integer>15000.5</integer>")
    assert odd != GOOD
    assert extract(load(odd)).cpu.energy_mj == 15000.5


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"<plist>",
        GOOD[:500] + b"</plist>",
        GOOD.replace(b"</dict>", b"", 1),
        b"<?xml version='1.0'?><plist><array/></plist>",
        b"<?xml version='1.0'?><plist><string>x</string></plist>",
        b"<?xml version='1.0'?><!DOCTYPE p [<!ENTITY a 'b'>]><plist><string>&a;</string></plist>",
        b"bplist00" + bytes(40),
        b"\x00\x01\x02",
    ],
)
def test_what_is_no_document_is_an_error(bad):
    with pytest.raises(ValueError, match="document"):
        load(bad)


def test_no_single_byte_that_is_changed_does_more_than_spoil_a_value():
    for at in range(0, len(GOOD), 3):
        for byte in (b"\0", b"<", b"&", b"\xff", b"9"):
            try:
                extract(load(GOOD[:at] + byte + GOOD[at + 1 :]))
            except ValueError:
                continue


def test_intel_is_read_too():
    assert extract(load(document(intel()))).is_intel
