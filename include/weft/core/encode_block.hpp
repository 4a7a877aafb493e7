// Encoding of blocks, in passes that a device runs one after the other:
//
//   survey     counts symbols; lossless: straight from the units, uniform and indices: after quantizing them; indices
//              of vectors, of groups of channels or of two bytes: after a pass that chose them
//   (tables)   per segment: frequencies, coder tables, thresholds, corrections (choose_plane_table and its neighbours)
//   code       rANS of the planes that have a table, into scratch memory
//   (layout)   per segment: which plane takes which mode, sizes, places
//   write      headers, planes and checksums to their final place
//
// Read me first:
// * Every decision is the CPU backend's, so the bytes are. Sums are integers, in any order.
// * Planes are never stored on the way: bytes of a plane are taken from the units when they are needed. Only quantized
//   symbols and low bits are kept, a byte each, and of vectors their floats and the numbers of their entries.
#pragma once

#include "weft/core/encode_code.hpp"
#include "weft/core/encode_codebooks.hpp"
#include "weft/core/encode_indices.hpp"
#include "weft/core/encode_segments.hpp"
#include "weft/core/encode_survey.hpp"
#include "weft/core/encode_write.hpp"
