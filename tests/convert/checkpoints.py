# SPDX-License-Identifier: Apache-2.0
"""Tiny checkpoints for the tests: good ones by the gguf and safetensors libraries, and writers that put any bytes
anywhere for the bad ones. Also the ways to run a conversion and to read what came out."""
import contextlib
import io
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))
try:
    import gguf
    import numpy as np
    import safetensors.numpy
    import xxhash  # noqa: F401
except ImportError as e:
    print(f"skipped: {e}; scripts/setup.sh installs it into build/venv", file=sys.stderr)
    sys.exit(77)

import opnf
import opnf_format
from openinfer_convert import package
from openinfer_convert.errors import ConvertError
from openinfer_convert.quantize import Choice
from opnf_reader import Package

G = gguf.GGMLQuantizationType
LAYERS, D, HEADS, KV_HEADS, HEAD_DIM, FF, VOCAB, CTX = 2, 64, 4, 2, 16, 96, 40, 128


class Case(unittest.TestCase):
    """A folder of its own for each test."""

    def setUp(self):
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # ext4 flushes each file that is written again
        self._folder = tempfile.TemporaryDirectory(dir=memory)
        self.addCleanup(self._folder.cleanup)
        self.folder = pathlib.Path(self._folder.name)

    def convert(self, source, *, quantize=(), arch=None, name=None, shard_size=None, out="out.oinf") -> Package:
        """In this process; self.report is what the summary is made of."""
        writer = opnf.Writer(self.folder / out, shard_size=shard_size)
        self.report = package.build(package.open_source(str(source)), writer, Choice.parse(list(quantize)), arch, name)
        writer.write()
        return Package(self.folder / out)

    def refused(self, source, pattern: str, **options):
        """The conversion fails with that message and leaves nothing."""
        with self.assertRaisesRegex((ConvertError, opnf_format.OpnfError), pattern):
            self.convert(source, out="refused.oinf", **options)
        self.assertEqual([p.name for p in self.folder.iterdir() if "refused" in p.name], [])


def command(*arguments, **options) -> subprocess.CompletedProcess:
    arguments = [a if isinstance(a, bytes) else str(a) for a in arguments]
    result = subprocess.run([sys.executable, "-B", str(SCRIPTS / "convert.py"), *arguments], capture_output=True, text=True, timeout=120, **options)
    assert "internal error" not in result.stderr, result.stderr
    return result


def values(p: Package, key: str) -> np.ndarray:
    """A tensor as f32 in its stored shape, by the gguf library."""
    t = p.tensors[key]
    stored = opnf_format.stored_shape(t.shape, t.transposed)
    raw = np.array(p.bytes(key))
    if t.dtype in opnf_format.NUMPY and t.dtype != "bf16":
        return raw.view(opnf_format.NUMPY[t.dtype]).reshape(stored).astype("<f4")
    return gguf.dequantize(raw.reshape(*stored[:-1], -1), G[t.dtype.upper()]).reshape(stored)


def llama_weights(seed: int = 0) -> dict:
    """Hugging Face names -> f32 in (out, in)."""
    rng = np.random.default_rng(seed)
    shapes = {"model.embed_tokens.weight": (VOCAB, D), "model.norm.weight": (D,)}
    for l in range(LAYERS):
        at = f"model.layers.{l}."
        shapes |= {at + "input_layernorm.weight": (D,), at + "post_attention_layernorm.weight": (D,),
                   at + "self_attn.q_proj.weight": (HEADS * HEAD_DIM, D), at + "self_attn.k_proj.weight": (KV_HEADS * HEAD_DIM, D),
                   at + "self_attn.v_proj.weight": (KV_HEADS * HEAD_DIM, D), at + "self_attn.o_proj.weight": (D, HEADS * HEAD_DIM),
                   at + "mlp.gate_proj.weight": (FF, D), at + "mlp.up_proj.weight": (FF, D), at + "mlp.down_proj.weight": (D, FF)}
    return {k: rng.standard_normal(s).astype("<f4") for k, s in shapes.items()}


