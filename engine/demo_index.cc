// The files that demonstrations are found by.
#include "engine/demo_index.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "engine/demo_pseudo.h"
#include "engine/encoding_chunk.h"
#include "engine/offline.h"
#include "storage/checksum.h"
#include "storage/error.h"
#include "storage/noted_files.h"

namespace dexter {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view kRowsType = "rows";
constexpr std::uint32_t kRowsVersion = 1;

std::string note_of(const BankIndexInfo& info) {
  NotedFiles noted{.files = {info.words}, .about = {}};
  boost::json::object about{{"stemmer", info.stemmer}};
  if (info.vectors) {
    noted.files.push_back(info.vectors->index);
    noted.files.push_back(info.vectors->rows);
    about["index_kind"] = info.vectors->index_kind;
    about["fingerprint"] = info.vectors->fingerprint;
  }
  if (info.pseudo) noted.files.push_back(*info.pseudo);
  about["pseudo"] = info.pseudo.has_value();
  noted.about = boost::json::serialize(about);
  return to_json(noted);
}

BankIndexInfo info_of(const NotedFiles& noted) {
  const boost::json::object about = boost::json::parse(noted.about).as_object();
  const auto text = [&](const char* name) { return std::string(about.at(name).as_string()); };
  BankIndexInfo info{
      .words = noted.files.at(0), .stemmer = text("stemmer"), .vectors = {}, .pseudo = {}};
  const auto* pseudo = about.if_contains("pseudo");
  if (pseudo != nullptr && pseudo->as_bool()) info.pseudo = noted.files.back();
  if (about.contains("fingerprint"))
    info.vectors = {.index = noted.files.at(1),
                    .rows = noted.files.at(2),
                    .index_kind = text("index_kind"),
                    .fingerprint = text("fingerprint")};
  return info;
}

}  // namespace

std::optional<BankIndexInfo> bank_index(const Catalog& bank) {
  const auto note = bank.note(kFilesNote);
  if (!note) return std::nullopt;
  const NotedFiles noted = noted_files_from_json(*note);
  try {
    return info_of(noted);
  } catch (const std::exception& error) {
    throw Error(ErrorKind::kCorrupt,
                fmt::format("reading what indexes {}: {}; import the demonstrations again",
                            bank.path().string(), error.what()));
  }
}

EmbeddingMatrix BankEncoder::encode(std::span<const Demonstration> demos,
                                    const Progress& progress) const {
  const char* stage = "encoding demonstrations";
  const auto text = [&](std::size_t i) {
    return instructed(instructions, demos[i].task, demos[i].input);
  };
  return encode_in_parts(*encoder, demos.size(), text, [&](std::size_t done) {
    if (done < demos.size()) progress.check(stage);
    progress.update({stage, done, demos.size(), "demonstrations", {}});
  });
}

EmbeddingMatrix BankEncoder::encode(const std::string& task, const std::string& text) const {
  const std::string asked = instructed(instructions, task, text);
  return encoder->encode(std::span(&asked, 1));
}

BankEncoder find_bank_encoder(const fs::path& store, const Catalog& bank) {
  BankEncoder found{.encoder = nullptr, .instructions = load_instructions(bank), .fingerprint = {}};
  if (const auto& trained = bank.manifest().trained) {
    found.encoder = load_encoder(bank.path(), trained->file);
    found.fingerprint = trained->fingerprint;
  } else {
    const Catalog labels = Catalog::open(store, OpenMode::kRead);
    const auto& generation = labels.manifest().generation;
    if (!generation) return found;
    found.encoder = load_encoder(store, generation->encoder.file);
    found.fingerprint = generation->encoder.fingerprint;
  }
  std::uint64_t hash = 0;
  for (const auto& [task, text] : found.instructions)
    hash = checksum64(text, checksum64(task, hash + 1));
  if (hash != 0) found.fingerprint += '-' + to_hex(hash);
  return found;
}

Bm25Index index_words(std::span<const Demonstration> demos, const Bm25Options& options) {
  std::vector<std::string_view> texts;
  for (const Demonstration& demo : demos) texts.push_back(demo.input);
  return {texts, options};
}

