#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "storage/embedding_matrix.h"
#include "storage/progress.h"
#include "storage/section_file.h"

namespace dexter {

// Encoding that many processes share through files in STORE/encoding (storage/FORMAT.md). The one
// that writes the store lists all chunks of texts in a manifest; it and any number of others, which
// only read the store, each take a chunk that nobody has encoded or is encoding, and write its
// vectors as one file, named by the checksum of all that they depend on: encoder, ids and texts. A
// process that is killed loses the chunk it was at and nothing else: its claim is a file lock,
// which ends with it. Vectors of a chunk depend on nothing outside it, so where machines, devices
// and numbers of threads are alike they are one process's, bit for bit.

// Texts that are encoded as one.
struct TextChunk {
  std::size_t texts = 0;
  std::uint64_t checksum = 0;  // of all that the vectors depend on but the encoder
  // Called after each part of so many texts; may throw to end the work.
  using PartDone = std::function<void(std::size_t texts)>;
  std::function<EmbeddingMatrix(const PartDone& done)> encode;  // [texts x dim]
};
// Gives all chunks, the same ones in the same order each time.
using ChunkScan = std::function<void(const std::function<void(const TextChunk&)>& visit)>;

struct EncodingManifest {
  struct Chunk {
    std::uint64_t name = 0;  // of its file
    std::uint64_t texts = 0;
    bool operator==(const Chunk&) const = default;
  };
  FileRef encoder;
  bool documents = false;  // whether documents follow the labels
  std::vector<Chunk> chunks;
  bool operator==(const EncodingManifest&) const = default;
};
// Of the store's present work; nothing where there is none. kCorrupt for a damaged one.
std::optional<EncodingManifest> read_encoding_manifest(const std::filesystem::path& store);
// Whether a chunk of it has no file yet.
bool lacks_chunks(const std::filesystem::path& store, const EncodingManifest& manifest);

// One caller.
class EncodingWork {
 public:
  // Of the process that writes the store: makes the manifest, and removes files of other work that
  // nobody is writing, and damaged ones, of which `progress` warns.
  EncodingWork(const std::filesystem::path& store, const FileRef& encoder, bool documents, int dim,
               ChunkScan scan, const Progress& progress);
  // Of another process, for a manifest that was read.
  EncodingWork(const std::filesystem::path& store, EncodingManifest manifest, int dim,
               ChunkScan scan);

  // Encodes until every chunk has its file; true then. False where the manifest is not the store's
  // any more, or `scan` gives other texts than it lists. kInterrupted by `progress`.
  bool run(const Progress& progress);
  // A chunk's vectors from its file; encoded here where that is absent, or damaged, of which
  // `progress` warns. [texts x dim]
  EmbeddingMatrix vectors(const TextChunk& chunk, const Progress& progress);
  // Removes all files of the store's work, if there is any.
  static void finish(const std::filesystem::path& store);

  std::size_t chunks() const { return manifest_.chunks.size(); }
  std::size_t encoded() const { return encoded_; }  // chunks, by this process

 private:
  std::filesystem::path file_of(std::uint64_t name, const char* extension) const;
  bool is_there(std::uint64_t name) const;
  bool is_current() const;
  std::optional<EmbeddingMatrix> read(std::uint64_t name, std::size_t texts,
                                      const Progress& progress) const;
  void write(std::uint64_t name, const EmbeddingMatrix& vectors) const;
  void remove_other_files() const;
  bool encode_free_chunks(const Progress& progress);
  bool encode_chunk(std::uint64_t name, const TextChunk& chunk, const Progress& progress);
  std::uint64_t texts() const;
  std::uint64_t finished_texts() const;

  const std::filesystem::path folder_;
  const bool owns_;
  const int dim_;
  const ChunkScan scan_;
  EncodingManifest manifest_;
  std::size_t encoded_ = 0;
};

}  // namespace dexter
