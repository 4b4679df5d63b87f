// SPDX-License-Identifier: Apache-2.0
// Every pass, each in the file of its name. builder/pipeline.cpp puts them in order.
#pragma once

#include "passes/pass.hpp"

namespace strop {

// Integers that inference knows become constants, or `dims` nodes over the symbols of the inputs.
Pass fold_shape_arithmetic();
// Nodes whose inputs are all constants become constants, within a limit on memory.
Pass fold_constants();
// The same, but no dequantize_linear is folded.
Pass fold_quantized_constants();
// An if_else whose condition is a constant becomes the nodes of the branch that runs.
Pass inline_constant_branch();
// A condition without which the rest of the graph is impossible becomes true.
Pass fold_implied_conditions();
// Einstein sums of one or two operands become products, reductions and moves. Sums of floats may be
// in another order: these not for a precise target.
Pass rewrite_einsum();
// Nodes that change nothing go; transposes and reshapes in a row become one.
Pass eliminate_identity();
// What several nodes compute alike is computed once.
Pass eliminate_common_subexpressions();
// Activations that are spelled out become one function. Rounds elsewhere: not for a precise target.
Pass fuse_activation();
// Layer and root-mean-square normalisations that are spelled out become one operator. Likewise.
Pass fuse_layer_norm();
// Products around a softmax become attention. Likewise.
Pass fuse_attention();
// The convolution that cuts an image into rows of patches becomes a product. Rounds elsewhere: not
// for a precise target. For a GPU.
Pass rewrite_patch_conv();
// A gemm between reshapes of its rows becomes a matmul over the axes of the rows.
Pass rewrite_gemm();
// Transposes of leading axes with row-wise nodes between them become one, and vanish where heads of
// attention are cut out of the rows. After fuse_attention.
Pass eliminate_transpose();
// The products that make queries, keys and values of one input become one.
Pass fuse_attention_projections();
// Values are stored in f16 or bf16 where the target says so. After all that looks for constants or
// spelled-out functions.
Pass store_half();
// Attention and the moves of its heads become one `fused` node. Hides attention.
Pass fuse_attention_layout();
// Zeros that are added around an image become the padding of a convolution.
Pass fuse_pad();
// Reshapes and transposes that shuffle channels become one `fused` node. Hides them.
Pass fuse_channel_shuffle();
// Scales and shifts after a product go into its weights. Likewise.
Pass fuse_batch_norm();
// Tensors of bytes that convolutions read get a multiple of sixteen channels, for a GPU whose
// kernels copy so. After fuse_byte_tables and what folds constants; before fuse_epilogue.
Pass pad_channels();
// A product and the pointwise nodes after it become one `fused` node, and so do chains of pointwise
// nodes. After all that does not look into bodies: it hides nodes.
Pass fuse_epilogue();
// Products take rounded operands where the target says so. After fuse_epilogue, whose nodes it
// looks into, and before fuse_depthwise, whose nodes it leaves alone.
Pass assign_precision();
// A 1 x 1 convolution and the depthwise one after it become one `fused` node, for the CPU. After
// fuse_epilogue.
Pass fuse_depthwise();
// A concat of channels goes into the 1 x 1 convolutions that alone read it, for a GPU whose kernels
// read its pieces. After fuse_epilogue, before fuse_moves.
Pass fuse_concat();
// A layer normalisation between products becomes part of both, for a GPU whose kernels sum rows.
// After fuse_epilogue.
Pass fold_layer_norm();
// Convolutions before moves get a multiple of eight filters, of 16 where they make bytes, for GPUs.
// After fuse_epilogue.
Pass rewrite_odd_channels();
// Moves of elements and the pointwise nodes among them become one `fused` node, for devices. Last.
Pass fuse_moves();
// Operators between dequantize_linear and quantize_linear become integer ones (docs/int8.md).
Pass fuse_quantized();
// Integer operators that are a function of one byte become a table.
Pass fuse_byte_tables();

}  // namespace strop
