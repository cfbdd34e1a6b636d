# SPDX-License-Identifier: Apache-2.0
"""The values of a PyTorch state dict's pickle, by an interpreter of the opcodes and the few names that one needs. Nothing is
imported and nothing of the file is called: a name is a string, and a tensor is where its elements lie. Opcodes: Python's
pickletools.py; names: what torch/_utils.py and torch/serialization.py of PyTorch write."""

from __future__ import annotations

import pickletools
from dataclasses import dataclass

from .errors import ConvertError, one_line

# What follows torch. in the name of a storage's class, and its dtype here; untyped ones are bytes.
STORAGES = {"DoubleStorage": "f64", "FloatStorage": "f32", "HalfStorage": "f16", "BFloat16Storage": "bf16", "LongStorage": "i64", "IntStorage": "i32",
            "ShortStorage": "i16", "CharStorage": "i8", "ByteStorage": "u8", "BoolStorage": "bool", "UntypedStorage": None, "storage.UntypedStorage": None}
DTYPES = {"float64": "f64", "float32": "f32", "float16": "f16", "bfloat16": "bf16", "int64": "i64", "int32": "i32", "int16": "i16", "int8": "i8",
          "uint8": "u8", "uint16": "u16", "uint32": "u32", "uint64": "u64", "bool": "bool", "float8_e4m3fn": "f8e4m3", "float8_e5m2": "f8e5m2"}
TYPES = {"torch.Tensor", "torch.nn.parameter.Parameter"}
REMEDY = ("; only names of plain state dicts are known, and nothing else is ever loaded: save model.state_dict() alone, or as safetensors")

# Opcodes run and elements copied. A tensor takes about 35 opcodes, so this is a state dict of 200,000; what a file of any size
# makes of it stays below about a gigabyte.
MAX_MADE = 1 << 23


@dataclass(frozen=True)
class Name:
    """A global of the pickle that is known here."""
    text: str


@dataclass(frozen=True)
class Storage:
    key: str
    dtype: str | None  # None: bytes
    count: int  # elements, or bytes


@dataclass(frozen=True)
class Tensor:
    storage: Storage
    dtype: str
    offset: int  # in elements
    shape: tuple
    strides: tuple


class Malformed(Exception):
    """Values that no state dict has; the text completes the message."""


def _check(good: bool, what: str):
    if not good:
        raise Malformed(what)


class Budget:
    """A pickle can name one long list in two bytes, as often as it likes: whoever copies its elements pays for them here."""

    def __init__(self):
        self.left = MAX_MADE

    def charge(self, count: int):
        self.left -= count
        _check(self.left >= 0, f"it makes more than {MAX_MADE} values")


def _sizes(budget: Budget, value, what: str) -> tuple:
    _check(type(value) in (tuple, list), f"{what} is no tuple of sizes")
    budget.charge(len(value))
    _check(all(type(n) is int and 0 <= n < 1 << 62 for n in value), f"{what} is no tuple of sizes")
    return tuple(value)


def _tensor(budget: Budget, storage, offset, shape, strides, dtype=None) -> Tensor:
    _check(isinstance(storage, Storage) and type(offset) is int and 0 <= offset < 1 << 62, "a tensor has no storage or offset")
    if dtype is not None:
        dtype = DTYPES.get(dtype.text.removeprefix("torch.")) if isinstance(dtype, Name) else None
    dtype = dtype or storage.dtype
    _check(dtype is not None, "a tensor has no dtype")
    shape, strides = _sizes(budget, shape, "a shape"), _sizes(budget, strides, "a stride")
    _check(len(shape) == len(strides), f"a tensor has shape {one_line(shape)} and strides {one_line(strides)}")
    return Tensor(storage, dtype, offset, shape, strides)


def _rebuild(budget: Budget, *values):
    _check(4 <= len(values) <= 7, "_rebuild_tensor has the wrong number of values")
    _check(len(values) < 7 or not values[6], "a tensor is conjugated or negated lazily")
    return _tensor(budget, *values[:4])


