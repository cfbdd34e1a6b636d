#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a GGUF file of the Llama shape with random weights, for measuring speed: every engine reads it, none says sense.

    build/venv/bin/python bench/cpu/make_llama_gguf.py --type q4_k -o build/bench/llama-1.1b.q4_k.gguf
    build/venv/bin/python bench/cpu/make_llama_gguf.py --type f16 --layers 2 -o small.gguf

The default is the shape of TinyLlama 1.1B. All matrices are of --type, norms are f32. Blocks are written as bytes: quants
of any value, scales that give weights of about N(0, 0.02), so that activations stay finite through all layers.
"""
import argparse
import sys

import numpy as np

# name: elements of a block, its fields (bytes of quants; "d" a scale, "m" a minimum, as f16), size of the scale.
FORMATS = {
    "f16": None,
    "q8_0": (32, [("d", 2), ("quants", 32)], 0.02 / 74),
    "q4_0": (32, [("d", 2), ("quants", 16)], 0.02 / 4.6),
    "q4_1": (32, [("d", 2), ("m", 2), ("quants", 16)], 0.02 / 4.6),
    "q4_k": (256, [("d", 2), ("m", 2), ("quants", 12 + 128)], 0.02 / (4.6 * 32)),
}
# What centres the quants of formats with a minimum: w = d · q + m, in q4_k d · s · q - m · s' with s, s' of 0 … 63.
MINIMUM = {"q4_1": -7.5, "q4_k": 7.5}


def blocks(random, dtype, rows, columns):
    """Random rows of blocks, as bytes."""
    size, fields, scale = FORMATS[dtype]
    count = rows * columns // size
    out = np.empty((count, sum(n for _, n in fields)), "u1")
    at = 0
    for name, n in fields:
        if name == "quants":
            out[:, at : at + n] = np.frombuffer(random.bytes(count * n), "u1").reshape(count, n)
        else:
            factor = MINIMUM[dtype] if name == "m" else 1.0
            out[:, at : at + n] = np.full(count, scale * factor, "<f2").view("u1").reshape(count, 2)
        at += n
    return out.reshape(rows, -1)


def matrix(random, dtype, rows, columns):
    if dtype == "f16":
        return (random.standard_normal((rows, columns), "f4") * np.float32(0.02)).astype("f2")
    return blocks(random, dtype, rows, columns)


def tensors(o):
    """Name, rows, columns of every matrix, and of norms (rows None)."""
    kv = o.width // o.heads * o.kv_heads
    yield "token_embd.weight", o.vocab, o.width
    for i in range(o.layers):
        yield f"blk.{i}.attn_norm.weight", None, o.width
        yield f"blk.{i}.attn_q.weight", o.width, o.width
        yield f"blk.{i}.attn_k.weight", kv, o.width
        yield f"blk.{i}.attn_v.weight", kv, o.width
        yield f"blk.{i}.attn_output.weight", o.width, o.width
        yield f"blk.{i}.ffn_norm.weight", None, o.width
        yield f"blk.{i}.ffn_gate.weight", o.ffn, o.width
        yield f"blk.{i}.ffn_up.weight", o.ffn, o.width
        yield f"blk.{i}.ffn_down.weight", o.width, o.ffn
    yield "output_norm.weight", None, o.width
    yield "output.weight", o.vocab, o.width


def add_tokens(writer, count):
    """A vocabulary that both engines load: <unk>, <s>, </s>, the bytes, and names without sense."""
    names = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    names += [f"token{i}" for i in range(len(names), count)]
    kinds = [2, 3, 3] + [6] * 256 + [1] * (count - 259)  # unknown, control, byte, normal
    writer.add_tokenizer_model("llama")
    writer.add_token_list(names[:count])
    writer.add_token_scores([-float(i) for i in range(count)])
    writer.add_token_types(kinds[:count])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)


def make(o):
    import gguf

    writer = gguf.GGUFWriter(o.output, "llama")
    writer.add_name(f"random llama {o.type}")
    writer.add_context_length(4096)
    writer.add_embedding_length(o.width)
    writer.add_block_count(o.layers)
    writer.add_feed_forward_length(o.ffn)
    writer.add_head_count(o.heads)
    writer.add_head_count_kv(o.kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(o.width // o.heads)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(o.vocab)
    add_tokens(writer, o.vocab)
    kind = gguf.GGMLQuantizationType[o.type.upper()]
    writer.add_file_type(0)
    everything = list(tensors(o))
    for name, rows, columns in everything:
        if rows is None:
            writer.add_tensor_info(name, (columns,), np.dtype("f4"), columns * 4)
        elif o.type == "f16":
            writer.add_tensor_info(name, (rows, columns), np.dtype("f2"), rows * columns * 2)
        else:
            per_block, width = FORMATS[o.type][0], sum(n for _, n in FORMATS[o.type][1])
            stored = columns // per_block * width
            writer.add_tensor_info(name, (rows, stored), np.dtype("u1"), rows * stored, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    random = np.random.default_rng(1)
    for _, rows, columns in everything:
        data = np.ones(columns, "f4") if rows is None else matrix(random, o.type, rows, columns)
        writer.write_tensor_data(data)
    writer.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--type", choices=FORMATS, required=True)
    parser.add_argument("-o", "--output", required=True)
    for name, number in dict(layers=22, width=2048, heads=32, kv_heads=4, ffn=5632, vocab=32000).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=number)
    o = parser.parse_args()
    if o.vocab < 260 or o.width % 256 or o.ffn % 256 or o.width % o.heads or o.heads % o.kv_heads:
        parser.error("--vocab of 260 or more, --width and --ffn multiples of 256, --width of --heads, --heads of --kv-heads")
    try:
        make(o)
    except OSError as error:
        sys.exit(f"make_llama_gguf.py: error: {error}")


if __name__ == "__main__":
    main()
