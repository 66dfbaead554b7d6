"""Pickles as enemies: whatever they hold, nothing of it runs, and an error of gtenp's own or sound
tensors come out, in bounded time and memory.

Sound files are damaged at random, 600 times in the default run; GTENP_MUTATIONS sets a third of
another number, and GTENP_SEED another beginning. The worst that one can think of stands below by
name.
"""

from __future__ import annotations

import os
import pickle
import random
import struct
import subprocess
import sys
import warnings
import zipfile
from typing import TYPE_CHECKING

import pytest
from pickles import HOOKS, Call, Global, Stored, opcodes, saved, tensor
from places import DATA, TESTS

from gtenp.errors import GtenpError
from gtenp.model_files.pickled import convert, read_state_dict

if TYPE_CHECKING:
    from pathlib import Path

MUTATIONS = 3 * int(os.environ.get("GTENP_MUTATIONS", "200"))
SEED = os.environ.get("GTENP_SEED", "0")
SIX = {"0": bytes(24)}
SOUND = tensor("0", (6,), (1,), 6)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pytorch_model.bin"


def refused(path: Path, content: bytes) -> str:
    """The error's words; nothing may come to be beside the file."""
    path.write_bytes(content)
    with pytest.raises(GtenpError) as caught:
        convert(path)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    words = str(caught.value)
    assert len(words) < 1_000
    assert words.isprintable()
    return words


# ── what would run ───────────────────────────────────────────────────────────────────────────────


