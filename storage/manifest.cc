// The manifest as JSON.
#include "storage/manifest.h"

#include <spdlog/fmt/fmt.h>

#include <boost/json.hpp>
#include <filesystem>
#include <limits>

#include "storage/error.h"
#include "storage/noted_files.h"

namespace dexter {
namespace {

namespace json = boost::json;

json::object object_of(const FileRef& file) {
  return {{"name", file.name}, {"bytes", file.bytes}, {"checksum", file.checksum}};
}

json::object object_of(const CorpusInfo& corpus) {
  return {{"number", corpus.number},
          {"format", corpus.format},
          {"text_kind", corpus.text_kind == TextKind::kSparse ? "sparse" : "natural"},
          {"train_documents", corpus.train_documents},
          {"test_documents", corpus.test_documents},
          {"labels", corpus.labels},
          {"sparse_features", corpus.sparse_features}};
}

json::object object_of(const EncoderInfo& encoder) {
  return {{"file", object_of(encoder.file)},
          {"kind", encoder.kind},
          {"fingerprint", encoder.fingerprint},
          {"dim", encoder.dim},
          {"corpus", encoder.corpus}};
}

// Calls `visit` with the name and the field of each number of a VoteFusion.
template <class Fusion, class Visit>
void visit_numbers(Fusion& fusion, const Visit& visit) {
  visit("label_weight", fusion.label_weight);
  visit("label_temperature", fusion.label_temperature);
  visit("temperature", fusion.temperature);
  visit("word_weight", fusion.word_weight);
  visit("word_temperature", fusion.word_temperature);
  visit("rarity", fusion.rarity);
  visit("p1_without", fusion.p1_without);
  visit("p1", fusion.p1);
  visit("p5_without", fusion.p5_without);
  visit("p5", fusion.p5);
  visit("psp5_without", fusion.psp5_without);
  visit("psp5", fusion.psp5);
  visit("r10_without", fusion.r10_without);
  visit("r10", fusion.r10);
}

json::object object_of(const VoteFusion& fusion) {
  json::object object{{"helps", fusion.helps},
                      {"pool", fusion.pool},
                      {"neighbours", fusion.neighbours},
                      {"validation_documents", fusion.validation_documents}};
  visit_numbers(fusion, [&](const char* name, double value) { object[name] = value; });
  return object;
}

json::object object_of(const DocumentsInfo& documents) {
  json::object object{
      {"index", object_of(documents.index)}, {"table", object_of(documents.table)},
      {"index_kind", documents.index_kind},  {"index_reason", documents.index_reason},
      {"documents", documents.documents},    {"fusion", object_of(documents.fusion)}};
  if (documents.words) object["words"] = object_of(*documents.words);
  return object;
}

json::object object_of(const GenerationInfo& generation) {
  json::object object{{"number", generation.number},
                      {"encoder", object_of(generation.encoder)},
                      {"label_index", object_of(generation.label_index)},
                      {"index_kind", generation.index_kind},
                      {"index_reason", generation.index_reason},
                      {"labels", generation.labels}};
  if (generation.documents) object["documents"] = object_of(*generation.documents);
  return object;
}

[[noreturn]] void throw_corrupt(const std::string& what) {
  throw Error(ErrorKind::kCorrupt,
              fmt::format("reading the store's manifest: {}; the store is damaged, "
                          "import again or restore a copy",
                          what));
}

const json::value& member(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr) throw_corrupt(fmt::format("\"{}\" is missing", key));
  return *value;
}

template <class Number>
Number number(const json::object& object, std::string_view key) {
  const json::value& value = member(object, key);
  boost::system::error_code failed;
  const auto result = value.is_number() ? value.to_number<Number>(failed) : Number{};
  if (!value.is_number() || failed || value.is_double())
    throw_corrupt(fmt::format("\"{}\" is not a number in its range", key));
  return result;
}

std::string text(const json::object& object, std::string_view key) {
  const json::value& value = member(object, key);
  if (!value.is_string()) throw_corrupt(fmt::format("\"{}\" is not a text", key));
  return std::string(value.get_string());
}

const json::object& object(const json::object& parent, std::string_view key) {
  const json::value& value = member(parent, key);
  if (!value.is_object()) throw_corrupt(fmt::format("\"{}\" is not an object", key));
  return value.get_object();
}

void read(FileRef& file, const json::object& from) {
  file = {text(from, "name"), number<std::uint64_t>(from, "bytes"), text(from, "checksum")};
  // Files of a store lie inside it, whatever a made-up manifest says.
  const std::filesystem::path path(file.name);
  if (path.empty() || path.is_absolute() || path.lexically_normal().native() != file.name ||
      *path.begin() == "..")
    throw_corrupt(fmt::format("the file name \"{}\" leads out of the store", file.name));
}

void read(CorpusInfo& corpus, const json::object& from) {
  corpus.number = number<std::uint32_t>(from, "number");
  corpus.format = text(from, "format");
  corpus.text_kind = text(from, "text_kind") == "sparse" ? TextKind::kSparse : TextKind::kNatural;
  corpus.train_documents = number<std::uint64_t>(from, "train_documents");
  corpus.test_documents = number<std::uint64_t>(from, "test_documents");
  corpus.labels = number<std::uint32_t>(from, "labels");
  corpus.sparse_features = number<std::uint64_t>(from, "sparse_features");
}

void read(EncoderInfo& encoder, const json::object& from) {
  read(encoder.file, object(from, "file"));
  encoder.kind = text(from, "kind");
  encoder.fingerprint = text(from, "fingerprint");
  encoder.dim = number<int>(from, "dim");
  encoder.corpus = number<std::uint32_t>(from, "corpus");
}

void read(VoteFusion& fusion, const json::object& from) {
  const json::value& helps = member(from, "helps");
  if (!helps.is_bool()) throw_corrupt("\"helps\" is neither true nor false");
  fusion.helps = helps.get_bool();
  fusion.pool = number<int>(from, "pool");
  fusion.neighbours = number<int>(from, "neighbours");
  fusion.validation_documents = number<std::uint64_t>(from, "validation_documents");
  visit_numbers(fusion, [&](const char* name, double& value) {
    const json::value& found = member(from, name);
    if (!found.is_number()) throw_corrupt(fmt::format("\"{}\" is not a number", name));
    value = found.to_number<double>();
  });
  const bool usable = fusion.pool >= 1 && fusion.neighbours >= 1 && fusion.label_weight > 0 &&
                      fusion.label_temperature > 0 && fusion.temperature > 0 &&
                      fusion.word_temperature > 0;
  if (!usable) throw_corrupt("a weight or temperature of the votes is not positive");
}

void read(DocumentsInfo& documents, const json::object& from) {
  read(documents.index, object(from, "index"));
  read(documents.table, object(from, "table"));
  documents.index_kind = text(from, "index_kind");
  documents.index_reason = text(from, "index_reason");
  documents.documents = number<std::uint64_t>(from, "documents");
  read(documents.fusion, object(from, "fusion"));
  if (from.contains("words")) read(documents.words.emplace(), object(from, "words"));
}

void read(GenerationInfo& generation, const json::object& from) {
  generation.number = number<std::uint64_t>(from, "number");
  read(generation.encoder, object(from, "encoder"));
  read(generation.label_index, object(from, "label_index"));
  generation.index_kind = text(from, "index_kind");
  generation.index_reason = text(from, "index_reason");
  generation.labels = number<std::uint64_t>(from, "labels");
  if (from.contains("documents")) read(generation.documents.emplace(), object(from, "documents"));
}

template <class Part>
void put_part(json::object& into, std::string_view key, const std::optional<Part>& part) {
  if (part) into[key] = object_of(*part);
}

template <class Part>
void read_part(std::optional<Part>& part, const json::object& from, std::string_view key) {
  if (from.contains(key)) read(part.emplace(), object(from, key));
}

}  // namespace

