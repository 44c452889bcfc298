"""Strategies that draw tar archives: honest ones, hostile ones and damaged ones."""

import dataclasses
import gzip
import tarfile

from hypothesis import strategies as st

from tests.datasets.tarballs import checked, header, long_name, pax_header

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
SPARSE_KEYS = ["GNU.sparse.size", "GNU.sparse.map", "GNU.sparse.major", "GNU.sparse.name"]
TYPES = b"0\x007123456SxgLKXVDMNA"


@dataclasses.dataclass(repr=False)
class DrawnTar:
    """Bytes of an archive, and what is known of them.

    Attributes:
        data: The bytes of a file, gzipped or not.
        tar: Those of the tar in it; None where the gzip stream was damaged.
        members: List of (name, bytes), what an honest archive holds.
        faults: List of what was done to it.
    """

    data: bytes
    tar: bytes | None
    members: list
    faults: list

    def __repr__(self):
        return f"{len(self.data)} bytes, {len(self.members)} files, {self.faults}"


def padded(data):
    return data + bytes(-len(data) % 512)


@st.composite
def names(draw, number):
    """A path; the number makes it the only one of its name."""
    folder = draw(st.sampled_from(["", "d/", "./d/", "d//e/", ".hidden/", "__MACOSX/", "ü/", "L/"]))
    folder = folder.replace("L", "long" * draw(st.integers(15, 60)))
    ending = draw(st.sampled_from([".png", ".png", ".PNG", ".txt", ""]))
    return f"{folder}{draw(st.sampled_from(['', '._', 'x' * 99, 'é' * 70]))}{number}{ending}"


@st.composite
def harmless(draw):
    """Headers of an entry that say nothing of its name."""
    kinds = st.sampled_from([tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE])
    keys = st.sampled_from(["mtime", "comment", "SCHILY.xattr.user", "linkname", "gid"])
    records = st.dictionaries(keys, st.text(max_size=30).map(lambda t: t.replace("\0", "")))
    made = [pax_header(draw(records), draw(kinds)) for _ in range(draw(st.integers(0, 3)))]
    return b"".join(made) * draw(st.sampled_from([1, 1, 1, 1, 50]))


@st.composite
def files(draw, number):
    """`(bytes, name, content)` of a file in one of the three formats."""
    name = draw(names(number))
    content = bytes([number % 256]) * draw(st.sampled_from([0, 1, 511, 512, 513, 1500]))
    info = tarfile.TarInfo(name)
    info.size = len(content)
    try:
        block = info.tobuf(draw(st.sampled_from(FORMATS)))
    except ValueError:  # too long for ustar
        block = info.tobuf(tarfile.PAX_FORMAT)
    return draw(harmless()) + block + padded(content), name, content


def _old_sparse(blocks):
    block = bytearray(header("d/s.png", tarfile.GNUTYPE_SPARSE, 512))
    block[482] = 1
    return checked(block) + (bytes(504) + b"\1" + bytes(7)) * blocks + bytes(1024)


@st.composite
def hostile(draw):
    """`(name, bytes)` of an entry that no honest archive holds."""
    kind = draw(
        st.sampled_from(
            ["link", "device", "unknown", "absolute", "upwards", "sparse map", "pax sparse",
             "chain", "long name", "long pax", "negative", "name twice", "size", "records",
             "orphan"]
        )
    )  # fmt: skip
    file = header("d/a.png", tarfile.REGTYPE, 3) + padded(b"abc")
    sizes = st.integers(2**20, 2**33 - 1)
    made = {
        "link": lambda: header("d/l.png", draw(st.sampled_from([b"1", b"2"])), 0),
        "device": lambda: header("d/v", draw(st.sampled_from([b"3", b"4", b"6"])), 0),
        "unknown": lambda: header("d/u", draw(st.sampled_from([b"V", b"M", b"D", b"Z"])), 0),
        "absolute": lambda: long_name("/etc/a.png") + file,
        "upwards": lambda: pax_header({"path": "d/../../a.png"}) + file,
        "sparse map": lambda: _old_sparse(draw(st.sampled_from([1, 50, 2000]))),
        "pax sparse": lambda: pax_header({draw(st.sampled_from(SPARSE_KEYS)): "1,2"}) + file,
        "chain": lambda: pax_header({"mtime": "1"}) * draw(st.integers(1025, 1500)) + file,
        "long name": lambda: header("x", tarfile.GNUTYPE_LONGNAME, draw(sizes)),
        "long pax": lambda: header("x", tarfile.XHDTYPE, draw(sizes)) + b"5 a=\n" * 5000,
        "negative": lambda: header("d/n.png", tarfile.REGTYPE, -draw(st.integers(1, 2**40))),
        "name twice": lambda: long_name("d/a.png") + pax_header({"path": "d/b.png"}) + file,
        "size": lambda: pax_header({"size": draw(st.sampled_from(["-1", "1e3", "9" * 99]))}) + file,
        "records": lambda: header("x", tarfile.XHDTYPE, 9) + padded(b"9 no sign") + file,
        "orphan": lambda: pax_header({"path": "d/a.png"}) + bytes(1024),
    }[kind]()
    return kind, padded(made)


