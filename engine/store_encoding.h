#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "engine/encoding_work.h"
#include "storage/catalog.h"
#include "storage/progress.h"

namespace dexter {

class Encoder;

// A store's labels and documents as chunks of EncodingWork.
inline constexpr std::size_t kTextsPerChunk = 4096;

// What is given must outlive the chunk.
TextChunk chunk_of(const Encoder& encoder, std::span<const Label> labels);
// Encoded kEncodedTogether at once.
TextChunk chunk_of(const Encoder& encoder, std::span<const Example> documents);

// Labels, then, where asked for, the documents that the store remembers. Both must outlive it.
ChunkScan chunks_of(const Catalog& catalog, const Encoder& encoder, bool documents);

// What a process does that encodes for the one that writes the store: waits for the manifest of its
// work, up to `timeout` seconds, and encodes chunks until all are there. Returns how many it
// encoded; 0 where no work was found, or the store's generation was committed meanwhile.
std::size_t help_to_encode(const std::filesystem::path& store, double timeout,
                           const Progress& progress);

}  // namespace dexter
