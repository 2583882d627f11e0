// Chunks of texts that many processes encode, each once.
#include "engine/encoding_work.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <map>
#include <memory>
#include <span>
#include <system_error>
#include <thread>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include "storage/checksum.h"
#include "storage/crash_point.h"
#include "storage/error.h"
#include "storage/file_io.h"

namespace dexter {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kWorkType = "encoding", kVectorsType = "vectors";
constexpr std::uint32_t kWorkVersion = 1, kVectorsVersion = 1;
constexpr std::chrono::milliseconds kClaimAgain{100};

fs::path work_folder(const fs::path& store) { return store / "encoding"; }

std::uint64_t name_of(const FileRef& encoder, const TextChunk& chunk) {
  return checksum64(encoder.checksum, chunk.checksum);
}

std::string manifest_lines(const EncodingManifest& manifest) {
  std::string lines =
      fmt::format("{} {} {} {}\n", manifest.encoder.checksum, manifest.encoder.bytes,
                  int{manifest.documents}, manifest.encoder.name);
  for (const EncodingManifest::Chunk& chunk : manifest.chunks)
    lines += fmt::format("{:016x} {}\n", chunk.name, chunk.texts);
  return lines;
}

// The next word of `line`, which loses it.
std::string_view next_word(std::string_view& line) {
  const std::string_view word = line.substr(0, line.find(' '));
  line.remove_prefix(std::min(line.size(), word.size() + 1));
  return word;
}

template <class Number>
bool reads_number(std::string_view word, Number& number, int base = 10) {
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number, base);
  return error == std::errc() && end == word.data() + word.size();
}

bool parse_manifest(std::string_view text, EncodingManifest& manifest) {
  for (bool first = true; !text.empty(); first = false) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (first) {
      manifest.encoder.checksum = next_word(line);
      int documents = 0;
      if (!reads_number(next_word(line), manifest.encoder.bytes) ||
          !reads_number(next_word(line), documents))
        return false;
      manifest.documents = documents != 0;
      manifest.encoder.name = line;
      continue;
    }
    EncodingManifest::Chunk& chunk = manifest.chunks.emplace_back();
    if (!reads_number(next_word(line), chunk.name, 16) || !reads_number(line, chunk.texts))
      return false;
  }
  return !manifest.encoder.name.empty();
}

// Nobody else encodes the chunk while one lives; null where somebody does.
std::unique_ptr<FileLock> claimed(const fs::path& file) {
  try {
    return std::make_unique<FileLock>(file);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kUnavailable) throw;
    return nullptr;
  }
}

}  // namespace

std::optional<EncodingManifest> read_encoding_manifest(const fs::path& store) {
  const fs::path file = work_folder(store) / "manifest";
  EncodingManifest manifest;
  try {
    const SectionFileReader reader(file, kWorkType, kWorkVersion);
    ensure(parse_manifest(reader.text("chunks"), manifest), ErrorKind::kCorrupt,
           fmt::format("reading {}: it lists no chunks; run `dexter index` again", file.string()));
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kNotFound) return std::nullopt;
    throw;
  }
  return manifest;
}

bool lacks_chunks(const fs::path& store, const EncodingManifest& manifest) {
  return std::ranges::any_of(manifest.chunks, [&](const EncodingManifest::Chunk& chunk) {
    std::error_code absent;
    return !fs::exists(work_folder(store) / (to_hex(chunk.name) + ".vec"), absent);
  });
}

EncodingWork::EncodingWork(const fs::path& store, EncodingManifest manifest, int dim,
                           ChunkScan scan)
    : folder_(work_folder(store)),
      owns_(false),
      dim_(dim),
      scan_(std::move(scan)),
      manifest_(std::move(manifest)) {}

EncodingWork::EncodingWork(const fs::path& store, const FileRef& encoder, bool documents, int dim,
                           ChunkScan scan, const Progress& progress)
    : folder_(work_folder(store)), owns_(true), dim_(dim), scan_(std::move(scan)) {
  manifest_.encoder = encoder;
  manifest_.documents = documents;
  scan_([&](const TextChunk& chunk) {
    progress.check("encoding");
    manifest_.chunks.push_back({name_of(encoder, chunk), chunk.texts});
  });
  remove_other_files();
  const std::uint64_t all = texts();
  std::uint64_t whole = 0;
  for (const EncodingManifest::Chunk& chunk : manifest_.chunks) {
    progress.check("encoding");
    if (!is_there(chunk.name)) continue;
    if (read(chunk.name, chunk.texts, progress))
      progress.update({"encoding", whole += chunk.texts, all, "texts", {}});
    else
      fs::remove(file_of(chunk.name, ".vec"));
  }
  SectionFileWriter writer(folder_ / "manifest", kWorkType, kWorkVersion);
  writer.add("chunks", manifest_lines(manifest_));
  writer.commit(folder_);
}

fs::path EncodingWork::file_of(std::uint64_t name, const char* extension) const {
  return folder_ / (to_hex(name) + extension);
}

bool EncodingWork::is_there(std::uint64_t name) const {
  std::error_code absent;
  return fs::exists(file_of(name, ".vec"), absent);
}

bool EncodingWork::is_current() const {
  return owns_ || read_encoding_manifest(folder_.parent_path()) == manifest_;
}