@st.composite
def mutated(draw, data):
    """`(name, bytes)` of an archive with a fault at a drawn place."""
    block = 512 * draw(st.integers(0, max(0, len(data) // 512 - 1)))
    changed = bytearray(data)
    if draw(st.booleans()):
        # Headers are a small part of all blocks, and where faults are of interest.
        headers = [k for k in range(0, len(data) - 511, 512) if data[k + 257 : k + 262] == b"ustar"]
        block = draw(st.sampled_from(headers or [0]))
    kind = draw(st.sampled_from(["byte", "field", "type", "cut", "drop", "double", "swap"]))
    if kind == "byte":
        changed[block + draw(st.integers(0, 511))] ^= draw(st.integers(1, 255))
    elif kind == "field":
        start, length = draw(st.sampled_from([(0, 100), (124, 12), (257, 8), (345, 155)]))
        drawn = draw(st.binary(max_size=length))
        if start == 124:
            number = draw(st.sampled_from([0, 1, 511, 513, 2**16, 2**20, 2**33 - 1]))
            base256 = b"\x80" + number.to_bytes(11, "big")
            forms = [b"%011o\0" % number, b"-%010o\0" % number, base256, b"\xff" * 12, drawn]
            drawn = draw(st.sampled_from(forms))
        changed[block + start : block + start + len(drawn)] = drawn
    elif kind == "type":
        changed[block + 156] = draw(st.sampled_from(TYPES))
    elif kind == "cut":
        del changed[draw(st.integers(0, len(data))) :]
    elif kind == "drop":
        del changed[block : block + 512]
    elif kind == "double":
        changed[block:block] = data[block : block + 512]
    else:
        other = 512 * draw(st.integers(0, len(data) // 512 - 1))
        changed[block : block + 512] = data[other : other + 512]
    if kind in ("byte", "field", "type") and draw(st.integers(0, 3)):
        changed[block : block + 512] = checked(changed[block : block + 512])
    return kind, bytes(changed)


@st.composite
def tars(draw):
    """A `DrawnTar`: a third each is honest, hostile, damaged."""
    sort = draw(st.sampled_from(["honest", "hostile", "damaged"]))
    pieces, members, faults = [], [], []
    for number in range(draw(st.integers(1, 5))):
        block, name, content = draw(files(number))
        if draw(st.integers(0, 4)) == 0:
            pieces.append(header(f"d{number}", tarfile.DIRTYPE, 0))
        pieces.append(block)
        members.append((name, content))
    end = bytes(draw(st.sampled_from([512, 1024, 10240, 3000])))
    if sort == "hostile":
        if draw(st.integers(0, 3)):
            kind, entry = draw(hostile())
            pieces.insert(draw(st.integers(0, len(pieces))), entry)
        else:
            kind = draw(st.sampled_from(["no end", "second tar", "second gzip", "garbage"]))
            second = draw(files(99))[0] + end
            after = {"second gzip": gzip.compress(second), "garbage": b"x", "second tar": second}
            end = end + after[kind] if kind in after else b""
        faults.append(kind)
    tar = b"".join(pieces) + end
    for _ in range(draw(st.integers(1, 3)) if sort == "damaged" else 0):
        kind, tar = draw(mutated(padded(tar) or bytes(512)))
        faults.append(kind)
    data = tar
    if draw(st.booleans()):
        data = gzip.compress(tar, 1, mtime=0)
        if sort == "damaged" and draw(st.integers(0, 2)) == 0:
            place = draw(st.integers(2, len(data) - 1))
            data = data[:place] + draw(st.sampled_from([b"", b"\0", b"x" + data[place + 1 :]]))
            tar = None
            faults.append("gzip")
    return DrawnTar(data, tar, members, faults)
