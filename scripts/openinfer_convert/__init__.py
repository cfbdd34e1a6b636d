# SPDX-License-Identifier: Apache-2.0
"""Checkpoint -> package. A source (gguf_source, hf_source) lists tensors and metadata; the architecture's table
(tables) gives keys, orientation and exact transforms; mapping makes a row stream of each tensor; quantize re-encodes
some; package hands all of it to opnf.Writer, which streams it to disk."""
