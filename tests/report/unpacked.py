"""What the script of the page makes of packed arrays."""

import base64
import json
import zlib

import numpy as np


def inflated(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text), -zlib.MAX_WBITS)


def array(text: str, dtype: str) -> np.ndarray:
    return np.frombuffer(inflated(text), dtype=np.dtype(dtype).newbyteorder("<"))


def words(text: str) -> list[str]:
    return json.loads(inflated(text))


def sparse(text: str, n: int) -> np.ndarray:
    content = np.frombuffer(inflated(text), dtype=np.uint8)
    n_bits = -(-n // 8)
    there = np.unpackbits(content[:n_bits], count=n, bitorder="little").astype(bool)
    values = np.zeros(n, dtype=np.uint8)
    values[there] = content[n_bits:]
    return values
