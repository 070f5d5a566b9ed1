"""Reads the temperature sensors of macOS through IOKit, by ctypes.

The functions are private to Apple; their shapes are those that node_exporter uses. On another
system loading the frameworks fails, before anything is called.
"""

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

_FRAMEWORKS = "/System/Library/Frameworks"
_IOKIT = f"{_FRAMEWORKS}/IOKit.framework/IOKit"
_CORE = f"{_FRAMEWORKS}/CoreFoundation.framework/CoreFoundation"
_PAGE_APPLE_VENDOR, _USAGE_TEMPERATURE = 0xFF00, 5
_EVENT_TEMPERATURE = 15
_FIELD_LEVEL = _EVENT_TEMPERATURE << 16
_NUMBER_INT32, _ENCODING_UTF8 = 3, 0x08000100
_LONGEST_NAME = 256

_Pointer, _Index = ctypes.c_void_p, ctypes.c_long
_SHAPES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "IOHIDEventSystemClientCreate": (_Pointer, (_Pointer,)),
    "IOHIDEventSystemClientSetMatching": (ctypes.c_int, (_Pointer, _Pointer)),
    "IOHIDEventSystemClientCopyServices": (_Pointer, (_Pointer,)),
    "IOHIDServiceClientCopyProperty": (_Pointer, (_Pointer, _Pointer)),
    "IOHIDServiceClientCopyEvent": (
        _Pointer,
        (_Pointer, ctypes.c_int64, ctypes.c_int32, ctypes.c_int64),
    ),
    "IOHIDEventGetFloatValue": (ctypes.c_double, (_Pointer, ctypes.c_int32)),
    "CFArrayGetCount": (_Index, (_Pointer,)),
    "CFArrayGetValueAtIndex": (_Pointer, (_Pointer, _Index)),
    "CFNumberCreate": (_Pointer, (_Pointer, _Index, _Pointer)),
    "CFStringCreateWithCString": (_Pointer, (_Pointer, ctypes.c_char_p, ctypes.c_uint32)),
    "CFStringGetCString": (
        ctypes.c_ubyte,
        (_Pointer, ctypes.c_char_p, _Index, ctypes.c_uint32),
    ),
    "CFDictionaryCreate": (
        _Pointer,
        (_Pointer, _Pointer, _Pointer, _Index, _Pointer, _Pointer),
    ),
    "CFRelease": (None, (_Pointer,)),
}


@dataclass(frozen=True, slots=True)
class Sensor:
    """One sensor; its temperature is None when it gives no event."""

    name: str
    celsius: float | None


class Calls:
    """The functions, with their shapes: without those a pointer would be cut to 32 bits."""

    def __init__(self, iokit: Any, core: Any) -> None:
        self._core = core
        for name, (result, arguments) in _SHAPES.items():
            function = getattr(iokit if name.startswith("IOHID") else core, name)
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)

    def address_of(self, name: str) -> int:
        """Return the address of one of CoreFoundation's tables."""
        return ctypes.addressof(ctypes.c_byte.in_dll(self._core, name))


@cache
def _calls() -> Calls:
    return Calls(ctypes.CDLL(_IOKIT), ctypes.CDLL(_CORE))


def read() -> Sequence[Sensor]:
    """Return every temperature sensor.

    Raises:
        OSError: This system has no such frameworks.
        AttributeError: They lack one of the functions.
    """
    return read_with(_calls())


def read_with(calls: Any) -> list[Sensor]:
    """Read by these functions. What is copied or created is released."""
    with (
        _owned(calls, _matching(calls)) as matching,
        _owned(calls, calls.IOHIDEventSystemClientCreate(None)) as client,
    ):
        if not client:
            return []
        calls.IOHIDEventSystemClientSetMatching(client, matching)
        with _owned(calls, calls.IOHIDEventSystemClientCopyServices(client)) as services:
            return [_sensor(calls, service) for service in _items(calls, services)]


@contextmanager
def _owned(calls: Any, thing: int | None) -> Iterator[int | None]:
    try:
        yield thing
    finally:
        if thing:
            calls.CFRelease(thing)


def _items(calls: Any, array: int | None) -> Iterator[int]:
    for index in range(calls.CFArrayGetCount(array) if array else 0):
        yield calls.CFArrayGetValueAtIndex(array, index)


def _matching(calls: Any) -> int | None:
    """Return a dictionary that the caller owns."""
    wanted = {"PrimaryUsagePage": _PAGE_APPLE_VENDOR, "PrimaryUsage": _USAGE_TEMPERATURE}
    keys = [_string(calls, key) for key in wanted]
    values = [_number(calls, value) for value in wanted.values()]
    pointers = ctypes.c_void_p * len(wanted)
    made: int | None = calls.CFDictionaryCreate(
        None,
        pointers(*keys),
        pointers(*values),
        len(wanted),
        calls.address_of("kCFTypeDictionaryKeyCallBacks"),
        calls.address_of("kCFTypeDictionaryValueCallBacks"),
    )
    for part in (*keys, *values):
        calls.CFRelease(part)
    return made


def _string(calls: Any, text: str) -> int:
    made: int = calls.CFStringCreateWithCString(None, text.encode(), _ENCODING_UTF8)
    return made


def _number(calls: Any, value: int) -> int:
    made: int = calls.CFNumberCreate(None, _NUMBER_INT32, ctypes.byref(ctypes.c_int32(value)))
    return made


def _sensor(calls: Any, service: int) -> Sensor:
    key = _string(calls, "Product")
    with _owned(calls, calls.IOHIDServiceClientCopyProperty(service, key)) as product:
        name = _text(calls, product)
    calls.CFRelease(key)
    copied = calls.IOHIDServiceClientCopyEvent(service, _EVENT_TEMPERATURE, 0, 0)
    with _owned(calls, copied) as event:
        celsius = calls.IOHIDEventGetFloatValue(event, _FIELD_LEVEL) if event else None
    return Sensor(name, celsius)


def _text(calls: Any, string: int | None) -> str:
    buffer = ctypes.create_string_buffer(_LONGEST_NAME)
    if not string or not calls.CFStringGetCString(string, buffer, _LONGEST_NAME, _ENCODING_UTF8):
        return ""
    return buffer.value.decode("utf-8", "replace")