def _rebuild_v3(budget: Budget, *values):
    _check(7 <= len(values) <= 8, "_rebuild_tensor_v3 has the wrong number of values")
    return _tensor(budget, *values[:4], values[6])


def _parameter(budget: Budget, *values):
    _check(1 <= len(values) <= 4 and isinstance(values[0], Tensor), "a parameter is no tensor")
    return values[0]


def _from_type(budget: Budget, *values):
    """_rebuild_from_type_v2(function, type, its values, state): a tensor or parameter with attributes. PyTorch writes one around
    a tensor, never one in another."""
    _check(len(values) == 4 and isinstance(values[1], Name) and values[1].text in TYPES and type(values[2]) is tuple, "an unknown kind of tensor")
    _check(values[0] != Name(FROM_TYPE), "a tensor with attributes is made of one with attributes")
    return _call(budget, values[0], values[2])


def _ordered_dict(budget: Budget, *values):
    _check(len(values) <= 1 and all(type(v) is list for v in values), "an OrderedDict of something else than a list")
    budget.charge(len(values[0]) if values else 0)
    out = {}
    for pair in values[0] if values else ():
        _check(type(pair) in (list, tuple) and len(pair) == 2, "an OrderedDict of something else than pairs")
        _put(out, *pair)
    return out


def _size(budget: Budget, *values):
    _check(len(values) == 1, "torch.Size has the wrong number of values")
    return _sizes(budget, values[0], "a torch.Size")


FROM_TYPE = "torch._tensor._rebuild_from_type_v2"
CALLS = {"torch._utils._rebuild_tensor": _rebuild, "torch._utils._rebuild_tensor_v2": _rebuild, "torch._utils._rebuild_tensor_v3": _rebuild_v3,
         "torch._utils._rebuild_parameter": _parameter, "torch._utils._rebuild_parameter_with_state": _parameter,
         FROM_TYPE: _from_type, "collections.OrderedDict": _ordered_dict, "torch.Size": _size}
NAMES = {*CALLS, *TYPES, *(f"torch.{s}" for s in STORAGES), *(f"torch.{d}" for d in DTYPES)}


def _call(budget: Budget, function, values):
    _check(isinstance(function, Name) and function.text in CALLS, "something is called that is no function")
    _check(type(values) is tuple, "a call has no tuple of values")
    return CALLS[function.text](budget, *values)


def _put(target, key, value):
    """Keys are names: hashing what a stranger nests may never end."""
    _check(type(target) is dict and type(key) in (str, int), f"a dict has the key {one_line(key) if type(key) in (str, int) else type(key).__name__}")
    target[key] = value


