#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "encoders/process_group.h"
#include "encoders/trainer.h"
#include "engine/config.h"
#include "engine/evaluator.h"
#include "index/vector_index.h"
#include "storage/catalog.h"
#include "storage/progress.h"

namespace dexter {

class Encoder;

// The offline flow, one function a verb. Each leaves the store whole whenever it is stopped.

// Whether a training document belongs to the validation part: a hash of its key, so that the same
// documents are held out on every machine and at every import of the same corpus.
bool in_validation_part(std::string_view document_key, double fraction);

// Trains on the store's corpus and commits `Manifest::trained`, the configuration and the note
// "history". `resume` goes on from the checkpoint of a run that was stopped, or begins where there
// is none; TrainReport::resumed tells. `on_epoch` may be empty. kNotFound without a corpus; else as
// train_encoder. Of several processes (`ranks`) each opens the store or a copy of it; only rank 0
// writes, reports and needs it open for writing, and the others' report is empty.
TrainReport train(Catalog& catalog, const Config& config, bool resume,
                  const std::function<void(const EpochRecord&)>& on_epoch, const Progress& progress,
                  const ProcessGroup* ranks = nullptr);

struct IndexReport {
  GenerationInfo generation;
  IndexDescription index;
  // Labels without any feature the encoder knows; left out of the index.
  std::uint64_t unanswerable_labels = 0;
  double encode_seconds = 0;
  double build_seconds = 0;
  double document_seconds = 0;  // indexing documents, and encoding them where no files are kept
  // Files of vectors that encoding went through, and those this process made; 0 without files.
  std::size_t chunks = 0, chunks_encoded = 0;
};

// Encodes every label with the newest trained encoder, builds the index, with
// `DocumentOptions::documents` that of the training documents beside it, and commits a new
// generation; of `config` the index and runtime options count, the rest stays as it was trained.
// A transformer's vectors, or any where the work is `shared`, go through files, which other
// processes help to make (help_to_encode): stopped or killed, the next call takes up what is there.
// kNotFound without an encoder trained on the store's present corpus.
IndexReport build_generation(Catalog& catalog, const Config& config, const Progress& progress,
                             bool shared = false);

// One more than the largest number that a file of `folder`, which is made where it is absent,
// begins with, so that a name is never used for two files, one of which a reader may have open.
std::uint64_t next_file_number(const std::filesystem::path& folder);

// Builds the index of the next generation over `vectors` [ids x dim], none zero, tuned by documents
// of the corpus, writes its file, and says so in `report`. Nothing is committed.
void write_index(const Catalog& catalog, const Encoder& encoder, const Config& config,
                 std::span<const std::int64_t> ids, EmbeddingView vectors, IndexReport& report,
                 const Progress& progress);

// Adds or replaces labels by key; answerable at the next open from their text alone, without a
// training document. One atomic write for all of them; `id` is ignored, an empty name is the key,
// an empty text the name. kInvalidInput for an empty or repeated key, text that is not UTF-8, and a
// text without any feature the encoder knows.
std::vector<LabelId> add_labels(Catalog& catalog, std::span<const Label> labels);

// The two halves of the above: labels as they are kept, and their vectors. Errors: as there, but
// for keys, which Catalog::put_labels checks.
std::vector<Label> completed_labels(std::span<const Label> labels);
EmbeddingMatrix encode_added(const Encoder& encoder, std::span<const Label> labels);

}  // namespace dexter