class Runs:
    """What pickle itself makes of a call: unpickling leaves a mark."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("beside_a_tensor", [False, True])
def test_nothing_runs(path, tmp_path, protocol, beside_a_tensor):
    mark = tmp_path.parent / f"{tmp_path.name}-mark"
    program = pickle.dumps({"a": Runs(open, str(mark), "w")}, protocol)
    pickle.loads(program)["a"].close()
    assert mark.exists()  # so it is a program that would
    mark.unlink()
    if beside_a_tensor:
        program = b"\x80\x02" + opcodes(SOUND) + b"0" + program[2 if protocol > 1 else 0 :]
    refused(path, saved({}, SIX, **{"data.pkl": program}))
    assert not mark.exists()


@pytest.mark.parametrize(
    "value",
    [
        Call(Global("os system"), ("true",)),
        Call(Global("posix system"), ("true",)),
        Call(Global("builtins eval"), ("1",)),
        Call(Global("__builtin__ eval"), ("1",)),
        Call(Global("builtins getattr"), (Global("torch FloatStorage"), "__init__")),
        Call(Call(Global("builtins getattr"), (Global("os"), "system")), ("true",)),
        Call(Global("torch load"), ("/etc/passwd",)),
        Call(Global("torch.hub load"), ("a", "b")),
        Call(Global("numpy load"), ("/etc/passwd",)),
        Call(Global("torch._utils _rebuild_tensor_v2.__globals__"), ()),
        Call(Global("collections OrderedDict.__init__"), ()),
        Call(Global("torch._utils _import_dotted_name"), ("os.system",)),
        Call(Global("torch.serialization _get_layout"), ("x",)),
        Call(Global("_codecs encode"), ("a", "latin1")),
        Global("os system"),
        opcodes("os") + opcodes("system") + b"\x93",
        b"cos\x1b[31m\nsystem\n",
        b"cos\\o\nsystem\n",  # an escape that pickletools warns of
        b"(S'true'\nios\nsystem\n",  # INST
        b"\x82\x01",  # an extension's code
    ],
    ids=repr,
)
def test_a_name_that_no_dict_of_tensors_needs_is_refused(path, value):
    assert "Error" not in refused(path, saved({"b": SOUND, "a": value}, SIX))


@pytest.mark.parametrize(
    "value",
    [
        Call(Global("torch FloatStorage"), (10**12,)),
        Call(Global("torch.storage UntypedStorage"), (10**12,)),
        Call(Global("torch float32"), ()),
        Call("torch._utils _rebuild_tensor_v2", ()),
        Call(SOUND, ()),
        Call(HOOKS, ()),
        Call(Global("collections OrderedDict"), ([["a", 1]],)),
        Call(Global("collections OrderedDict"), []),
        Call(Global("torch._utils _rebuild_parameter"), ()),
        Call(Global("torch._utils _rebuild_parameter"), (3, True, HOOKS)),
        Call(Global("torch._utils _rebuild_tensor_v2"), (SOUND, 0, (6,), (1,), False, HOOKS)),
        Call(Global("torch._utils _rebuild_tensor_v2"), ("0", 0, (6,), (1,), False, HOOKS)),
        Stored("0"),
        Stored(()),
        Stored(("storage", Global("collections OrderedDict"), "0", "cpu", 6)),
        Stored(("module", Global("torch FloatStorage"), "0", "cpu", 6)),
        Stored(("storage", "torch FloatStorage", "0", "cpu", 6)),
        Stored(("storage", Global("torch FloatStorage"), 0, "cpu", 6)),
        Stored(("storage", Global("torch FloatStorage"), "0", "cpu", "6")),
        opcodes(SOUND) + opcodes({"dtype": "x"}) + b"b",  # BUILD: attributes for a tensor
        opcodes(Global("torch FloatStorage")) + opcodes({"__reduce__": 1}) + b"b",
        b"(c" + b"torch\nFloatStorage\n" + b")\x81",  # NEWOBJ
    ],
    ids=repr,
)
def test_a_known_name_in_anothers_place_is_refused(path, value):
    refused(path, saved({"a": value}, SIX))


# ── tensors that lie ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "lie",
    [
        tensor("0", (7,), (1,), 6),
        tensor("0", (6,), (1,), 6, 1),
        tensor("0", (6,), (1,), 6, -1),
        tensor("0", (6,), (1,), 6, 2**64),
        tensor("0", (6,), (1,), 6, True),
        tensor("0", (6,), (1,), 6, 0.0),
        tensor("0", (6,), (1,), 6, None),
        tensor("0", (2,), (6,), 6),
        tensor("0", (2,), (-1,), 6, 5),
        tensor("0", (-6,), (1,), 6),
        tensor("0", (-1, -6), (6, 1), 6),
        tensor("0", (2,), (2**61,), 6),
        tensor("0", (2,), (2**62,), 6),
        tensor("0", (2,), (2**64 - 1,), 6),
        tensor("0", (2**32, 2**32), (0, 0), 6),
        tensor("0", (2**63, 2), (0, 0), 6),
        tensor("0", (0, 2**62, 2**62), (1, 1, 1), 6),
        tensor("0", (2**2000,), (0,), 6),
        tensor("0", (6,), (), 6),
        tensor("0", (), (1,), 6),
        tensor("0", [6], [1], 6),
        tensor("0", ("6",), (1,), 6),
        tensor("0", ((6,),), (1,), 6),
        tensor("0", 6, 1, 6),
        tensor("0", (1,) * 65, (0,) * 65, 6),
        tensor("0", (6,), (1,), 7),
        tensor("0", (6,), (1,), 3),
        tensor("0", (6,), (1,), -6),
        tensor("0", (6,), (1,), 2**62),
        tensor("0", (6,), (1,), 2**2000),
        tensor("0", (6,), (1,), 6, 0, "torch DoubleStorage"),
        tensor("0", (6,), (1,), 24, 0, "torch.storage UntypedStorage"),
        tensor("1", (6,), (1,), 6),
        tensor("../data/0", (6,), (1,), 6),
        tensor("../../../etc/passwd", (6,), (1,), 6),
        tensor("", (6,), (1,), 6),
        tensor("0\0", (6,), (1,), 6),
        tensor("\ud800", (6,), (1,), 6),
        tensor("x" * 100_000, (6,), (1,), 6),
    ],
    ids=lambda lie: repr(lie.arguments)[:100],
)
def test_a_tensor_that_lies_is_refused(path, lie):
    refused(path, saved({"b": SOUND, "a": lie}, SIX))


@pytest.mark.parametrize(
    "name", ["\x1b[31m", "a\nb", "a\0", "\u202e", "\ud800", "__metadata__", 0, -5], ids=repr
)
def test_a_name_that_safetensors_or_a_terminal_would_stumble_over_is_refused(path, name):
    refused(path, saved({name: SOUND}, SIX))


@pytest.mark.parametrize("key", [None, (), 1.5, True, 2**40, SOUND], ids=repr)
def test_what_no_state_dict_has_for_a_key_is_refused(path, key):
    value = b"}" + opcodes(key) + b"Ns"
    refused(path, saved({"state_dict": {"a": SOUND}, "other": value}, SIX))


# ── pickles that make no sense ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "program",
    [
        b"",
        b".",
        b"\x80\x02.",
        b"\x80\x02}",
        b"\x80\x02h\x00.",  # the memo of nothing
        b"\x80\x02q\x00.",
        b"\x80\x02\x94.",
        b"\x80\x02j\xff\xff\xff\xff.",
        b"\x80\x02t.",
        b"\x80\x02\x85.",
        b"\x80\x02N\x87.",
        b"\x80\x02R.",
        b"\x80\x02)R.",
        b"\x80\x02b.",
        b"\x80\x02Q.",
        b"\x80\x02s.",
        b"\x80\x02}Ns.",
        b"\x80\x02u.",
        b"\x80\x02}(Nu.",
        b"\x80\x02(Nu.",
        b"\x80\x02a.",
        b"\x80\x02]a.",
        b"\x80\x02}Na.",
        b"\x80\x02e.",
        b"\x80\x02\x93.",
        b"\x80\x02NN\x93.",
        b"\x80\x04X\xff\xff\xff\xffabc.",
        b"\x80\x04\x8d" + b"\xff" * 8 + b"abc.",
        b"\x80\x04\x95" + b"\xff" * 8 + b"}.",
        b"\x80\x02\x8b\xff\xff\xff\x7f.",
        b"\x80\x02X\x01\x00\x00\x00\xff.",
        b"\x80\x02c\xff\n\xff\n.",
        b"\x80\x02I" + b"9" * 100_000 + b"\n.",
        b"\x80\x02\xfe.",
        b"\x80\x02}q\x00h\x00X\x01\x00\x00\x00ah\x00s.",  # a dict in itself
        b"\x80\x02]q\x00h\x00a.",
    ],
    ids=repr,
)
def test_opcodes_that_make_no_sense_are_refused(path, program):
    refused(path, saved({}, SIX, **{"data.pkl": program}))


@pytest.mark.parametrize("protocol", [0, 1, 6, 255])
def test_another_protocol_is_refused(path, protocol):
    program = bytes([0x80, protocol]) + opcodes({"a": SOUND}) + b"."
    assert "PROTO" in refused(path, saved({}, SIX, **{"data.pkl": program}))


def test_a_memo_that_nobody_filled_is_told_in_words(path):
    assert "takes what is not there" in refused(path, saved(b"h\x00"))


# What each of these costs is measured in a process of its own: seconds, and megabytes at the most.
COSTLY = {
    "a pickle of 100 MB": lambda: saved(b"N" * 100_000_000),
    "a million dicts": lambda: saved(b"}" * 1_000_000),
    "a million marks": lambda: saved(b"(" * 1_000_000),
    "half a million dicts, remembered": lambda: saved(b"}\x94" * 500_000),
    "one thing, remembered 200,000 times": lambda: saved(
        b"N" + b"".join(b"r" + struct.pack("<I", 17 * i) for i in range(200_000))
    ),
    "lists nested half a million deep": lambda: saved(b"]" * 500_000 + b"a" * 499_999),
    "tuples nested a million deep": lambda: saved({"a": b")" + b"\x85" * 1_000_000}),
    "what doubles 100,000 times": lambda: saved(b"Nq\x00" + b"h\x00h\x00\x86q\x00" * 100_000),
    "a name of a million brackets": lambda: saved({"[" * 1_000_000: 1}),
    "80,000 names": lambda: saved({str(i): None for i in range(80_000)}),
    "80,000 axes": lambda: saved({"a": tensor("0", (1,) * 80_000, (1,) * 80_000, 6)}, SIX),
    "80,000 axes 20,000 times": lambda: saved(
        opcodes((1,) * 80_000)
        + b"q\x00"
        + opcodes(Global("torch._utils _rebuild_tensor_v2"))
        + b"q\x01"
        + opcodes(Stored(("storage", Global("torch FloatStorage"), "0", "cpu", 6)))
        + b"q\x02"
        + b"h\x01(h\x02K\x00h\x00h\x00NNtR" * 20_000
    ),
    "50,000 times 10^17 numbers": lambda: many(tensor("0", (10**17,), (0,), 6)),
    "50,000 times 64 axes": lambda: many(tensor("0", (1,) * 64, (2**60,) * 64, 6)),
    "a pickle that inflates": lambda: saved(b"N" * 100_000_000, compression=zipfile.ZIP_DEFLATED),
    "weights that inflate": lambda: saved(
        {"a": tensor("0", (50_000_000,), (1,), 50_000_000)},
        {"0": bytes(200_000_000)},
        compression=zipfile.ZIP_DEFLATED,
    ),
    "a zip of 200,000 files": lambda: saved({}, {str(i): b"" for i in range(200_000)}),
    "a zip of 15,000 files": lambda: saved({}, {str(i): b"" for i in range(15_000)}),
    "a zip of long names": lambda: saved({}, {f"{i}{'x' * 60_000}": b"" for i in range(1_000)}),
}


def many(value: Call) -> bytes:
    """A dict of 50,000 names for one tensor."""
    names = b"".join(opcodes(str(number)) + b"h\x00" for number in range(50_000))
    return saved(b"}(" + opcodes("a") + opcodes(value) + b"q\x00" + names + b"u", SIX)


MEASURE = """
import sys, time
from pathlib import Path
from peak_memory import peak_megabytes
from gtenp.errors import GtenpError
from gtenp.model_files.pickled import convert
start, before = time.process_time(), peak_megabytes()
try:
    convert(Path(sys.argv[1]))
