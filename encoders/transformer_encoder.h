#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "encoders/encoder.h"
#include "encoders/matrix_product.h"
#include "encoders/trainer.h"
#include "encoders/transformer_checkpoint.h"
#include "encoders/transformer_options.h"

namespace dexter {

// Takes the file over. `fingerprint` names its content.
std::unique_ptr<Encoder> make_transformer_encoder(SectionFileReader file, std::string fingerprint);

// Options with every "auto" and 0 replaced by what the checkpoint says. kInvalidInput where they do
// not fit it.
TransformerOptions resolved(const TransformerOptions& options,
                            const TransformerCheckpoint& checkpoint);

// Of a valid TransformerOptions::precision.
Precision precision_named(std::string_view name);

// Of a config.json and resolved options.
TransformerShape shape_of(const TransformerOptions& options, std::string_view config,
                          const std::string& source = "an encoder's config.json");

// The checkpoint in `options.weights`. kInvalidInput without weights; else as read_checkpoint.
TransformerCheckpoint read_weights(const TransformerOptions& options);

// Writes the encoder of the checkpoint in `options.weights`, as it is: both sides share it. The
// report's history is empty and its `corpus` is left 0 for the caller. Errors: as read_weights.
TrainReport adopt_transformer(const TransformerOptions& options, const std::filesystem::path& root,
                              const std::string& encoder_file);

// Writes the encoder of a checkpoint; `options` are resolved, and separate towers have label
// weights. The file is committed when this returns.
FileRef save_transformer(const TransformerOptions& options, const TransformerCheckpoint& checkpoint,
                         const std::filesystem::path& root, const std::string& name);

// Writes `encoder`, a file of the store `root`, as a checkpoint folder that read_checkpoint and the
// Python ecosystem read; separate towers as two, `documents` and `labels` in it. Prefixes and a
// smaller `dim` have no place in that layout.
// kInvalidInput for an encoder of another kind, or whose pooling learns.
void export_transformer(const std::filesystem::path& root, const FileRef& encoder,
                        const std::filesystem::path& folder);

}  // namespace dexter
