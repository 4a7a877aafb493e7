"""What the parts of the reference decoder share: faults, numbers, rANS. Numbers in comments are sections of FORMAT.md."""

import struct
from collections import defaultdict


class Corrupt(Exception):
    """The archive is not what FORMAT.md allows."""


def check(condition, sentence):
    if not condition:
        raise Corrupt(sentence)


def clamp(x, low, high):
    return min(max(x, low), high)


class Estimate:
    """2.1: p and n, which say how likely a decision is 1."""

    def __init__(self):
        self.p, self.n = 32768, 0

    def add(self, bit):
        self.p += (65535 * bit - self.p) * (131072 // (2 * self.n + 3)) // 65536
        self.n = min(self.n + 1, 30)


class Index:
    """2: reads numbers and texts one after another."""

    def __init__(self, data):
        self.data, self.at, self.span = data, 4, 2**32 - 1
        self.code = int.from_bytes(data[:4].ljust(4, b"\0"), "big")
        self.left = 32 * len(data) + 1024  # how many numbers there can still be
        self.estimates, self.texts = defaultdict(Estimate), iter(())
        self.before = {}  # what numbers are relative to, by their name

    def decide(self, probability):
        t = (self.span >> 16) * probability
        bit = int(self.code < t)
        self.code, self.span = (self.code, t) if bit else (self.code - t, self.span - t)
        while self.span < 1 << 24:
            byte = self.data[self.at] if self.at < len(self.data) else 0
            self.code, self.span, self.at = (self.code << 8 | byte) & 2**32 - 1, self.span << 8, self.at + 1
        return bit

    def decide_by(self, *key):
        estimate = self.estimates[key]
        bit = self.decide(clamp(estimate.p, 128, 65408))
        estimate.add(bit)
        return bit

    def direct(self, bits):
        value = 0
        for _ in range(bits):
            value = value << 1 | self.decide(32768)
        return value

    def count_number(self, decisions):
        self.left -= 1 + decisions // 8
        check(self.left >= 0, "the index has more numbers than its bytes can hold")

    def check_count(self, count):
        """Of what follows, each has at least one number."""
        check(count <= self.left, "a count is larger than the numbers that can be left")
        return count

    def number(self, name):
        width = next((i for i in range(64) if not self.decide_by(name, "U", i)), 64)
        self.count_number(width)
        value = min(width, 1)
        for j in range(width - 2, -1, -1):
            place = ("T", width, value) if width - 2 - j < 3 else ("L", j)
            value = value << 1 | self.decide_by(name, *place)
        return value

    def signed(self, name):
        u = self.number(name)
        return u >> 1 ^ -(u & 1)

    def flag(self, name):
        value = self.number(name)
        check(value <= 1, f"the flag {name} is neither 0 nor 1")
        return value

    def relative(self, name, first):
        """What is stored, signed, minus that before it of the same name, or minus `first`."""
        self.before[name] = self.before.get(name, first) + self.signed(name)
        return self.before[name]

    def weights(self, name, count):
        """2.5: frequencies of a table, or the weights of a shape."""
        weights = [0]
        for _ in range(count):
            weights.append(self.number(f"{name}[{min(weights[-1].bit_length(), 13)}]"))
        return weights[1:]

    def text(self):
        text = next(self.texts, None)
        check(text is not None, "the index has fewer texts than it names")
        check(text.decode(errors="replace").encode() == text, "a text is not UTF-8")
        return text.decode()

    def finish(self):
        check(next(self.texts, None) is None, "the index has texts that nothing uses")
        numbers = 32 * len(self.data) + 1024 - self.left
        is_end = len(self.data) <= max(self.at, -(-(numbers - 1024) // 32)) and not any(self.data[self.at :])
        check(is_end, "the index is longer than its numbers")


def slots(first, frequencies):
    """3.1: for each of the 4096 slots the symbol, its frequency and the slot's place among those of the symbol."""
    return [(first + i, f, place) for i, f in enumerate(frequencies) for place in range(f)]


def read_table(index):
    """2.5: the base of the pairs, or None, and the slots."""
    pairs, first, last = index.number("pairs_of"), index.number("first_symbol"), index.number("symbols")
    check(pairs <= 241, "a table of pairs has symbols over 255")
    check(first + last <= 255, "a table has symbols over 255")
    frequencies = index.weights("frequency", last + 1)
    check(sum(frequencies) == 4096, "a table's frequencies have not the sum 4096")
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


def rans_symbols(data, n, lanes, table_of):
    """3.1: n symbols; table_of(i) is the table of symbol i."""
    rans = Rans(data, lanes)
    out = bytes(rans.symbol(i % lanes, table_of(i)) for i in range(n))
    rans.finish()
    return out


def paired_symbols(data, n, lanes, base, table):
    """3.1: n symbols in pairs, and the records that put them right."""
    check(n % 2 == 0 and len(data) >= 4, "a plane of pairs has an impossible size")
    end = len(data) - 4 - 4 * int.from_bytes(data[-4:], "little")
    check(end >= 0, "a plane of pairs has an impossible size")
    out, before = bytearray(n), n
    pairs = rans_symbols(data[:end], n // 2, lanes, lambda _: table)
    out[0::2], out[1::2] = bytes(base + p % 16 for p in pairs), bytes(base + p // 16 for p in pairs)
    for (record,) in struct.iter_unpack("<I", data[end:-4]):
        position, symbol = record % (1 << 24), record >> 24
        check(position < before, "the records of a plane do not descend")
        out[position], before = symbol, position
    return bytes(out)