# package key -> (Hugging Face name, GGUF name)
NAMES = {"tok_embeddings": ("model.embed_tokens.weight", "token_embd.weight"), "final_norm": ("model.norm.weight", "output_norm.weight")}
for _l in range(LAYERS):
    for _key, _hf, _gguf in (("attn_norm", "input_layernorm", "attn_norm"), ("mlp_norm", "post_attention_layernorm", "ffn_norm"),
                             ("Wq", "self_attn.q_proj", "attn_q"), ("Wk", "self_attn.k_proj", "attn_k"), ("Wv", "self_attn.v_proj", "attn_v"),
                             ("Wo", "self_attn.o_proj", "attn_output"), ("Wgate", "mlp.gate_proj", "ffn_gate"), ("Wup", "mlp.up_proj", "ffn_up"),
                             ("Wdown", "mlp.down_proj", "ffn_down")):
        NAMES[f"{_key}.{_l}"] = (f"model.layers.{_l}.{_hf}.weight", f"blk.{_l}.{_gguf}.weight")


def permuted(rows: np.ndarray, heads: int) -> np.ndarray:
    """What llama.cpp's converter does to Q and K (convert_hf_to_gguf.py, LlamaModel.permute)."""
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def gguf_llama(path, weights: dict, kind=None, **extra):
    """A GGUF of those weights, matrices as `kind`; extra: further metadata, None leaves a field out."""
    w = gguf.GGUFWriter(path, "llama")
    fields = {"llama.block_count": LAYERS, "llama.embedding_length": D, "llama.feed_forward_length": FF, "llama.attention.head_count": HEADS,
              "llama.attention.head_count_kv": KV_HEADS, "llama.context_length": CTX, "llama.vocab_size": VOCAB,
              "llama.rope.dimension_count": HEAD_DIM} | extra
    for key, value in fields.items():
        if value is not None:
            add = w.add_string if isinstance(value, str) else w.add_array if isinstance(value, list) else w.add_float32 if isinstance(value, float) else w.add_uint32
            add(key, value)
    w.add_float32("llama.attention.layer_norm_rms_epsilon", 1e-5)
    w.add_float32("llama.rope.freq_base", 10000.0)
    for key, (hf, name) in NAMES.items():
        array = weights[hf]
        if key[:2] in ("Wq", "Wk"):
            array = permuted(array, HEADS if key[1] == "q" else KV_HEADS)
        if kind is not None and array.ndim == 2 and array.shape[1] % gguf.GGML_QUANT_SIZES[kind][0] == 0:
            w.add_tensor(name, gguf.quantize(array, kind), raw_dtype=kind)
        else:
            w.add_tensor(name, array)
    close(w)


def close(writer):
    with contextlib.redirect_stderr(io.StringIO()):
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def hf_llama(folder, weights: dict, **config):
    os.makedirs(folder, exist_ok=True)
    safetensors.numpy.save_file(weights, os.path.join(folder, "model.safetensors"))
    write_config(folder, **config)


def write_config(folder, **config):
    base = {"model_type": "llama", "num_hidden_layers": LAYERS, "hidden_size": D, "intermediate_size": FF, "num_attention_heads": HEADS,
            "num_key_value_heads": KV_HEADS, "max_position_embeddings": CTX, "vocab_size": VOCAB, "rms_norm_eps": 1e-5, "hidden_act": "silu",
            "rope_theta": 50000.0, "tie_word_embeddings": True} | config
    write_json(folder, "config.json", {k: v for k, v in base.items() if v is not None})


def write_json(folder, name: str, value):
    pathlib.Path(folder, name).write_text(json.dumps(value), "utf-8")


# ---- files byte by byte -------------------------------------------------------------------------------------------

def g_string(text) -> bytes:
    raw = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(raw)) + raw


def g_field(key: str, kind: int, raw: bytes) -> bytes:
    return g_string(key) + struct.pack("<I", kind) + raw


def g_tensor(name, dims, kind: int, offset: int) -> bytes:
    """dims as GGUF has them: fastest first."""
    return g_string(name) + struct.pack(f"<I{len(dims)}Q", len(dims), *dims) + struct.pack("<IQ", kind, offset)


def g_file(fields=(), tensors=(), data: bytes = b"", *, magic=b"GGUF", version=3, counts=None) -> bytes:
    counts = counts or (len(tensors), len(fields))
    head = magic + struct.pack("<IQQ", version, *counts) + b"".join(fields) + b"".join(tensors)
    return head.ljust(-(-len(head) // 32) * 32, b"\0") + data


def st_file(entries: dict, data: bytes = b"", *, size=None, raw=None) -> bytes:
    """entries: name -> (dtype, shape, begin, end)."""
    header = json.dumps({n: {"dtype": d, "shape": s, "data_offsets": [a, b]} for n, (d, s, a, b) in entries.items()}).encode() if raw is None else raw
    return struct.pack("<Q", len(header) if size is None else size) + header + data