std::unique_ptr<VectorIndex> index_inputs(EmbeddingView rows, const IndexOptions& options) {
  std::vector<std::int64_t> ids;
  for (std::size_t i = 0; i < rows.rows(); ++i)
    if (!is_zero(rows.row(i))) ids.push_back(static_cast<std::int64_t>(i));
  if (ids.size() == rows.rows()) return build_index(options, rows, ids);
  EmbeddingMatrix known(ids.size(), rows.dim());
  for (std::size_t i = 0; i < ids.size(); ++i)
    std::ranges::copy(rows.row(static_cast<std::size_t>(ids[i])), known.row(i).begin());
  return build_index(options, known, ids);
}

RowsOfTask rows_by_task(std::span<const Demonstration> demos) {
  std::map<std::string, std::vector<std::int64_t>> rows;
  for (std::size_t row = 0; row < demos.size(); ++row)
    rows[demos[row].task].push_back(static_cast<std::int64_t>(row));
  RowsOfTask sets;
  for (auto& [task, members] : rows)
    sets.emplace(task, std::make_shared<const IdSet>(std::move(members)));
  return sets;
}

InputVectors::InputVectors(std::span<const Demonstration> demos, const BankEncoder& encoder,
                           const IndexOptions& options, const Progress& progress)
    : own_rows_(encoder.encode(demos, progress)), rows_(own_rows_) {
  index_ = index_inputs(rows_, options);
}

InputVectors::InputVectors(const fs::path& bank, const BankIndexInfo::Vectors& files,
                           std::size_t size)
    : index_(load_index(bank, files.index)),
      file_(std::in_place, bank, files.rows, kRowsType, kRowsVersion) {
  const std::span<const std::byte> bytes = file_->section("values");
  const int dim = index_->describe().dim;
  ensure(bytes.size() == size * static_cast<std::size_t>(dim) * sizeof(float), ErrorKind::kCorrupt,
         fmt::format("reading {}: {} bytes are not {} vectors of {} dimensions; import the "
                     "demonstrations again",
                     files.rows.name, bytes.size(), size, dim));
  rows_ = {reinterpret_cast<const float*>(bytes.data()), size, dim};
}

BankIndexInfo::Vectors InputVectors::save(const fs::path& bank, const std::string& stem,
                                          const std::string& fingerprint) const {
  const fs::path folder = bank / "index";
  BankIndexInfo::Vectors files;
  files.index = index_->save(folder / (stem + ".inputs.idx"), bank);
  files.index_kind = index_->describe().kind;
  files.fingerprint = fingerprint;
  SectionFileWriter writer(folder / (stem + ".rows.idx"), kRowsType, kRowsVersion);
  const std::size_t values = rows_.rows() * static_cast<std::size_t>(rows_.dim());
  writer.add("values", std::as_bytes(std::span(rows_.data(), values)));
  files.rows = writer.commit(bank);
  return files;
}

void index_bank(const fs::path& store, Catalog& bank, const IndexOptions& options,
                const std::optional<Bm25Options>& words, const Progress& progress,
                const std::vector<Demonstration>* pseudo) {
  const fs::path folder = bank.path() / "index";
  const std::string stem = fmt::format("{:06}", next_file_number(folder));
  BankIndexInfo info = bank_index(bank).value_or(BankIndexInfo{});
  std::vector<Demonstration> demos =
      pseudo == nullptr ? load_all_demonstrations(bank) : load_bank(bank);
  if (pseudo != nullptr) {
    demos.insert(demos.end(), pseudo->begin(), pseudo->end());
    info.pseudo.reset();
    if (!pseudo->empty()) info.pseudo = save_pseudo(bank.path(), stem, *pseudo);
  }
  if (info.words.name.empty() || words || pseudo != nullptr) {
    const std::string former = info.stemmer.empty() ? Bm25Options{}.stemmer : info.stemmer;
    const Bm25Index made = index_words(demos, words.value_or(Bm25Options{.stemmer = former}));
    info.words = made.save(folder / (stem + ".words.idx"), bank.path());
    info.stemmer = made.options().stemmer;
  }
  const BankEncoder found = find_bank_encoder(store, bank);
  info.vectors.reset();
  if (found.encoder)
    info.vectors =
        InputVectors(demos, found, options, progress).save(bank.path(), stem, found.fingerprint);
  bank.put_note(kFilesNote, note_of(info));
  bank.commit(bank.manifest(), /*clear_changes=*/true);  // removes what the note named before
}

}  // namespace dexter