class _Machine:
    def __init__(self):
        self.stack, self.marks, self.memo, self.budget = [], [], {}, Budget()

    def step(self, opcode: str, argument):
        self.budget.charge(1)
        if opcode in CONSTANTS:
            self.stack.append(argument)
        elif opcode in MADE:
            self.stack.append(MADE[opcode]())
        else:
            getattr(self, "_" + opcode.lower())(argument)

    def _top(self, kind, what: str):
        _check(bool(self.stack) and type(self.stack[-1]) is kind, what)
        return self.stack[-1]

    def _pop(self):
        _check(bool(self.stack), "its stack is empty")
        return self.stack.pop()

    def _popped(self, count: int) -> list:
        _check(len(self.stack) >= count, "its stack is empty")
        out = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return out

    def _marked(self) -> list:
        _check(bool(self.marks), "there is no mark")
        out, self.stack = self.stack, self.marks.pop()
        return out

    def _mark(self, _):
        self.marks.append(self.stack)
        self.stack = []

    def _ignored(self, _):
        """PROTO and FRAME."""

    _proto = _frame = _ignored

    def _put_memo(self, number):
        _check(bool(self.stack), "its stack is empty")
        self.memo[number] = self.stack[-1]

    _binput = _long_binput = _put_memo

    def _memoize(self, _):
        self._put_memo(len(self.memo))

    def _binget(self, number):
        _check(number in self.memo, f"there is no memo {number}")
        self.stack.append(self.memo[number])

    _long_binget = _binget

    def _global(self, argument):
        self._name(*argument.split(" ", 1))

    def _stack_global(self, _):
        module, name = self._popped(2)
        _check(type(module) is str and type(name) is str, "a global has no name")
        self._name(module, name)

    def _name(self, module: str, name: str):
        text = f"{module}.{name}"
        if text not in NAMES:
            raise ConvertError(f"names the global {one_line(text)}, which is not loaded{REMEDY}")
        self.stack.append(Name(text))

    def _tuple(self, _):
        values = tuple(self._marked())
        self.stack.append(values)

    def _tuple1(self, _):
        self.stack.append(tuple(self._popped(1)))

    def _tuple2(self, _):
        self.stack.append(tuple(self._popped(2)))

    def _tuple3(self, _):
        self.stack.append(tuple(self._popped(3)))

    def _append(self, _):
        value = self._pop()
        self._top(list, "something is appended to what is no list").append(value)

    def _appends(self, _):
        values = self._marked()
        self._top(list, "something is appended to what is no list").extend(values)

    def _setitem(self, _):
        key, value = self._popped(2)
        _put(self._top(dict, "an item is set in what is no dict"), key, value)

    def _setitems(self, _):
        values = self._marked()
        target = self._top(dict, "items are set in what is no dict")
        _check(len(values) % 2 == 0, "an item has no value")
        for key, value in zip(values[::2], values[1::2]):
            _put(target, key, value)

    def _reduce(self, _):
        function, values = self._popped(2)
        self.stack.append(_call(self.budget, function, values))

    def _build(self, _):
        """Attributes of a dict (_metadata) or a parameter: no weights."""
        self._pop()
        _check(bool(self.stack) and type(self.stack[-1]) in (dict, Tensor), "attributes are set of what has none")

    def _binpersid(self, _):
        value = self._pop()
        _check(type(value) is tuple and len(value) in (5, 6) and value[0] == "storage", "a persistent id is no storage")
        _, kind, key, _, count = value[:5]
        _check(isinstance(kind, Name) and kind.text.removeprefix("torch.") in STORAGES, "a storage has no type")
        _check(type(key) is str and type(count) is int and 0 <= count < 1 << 62, "a storage has no key or no size")
        self.stack.append(Storage(key, STORAGES[kind.text.removeprefix("torch.")], count))


CONSTANTS = {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES"}
MADE = {"NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False, "EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
STEPS = {"MARK", "PROTO", "FRAME", "BINPUT", "LONG_BINPUT", "MEMOIZE", "BINGET", "LONG_BINGET", "GLOBAL", "STACK_GLOBAL", "TUPLE", "TUPLE1", "TUPLE2",
         "TUPLE3", "APPEND", "APPENDS", "SETITEM", "SETITEMS", "REDUCE", "BUILD", "BINPERSID"}
KNOWN = CONSTANTS | set(MADE) | STEPS


def read_pickle(raw: bytes, where: str):
    """The value: dicts, lists, tuples, strings, numbers, bytes, None, Tensor, Storage, Name. Errors: an opcode or a global
    that is not in the lists, by its name; whatever a state dict cannot be."""
    machine, name, at = _Machine(), "", 0
    try:
        for opcode, argument, at in pickletools.genops(raw):
            name = opcode.name
            if name == "STOP":
                _check(len(machine.stack) == 1 and not machine.marks, "it ends with no value or several")
                return machine.stack[0]
            if name not in KNOWN:
                raise ConvertError(f"has the opcode {name}, which is not run{REMEDY}")
            machine.step(name, argument)
    except ConvertError as e:
        raise ConvertError(f"{where}: its pickle, at byte {at}, {e}") from None
    except Malformed as e:
        raise ConvertError(f"{where}: its pickle is no state dict's: {e} ({name} at byte {at})") from None
    except (ValueError, EOFError) as e:  # what pickletools finds
        raise ConvertError(f"{where}: its pickle is cut or corrupt: {one_line(e)}") from None
    raise ConvertError(f"{where}: its pickle is cut: it has no STOP")
