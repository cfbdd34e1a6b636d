// SPDX-License-Identifier: Apache-2.0
// What nothing in a shader may be called: words of GLSL, and names that glsl.cpp and its prelude have for themselves.
#pragma once

#include <array>
#include <string_view>

namespace openinfer::emit {

inline constexpr auto kGlslReserved = std::to_array<std::string_view>(
    {// what shaders call their own
     "each", "group", "subgroup", "lane", "thread", "n_groups", "main", "Params", "Starts",
     // keywords of GLSL 4.60 and what it reserves for later
     "active", "asm", "atomic_uint", "attribute", "bool", "break", "buffer", "case", "cast", "centroid", "class",
     "coherent", "common", "const", "continue", "default", "discard", "do", "double", "else", "enum", "extern",
     "external", "false", "filter", "fixed", "flat", "float", "for", "goto", "half", "highp", "if", "in", "inline",
     "inout", "input", "int", "interface", "invariant", "isubpassInput", "isubpassInputMS", "layout", "long", "lowp",
     "mediump", "namespace", "noinline", "noperspective", "out", "output", "packed", "partition", "patch", "precise",
     "precision", "public", "readonly", "resource", "restrict", "return", "sample", "sampler", "samplerShadow",
     "shared", "short", "sizeof", "smooth", "static", "struct", "subpassInput", "subpassInputMS", "subroutine",
     "superp", "switch", "template", "texture", "this", "true", "typedef", "uint", "uniform", "union", "unsigned",
     "using", "usubpassInput", "usubpassInputMS", "varying", "void", "volatile", "while", "writeonly", "barrier",
     "vec2", "vec3", "vec4", "bvec2", "bvec3", "bvec4", "dvec2", "dvec3", "dvec4", "fvec2", "fvec3", "fvec4", "hvec2",
     "hvec3", "hvec4", "ivec2", "ivec3", "ivec4", "uvec2", "uvec3", "uvec4", "mat2", "mat3", "mat4", "mat2x2", "mat2x3",
     "mat2x4", "mat3x2", "mat3x3", "mat3x4", "mat4x2", "mat4x3", "mat4x4", "dmat2", "dmat3", "dmat4", "dmat2x2",
     "dmat2x3", "dmat2x4", "dmat3x2", "dmat3x3", "dmat3x4", "dmat4x2", "dmat4x3", "dmat4x4", "sampler1D", "sampler2D",
     "sampler3D", "sampler2DRect", "samplerCube", "samplerBuffer", "sampler1DArray", "sampler2DArray",
     "samplerCubeArray", "sampler2DMS", "sampler2DMSArray", "isampler1D", "isampler2D", "isampler3D", "isampler2DRect",
     "isamplerCube", "isamplerBuffer", "isampler1DArray", "isampler2DArray", "isamplerCubeArray", "isampler2DMS",
     "isampler2DMSArray", "usampler1D", "usampler2D", "usampler3D", "usampler2DRect", "usamplerCube", "usamplerBuffer",
     "usampler1DArray", "usampler2DArray", "usamplerCubeArray", "usampler2DMS", "usampler2DMSArray", "texture1D",
     "texture2D", "texture3D", "texture2DRect", "textureCube", "textureBuffer", "texture1DArray", "texture2DArray",
     "textureCubeArray", "texture2DMS", "texture2DMSArray", "itexture1D", "itexture2D", "itexture3D", "itexture2DRect",
     "itextureCube", "itextureBuffer", "itexture1DArray", "itexture2DArray", "itextureCubeArray", "itexture2DMS",
     "itexture2DMSArray", "utexture1D", "utexture2D", "utexture3D", "utexture2DRect", "utextureCube", "utextureBuffer",
     "utexture1DArray", "utexture2DArray", "utextureCubeArray", "utexture2DMS", "utexture2DMSArray", "image1D",
     "image2D", "image3D", "image2DRect", "imageCube", "imageBuffer", "image1DArray", "image2DArray", "imageCubeArray",
     "image2DMS", "image2DMSArray", "iimage1D", "iimage2D", "iimage3D", "iimage2DRect", "iimageCube", "iimageBuffer",
     "iimage1DArray", "iimage2DArray", "iimageCubeArray", "iimage2DMS", "iimage2DMSArray", "uimage1D", "uimage2D",
     "uimage3D", "uimage2DRect", "uimageCube", "uimageBuffer", "uimage1DArray", "uimage2DArray", "uimageCubeArray",
     "uimage2DMS", "uimage2DMSArray", "sampler1DShadow", "sampler2DShadow", "sampler2DRectShadow", "samplerCubeShadow",
     "sampler1DArrayShadow", "sampler2DArrayShadow", "samplerCubeArrayShadow", "sampler3DRect",
     // what renderers call
     "abs", "max", "min", "floor", "fma", "sqrt", "round", "roundEven", "mix", "bitfieldExtract", "intBitsToFloat",
     "uintBitsToFloat", "floatBitsToInt", "floatBitsToUint", "packFloat2x16", "packHalf2x16", "unpackHalf2x16",
     "narrow_f16", "narrow_bf16", "widen_bf16", "byte_at", "half_at", "store_byte", "store_half", "lanes_sum",
     "lanes_max", "lanes_min", "lanes_get"});

}  // namespace openinfer::emit