except GtenpError as error:
    print(time.process_time() - start, peak_megabytes() - before, error)
"""


@pytest.mark.parametrize("case", COSTLY)
def test_what_would_fill_the_memory_is_refused_in_bounded_time(path, case):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    path.write_bytes(COSTLY[case]())
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, path], check=True, env=environment, timeout=120,
        capture_output=True, text=True,
    )  # fmt: skip
    seconds, megabytes, message = done.stdout.split(" ", 2)
    assert str(path) in message
    assert len(message) < 1_000
    assert float(seconds) < 5
    assert int(megabytes) < 250


# ── zips ─────────────────────────────────────────────────────────────────────────────────────────


def test_paths_in_the_zip_lead_nowhere(path):
    others = {
        name: bytes(24) for name in ("../outside", "/etc/outside", "..\\outside", "data/../x")
    }
    path.write_bytes(saved({"a": SOUND}, SIX, **others))
    convert(path)
    assert sorted(entry.name for entry in path.parent.iterdir()) == [
        "model.safetensors",
        "pytorch_model.bin",
    ]


def test_a_name_that_comes_twice_in_the_zip_is_refused(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's own
        content = saved({"a": SOUND}, {**SIX, "../data/0": bytes(24)})
    twice = content.replace(b"archive/data/../data/0", b"archive/data/0\0\0\0\0\0\0\0\0")
    assert "twice" in refused(path, twice)


@pytest.mark.parametrize(
    ("field", "offset", "value"),
    [
        ("<H", 6, 99),  # the version of zip
        ("<H", 8, 1),  # flags: encrypted
        ("<H", 10, 8),  # compressed
        ("<H", 10, 99),
        ("<I", 20, 23),  # sizes
        ("<I", 24, 25),
        ("<I", 24, 2**32 - 1),
        ("<H", 28, 2**16 - 1),  # the lengths of what follows
        ("<H", 30, 9),
        ("<I", 42, 1),  # the header's place
        ("<I", 42, 2**31),
        ("<I", 42, 2**32 - 1),
    ],
)
def test_an_entry_of_the_zips_directory_that_lies_is_refused(path, field, offset, value):
    content = bytearray(saved({"a": SOUND}, SIX))
    entry = content.index(b"PK\x01\x02")  # of data.pkl, the first
    struct.pack_into(field, content, entry + offset, value)
    refused(path, bytes(content))


@pytest.mark.parametrize(
    ("offset", "found"), [(0, "no header"), (26, "beyond the end"), (28, "beyond the end")]
)
def test_an_entrys_own_header_that_lies_is_refused(path, offset, found):
    content = bytearray(saved({"a": SOUND}, SIX))
    struct.pack_into("<H", content, content.rindex(b"PK\x03\x04") + offset, 2**16 - 1)
    assert found in refused(path, bytes(content))


def test_a_directory_of_megabytes_is_not_read(path):
    names = {f"{number}{'x' * 60_000}": b"" for number in range(20)}
    assert "a directory of 1,2" in refused(path, saved({"a": SOUND}, {**SIX, **names}))


def test_entries_that_are_missing_are_named(path):
    assert "data.pkl" in refused(path, saved({}, SIX).replace(b"data.pkl", b"data.pkk"))
    assert "data/0" in refused(path, saved({"a": SOUND}))
    empty = b"PK\x05\x06" + bytes(18)
    assert "data.pkl" in refused(path, empty)


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"version https://git-lfs", b"PK\x03\x04"])
def test_what_is_no_zip_is_refused(path, content):
    refused(path, content)


# ── at random ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("part", ["pickle", "zip"])
def test_a_file_damaged_at_random_gives_an_error_of_ours_or_sound_tensors(path, part):
    sound = (DATA / "pickled.bin").read_bytes()
    with zipfile.ZipFile(DATA / "pickled.bin") as archive:
        entry = next(entry for entry in archive.infolist() if entry.filename.endswith("data.pkl"))
        start = sound.index(archive.read(entry))
    end = start + entry.file_size
    places = {
        "pickle": range(start, end),
        "zip": [*range(start), *range(sound.index(b"PK\x01\x02"), len(sound))],
    }[part]
    refusals = sound_ones = 0
    for number in range(MUTATIONS):
        rng = random.Random(f"{SEED} {number} {part}")
        content = bytearray(sound)
        for _ in range(rng.choice([1, 1, 2, 5])):
            at = rng.choice(places)
            worst = [0, 1, 255, content[at] ^ 1, content[at] ^ 128, rng.randrange(256)]
            worst += b"(.)]}NRQbcehqstu\x85\x86\x88\x93"
            content[at] = rng.choice(worst)
        path.write_bytes(content)
        try:
            tensors = read_state_dict(path)
        except GtenpError as error:
            refusals += 0 < len(str(error)) < 1_000
        else:
            sound_ones += 1
            assert sum(tensor.bits.nbytes for tensor in tensors.values()) < 8 * len(sound)
            assert all(
                tensor.bits.tobytes() or 0 in tensor.bits.shape for tensor in tensors.values()
            )
    assert refusals + sound_ones == MUTATIONS
    assert refusals > MUTATIONS / 20