std::string to_json(const Manifest& manifest) {
  json::object object{{"format", manifest.format},
                      {"next_label", manifest.next_label},
                      {"config", manifest.config}};
  put_part(object, "corpus", manifest.corpus);
  put_part(object, "trained", manifest.trained);
  put_part(object, "generation", manifest.generation);
  return json::serialize(object);
}

Manifest manifest_from_json(std::string_view text_of_manifest) {
  boost::system::error_code failed;
  const json::value parsed = json::parse(text_of_manifest, failed);
  if (failed) throw_corrupt(failed.message());
  if (!parsed.is_object()) throw_corrupt("it is not an object");
  const json::object& object = parsed.get_object();
  Manifest manifest;
  manifest.format = number<int>(object, "format");
  ensure(manifest.format <= kStoreFormat, ErrorKind::kIncompatible,
         fmt::format(
             "opening the store: its format is {}, this build reads up to {}; use a newer dexter",
             manifest.format, kStoreFormat));
  manifest.next_label = number<std::uint32_t>(object, "next_label");
  manifest.config = text(object, "config");
  read_part(manifest.corpus, object, "corpus");
  read_part(manifest.trained, object, "trained");
  read_part(manifest.generation, object, "generation");
  return manifest;
}

std::string to_json(const NotedFiles& noted) {
  json::array files;
  for (const FileRef& file : noted.files) files.push_back(object_of(file));
  return json::serialize(json::object{{"files", std::move(files)}, {"about", noted.about}});
}

NotedFiles noted_files_from_json(std::string_view text_of_note) {
  boost::system::error_code failed;
  const json::value parsed = json::parse(text_of_note, failed);
  if (failed || !parsed.is_object()) throw_corrupt("the note \"files\" is not an object");
  const json::value& list = member(parsed.get_object(), "files");
  if (!list.is_array()) throw_corrupt("the note \"files\" has no list");
  NotedFiles noted{.files = {}, .about = text(parsed.get_object(), "about")};
  for (const json::value& each : list.get_array()) {
    if (!each.is_object()) throw_corrupt("the note \"files\" names no file");
    read(noted.files.emplace_back(), each.get_object());
  }
  return noted;
}

}  // namespace dexter
