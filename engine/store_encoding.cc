// Labels and documents to chunks, and the process that helps to encode them.
#include "engine/store_encoding.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "encoders/encoder.h"
#include "engine/encoding_chunk.h"
#include "storage/checksum.h"
#include "storage/error.h"

namespace dexter {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kReadAgain{500};
constexpr double kFirstWaitSeconds = 60;

std::uint64_t checksum_with(std::uint64_t former, std::uint64_t id, std::string_view text) {
  return checksum64(text, checksum64(std::as_bytes(std::span(&id, 1)), former));
}

std::uint64_t committed_generation(const Catalog& catalog) {
  const auto& generation = catalog.manifest().generation;
  return generation ? generation->number : 0;
}

// What there is to do. A damaged list is none: the writer makes it anew.
std::optional<EncodingManifest> present_work(const std::filesystem::path& store) {
  try {
    return read_encoding_manifest(store);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kCorrupt && error.kind() != ErrorKind::kIncompatible) throw;
    return std::nullopt;
  }
}

// Works on what `manifest` asks for; how many chunks were encoded here.
std::size_t help_once(const Catalog& catalog, const EncodingManifest& manifest,
                      const Progress& progress) {
  std::optional<EncodingWork> work;
  try {
    const auto encoder = load_encoder(catalog.path(), manifest.encoder);
    work.emplace(catalog.path(), manifest, encoder->dim(),
                 chunks_of(catalog, *encoder, manifest.documents));
    work->run(progress);
  } catch (const Error& error) {
    // Not found: left over from a former encoder. Else, work that ended or began anew amid a chunk
    // of this process took its files along.
    if (error.kind() != ErrorKind::kNotFound && present_work(catalog.path()) == manifest) throw;
  }
  return work ? work->encoded() : 0;
}

}  // namespace

TextChunk chunk_of(const Encoder& encoder, std::span<const Label> labels) {
  TextChunk chunk{.texts = labels.size(), .checksum = 0, .encode = {}};
  for (const Label& label : labels)
    chunk.checksum =
        checksum_with(checksum64(label.key, chunk.checksum), value(label.id), label.text);
  chunk.encode = [&encoder, labels](const TextChunk::PartDone& done) {
    EmbeddingMatrix vectors = encoder.encode_labels(labels);
    done(labels.size());
    return vectors;
  };
  return chunk;
}

TextChunk chunk_of(const Encoder& encoder, std::span<const Example> documents) {
  TextChunk chunk{.texts = documents.size(), .checksum = 1, .encode = {}};  // not a label's
  for (const Example& document : documents)
    chunk.checksum = checksum_with(chunk.checksum, value(document.id), document.text);
  chunk.encode = [&encoder, documents](const TextChunk::PartDone& done) {
    const auto text = [&](std::size_t i) { return documents[i].text; };
    std::size_t told = 0;
    return encode_in_parts(encoder, documents.size(), text, [&](std::size_t encoded) {
      if (encoded > told) done(encoded - told);
      told = encoded;
    });
  };
  return chunk;
}

ChunkScan chunks_of(const Catalog& catalog, const Encoder& encoder, bool documents) {
  return [&catalog, &encoder, documents](const std::function<void(const TextChunk&)>& visit) {
    const auto give = [&](auto things) { visit(chunk_of(encoder, things)); };
    in_chunks<Label>([&](const auto& each) { catalog.scan_labels(each); }, give);
    if (documents)
      in_chunks<Example>([&](const auto& each) { catalog.scan_documents(each); }, give);
  };
}

std::size_t help_to_encode(const std::filesystem::path& store, double timeout,
                           const Progress& progress) {
  const auto after = [](double seconds) {
    return Clock::now() + std::chrono::duration<double>(seconds);
  };
  auto deadline = after(std::min(timeout, kFirstWaitSeconds));
  const std::uint64_t generation = committed_generation(Catalog::open(store, OpenMode::kRead));
  std::optional<EncodingManifest> seen;
  for (std::size_t encoded = 0;;) {
    progress.check("waiting for texts to encode");
    // Opened again each time: the manifest is of the store as its writer found it.
    const Catalog catalog = Catalog::open(store, OpenMode::kRead);
    if (committed_generation(catalog) != generation) return encoded;
    const std::optional<EncodingManifest> found = present_work(store);
    if (seen && !found) return encoded;
    if (found != seen) deadline = after(timeout);
    seen = found;
    // Finished work may be what a former run left, and more about to come.
    if (found && lacks_chunks(store, *found)) {
      const std::size_t here = help_once(catalog, *found, progress);
      encoded += here;
      if (here > 0) deadline = after(timeout);
    }
    if (Clock::now() > deadline) return encoded;
    std::this_thread::sleep_for(kReadAgain);
  }
}

}  // namespace dexter
