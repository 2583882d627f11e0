#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <utility>
#include <vector>

#include "engine/encoding_work.h"
#include "storage/catalog.h"
#include "storage/progress.h"

namespace dexter {

class Encoder;

// A store's labels and documents as chunks of EncodingWork.
inline constexpr std::size_t kTextsPerChunk = 4096;

// Calls `visit` with spans of up to kTextsPerChunk of what `scan` gives one by one.
template <class Thing, class Scan, class Visit>
void in_chunks(const Scan& scan, const Visit& visit) {
  std::vector<Thing> waiting;
  scan([&](Thing&& thing) {
    waiting.push_back(std::move(thing));
    if (waiting.size() < kTextsPerChunk) return;
    visit(std::span(waiting));
    waiting.clear();
  });
  if (!waiting.empty()) visit(std::span(waiting));
}

// What is given must outlive the chunk.
TextChunk chunk_of(const Encoder& encoder, std::span<const Label> labels);
// Encoded kEncodedTogether at once.
TextChunk chunk_of(const Encoder& encoder, std::span<const Example> documents);

// Labels, then, where asked for, the documents that the store remembers. Both must outlive it.
ChunkScan chunks_of(const Catalog& catalog, const Encoder& encoder, bool documents);

// What a process does that encodes for the one that writes the store: waits for the manifest of its
// work, up to `timeout` seconds but no longer than 60, and encodes chunks until the store's
// generation is committed, its work is removed, or nothing was left to encode for `timeout`
// seconds. Returns how many it encoded.
std::size_t help_to_encode(const std::filesystem::path& store, double timeout,
                           const Progress& progress);

}  // namespace dexter