std::optional<EmbeddingMatrix> EncodingWork::read(std::uint64_t name, std::size_t texts,
                                                  const Progress& progress) const {
  const fs::path file = file_of(name, ".vec");
  try {
    const SectionFileReader reader(file, kVectorsType, kVectorsVersion);
    ensure(reader.text("name") == to_hex(name), ErrorKind::kCorrupt, "it is another chunk's");
    EmbeddingMatrix vectors(texts, dim_);
    const std::size_t values = texts * static_cast<std::size_t>(dim_);
    std::ranges::copy(reader.values<float>("values", values), vectors.data());
    return vectors;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kNotFound) return std::nullopt;
    if (error.kind() != ErrorKind::kCorrupt && error.kind() != ErrorKind::kIncompatible) throw;
    progress.warning(
        fmt::format("{} is damaged, its texts are encoded again: {}", file.string(), error.what()));
  }
  return std::nullopt;
}

void EncodingWork::write(std::uint64_t name, const EmbeddingMatrix& vectors) const {
  SectionFileWriter writer(file_of(name, ".vec"), kVectorsType, kVectorsVersion);
  writer.add("name", to_hex(name));
  const std::size_t values = vectors.rows() * static_cast<std::size_t>(vectors.dim());
  writer.add("values", std::as_bytes(std::span(vectors.data(), values)));
  writer.commit(folder_);
}

// A process that is at a chunk goes on, so what it writes stays, of this work and of another.
void EncodingWork::remove_other_files() const {
  std::set<std::string> own{"manifest"};
  for (const EncodingManifest::Chunk& chunk : manifest_.chunks) own.insert(to_hex(chunk.name));
  std::map<std::string, std::vector<fs::path>> others;  // by chunk
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder_, failed)) {
    const std::string name = entry.path().filename().string();
    const std::string chunk = name.substr(0, name.find('.'));
    if (!own.contains(chunk)) others[chunk].push_back(entry.path());
  }
  for (const auto& [chunk, files] : others) {
    const fs::path lock = folder_ / (chunk + ".lock");
    std::unique_ptr<FileLock> claim;
    if (fs::exists(lock, failed) && (claim = claimed(lock)) == nullptr) continue;
    for (const fs::path& file : files) fs::remove(file, failed);
  }
}

std::uint64_t EncodingWork::texts() const {
  std::uint64_t all = 0;
  for (const EncodingManifest::Chunk& chunk : manifest_.chunks) all += chunk.texts;
  return all;
}

std::uint64_t EncodingWork::finished_texts() const {
  std::uint64_t finished = 0;
  for (const EncodingManifest::Chunk& chunk : manifest_.chunks)
    if (is_there(chunk.name)) finished += chunk.texts;
  return finished;
}

bool EncodingWork::run(const Progress& progress) {
  for (;;) {
    progress.check("encoding");
    progress.update({"encoding", finished_texts(), texts(), "texts", {}});
    const auto missing = [&](const auto& chunk) { return !is_there(chunk.name); };
    if (std::ranges::none_of(manifest_.chunks, missing)) return true;
    if (!is_current()) return false;
    const bool any_free = std::ranges::any_of(manifest_.chunks, [&](const auto& chunk) {
      return missing(chunk) && claimed(file_of(chunk.name, ".lock")) != nullptr;
    });
    if (!any_free)
      std::this_thread::sleep_for(kClaimAgain);
    else if (!encode_free_chunks(progress))
      return false;
  }
}

// One pass over the texts. False as `run`.
bool EncodingWork::encode_free_chunks(const Progress& progress) {
  std::size_t place = 0;
  bool same = true;
  scan_([&](const TextChunk& chunk) {
    if (!same) return;
    const std::uint64_t name = name_of(manifest_.encoder, chunk);
    same = place < manifest_.chunks.size() && manifest_.chunks[place++].name == name;
    if (!same || is_there(name)) return;
    same = is_current();  // else the folder may be gone, or other work's
    if (!same) return;
    const std::unique_ptr<FileLock> claim = claimed(file_of(name, ".lock"));
    if (claim == nullptr || is_there(name)) return;
    same = encode_chunk(name, chunk, progress);
  });
  return same && place == manifest_.chunks.size();
}

// False where the work ended or changed meanwhile: nothing is written then.
bool EncodingWork::encode_chunk(std::uint64_t name, const TextChunk& chunk,
                                const Progress& progress) {
  std::uint64_t done = finished_texts();  // others' are seen with the next chunk
  const std::uint64_t all = texts();
  const EmbeddingMatrix vectors = chunk.encode([&](std::size_t part) {
    progress.check("encoding");
    progress.update({"encoding", done += part, all, "texts", {}});
  });
  crash_point("encoding.before_chunk");
  if (!is_current()) return false;
  write(name, vectors);
  ++encoded_;
  crash_point("encoding.chunk_written");
  return true;
}

EmbeddingMatrix EncodingWork::vectors(const TextChunk& chunk, const Progress& progress) {
  const std::uint64_t name = name_of(manifest_.encoder, chunk);
  if (auto found = read(name, chunk.texts, progress)) return *std::move(found);
  ++encoded_;
  return chunk.encode([&](std::size_t) { progress.check("encoding"); });
}

void EncodingWork::finish(const fs::path& store) {
  std::error_code kept;  // what stays is removed by the next work
  fs::remove_all(work_folder(store), kept);
}

}  // namespace dexter
