"""What the parts of the reference decoder share: faults, fields, rANS. Numbers in comments are sections of FORMAT.md."""

import struct


class Corrupt(Exception):
    """The archive is not what FORMAT.md allows."""


def check(condition, sentence):
    if not condition:
        raise Corrupt(sentence)


class Reader:
    """Reads fields one after another and never past the end."""

    def __init__(self, data, name):
        self.data, self.at, self.name = data, 0, name

    def left(self):
        return len(self.data) - self.at

    def take(self, n):
        check(n <= self.left(), f"{self.name}: a field runs past the end")
        self.at += n
        return self.data[self.at - n : self.at]

    def u8(self):
        return self.take(1)[0]

    def signed(self, n=1):
        """n times i8."""
        return struct.unpack(f"{n}b", self.take(n))

    def float32(self):
        return struct.unpack("<f", self.take(4))[0]

    def varint(self):
        value, shift, byte = 0, 0, 128
        while byte & 128:
            byte = self.u8()
            value |= (byte & 127) << shift
            check(value < 1 << 64, f"{self.name}: a varint does not fit 64 bits")
            check(byte or not shift, f"{self.name}: a varint is longer than it needs to be")
            shift += 7
        return value

    def signed_varint(self):
        u = self.varint()
        return u >> 1 ^ -(u & 1)

    def count(self):
        n = self.varint()
        check(n <= self.left(), f"{self.name}: a count is larger than the bytes that are left")
        return n

    def text(self, n):
        text = self.take(n).decode(errors="replace")
        check(text.encode() == self.data[self.at - n : self.at], f"{self.name}: a text is not UTF-8")
        return text


def slots(first, frequencies):
    """3.1: for each of the 4096 slots the symbol, its frequency and the slot's place among those of the symbol."""
    return [(first + i, f, place) for i, f in enumerate(frequencies) for place in range(f)]


def read_table(reader):
    """2.3: the base of the pairs, or None, and the slots."""
    pairs = reader.u8()
    check(pairs <= 241, "a table of pairs has symbols over 255")
    first, last = reader.u8(), reader.u8()
    frequencies = [reader.varint() for _ in range(last + 1)]
    check(first + last <= 255 and sum(frequencies) == 4096, "a table has symbols over 255 or not the sum 4096")
    check(last and frequencies[0] and frequencies[-1], "a table's first or last frequency is 0, or there is but one")
    return pairs - 1 if pairs else None, slots(first, frequencies)


class Rans:
    """3.1: lanes that are asked in order of the rounds. A lane reads its word at once: decoding reads none, so the order
    of words is the same."""

    def __init__(self, data, lanes):
        check(len(data) % 2 == 0 and len(data) >= 2 * lanes, "an entropy-coded plane has an impossible size")
        self.words = (word for (word,) in struct.iter_unpack("<H", data))
        self.states = [self.filled(x) for x in [self.word() for _ in range(lanes)]]

    def word(self):
        word = next(self.words, None)
        check(word is not None, "an entropy-coded plane has too few words")
        return word

    def filled(self, x):
        return x if x >= 32768 else x << 16 | self.word()

    def symbol(self, lane, table):
        symbol, frequency, place = table[self.states[lane] & 4095]
        self.states[lane] = self.filled(frequency * (self.states[lane] >> 12) + place)
        return symbol

    def finish(self):
        is_whole = next(self.words, None) is None and set(self.states) == {32768}
        check(is_whole, "an entropy-coded plane does not end as it must")


def rans_symbols(data, n, lanes, table):
    """3.1: n symbols that share a table."""
    rans = Rans(data, lanes)
    out = bytes(rans.symbol(i % lanes, table) for i in range(n))
    rans.finish()
    return out


def paired_symbols(data, n, lanes, base, table):
    """3.1: n symbols in pairs, and the records that put them right."""
    check(n % 2 == 0 and len(data) >= 4, "a plane of pairs has an impossible size")
    end = len(data) - 4 - 4 * int.from_bytes(data[-4:], "little")
    check(end >= 0, "a plane of pairs has an impossible size")
    out, before = bytearray(n), n
    pairs = rans_symbols(data[:end], n // 2, lanes, table)
    out[0::2], out[1::2] = bytes(base + p % 16 for p in pairs), bytes(base + p // 16 for p in pairs)
    for (record,) in struct.iter_unpack("<I", data[end:-4]):
        position, symbol = record % (1 << 24), record >> 24
        check(position < before, "the records of a plane do not descend")
        out[position], before = symbol, position
    return bytes(out)
