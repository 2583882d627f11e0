// Reading a whole store to find what is damaged.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "storage/catalog.h"
#include "storage/codec.h"
#include "storage/error.h"
#include "storage/noted_files.h"
#include "storage/record_store.h"
#include "storage/seal.h"
#include "storage/section_file.h"

namespace dexter {
namespace {

namespace fs = std::filesystem;

class Verifier {
 public:
  Verifier(const fs::path& store, const std::function<void(const std::string&)>& visit)
      : store_(store), visit_(visit) {}

  std::vector<Damage> run() {
    verify_seal_and_files();
    // The seal has named what is damaged; RocksDB need not parse it.
    const auto in_catalog = [](const Damage& damage) {
      return damage.file.starts_with("catalog/");
    };
    if (std::ranges::none_of(damages_, in_catalog)) verify_catalog();
    if (manifest_) verify_named_files(*manifest_);
    verify_checkpoints();
    return std::move(damages_);
  }

 private:
  void add(const std::string& file, const std::string& what) {
    if (damaged_.insert(file).second) damages_.push_back({file, what});
  }

  void visit(const std::string& file) const {
    if (visit_) visit_(file);
  }

  // Runs one check; what it throws is damage of `file`. A newer format is no damage.
  template <class Check>
  bool attempt(const std::string& file, Check&& check) {
    try {
      check();
      return true;
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::kIncompatible) throw;
      add(file, error.what());
    } catch (const fs::filesystem_error& error) {
      add(file, error.what());
    }
    return false;
  }

  void verify_seal_and_files() {
    attempt("SEAL", [&] {
      const auto seal = read_seal(store_);
      if (!seal) return;
      std::vector<Damage> found;
      verify_seal(
          store_, *seal,
          [&](const auto& file, const auto& what) {
            found.push_back({file, what});
          },
          visit_);
      if (read_seal(store_) != seal) return;  // a writer has begun to change the files
      for (const Damage& damage : found) add(damage.file, damage.what);
    });
  }

  // What RocksDB says of a damaged file holds the file's name somewhere.
  std::string file_in(const std::string& message) const {
    const std::string folder = (store_ / "catalog").string() + "/";
    const std::size_t at = message.find(folder);
    if (at == std::string::npos) return "catalog";
    const std::size_t begin = at + folder.size();
    const std::size_t end = std::min(message.find_first_of(" :;,\n", begin), message.size());
    return "catalog/" + message.substr(begin, end - begin);
  }

  void verify_catalog() {
    const auto damaged = [&](const std::string& file, const std::string& what) {
      add("catalog/" + file, what);
    };
    std::optional<RecordStore> records;
    try {
      records.emplace(store_ / "catalog", RecordStore::Access::kRead);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::kIncompatible) throw;
      const std::size_t before = damages_.size();
      attempt("catalog", [&] { RecordStore::verify_tables(store_ / "catalog", damaged); });
      if (damages_.size() == before) add(file_in(error.what()), error.what());
      return;
    }
    records->verify(damaged, [&](const std::string& file) { visit("catalog/" + file); });
    verify_manifest(*records);
    for (std::size_t i = 0; i < kFamilies; ++i) verify_records(*records, static_cast<Family>(i));
    if (manifest_) verify_counts(*records);
    verify_noted_files(*records);
  }

  void verify_manifest(const RecordStore& records) {
    attempt("the manifest", [&] {
      const auto value = records.get(Family::kMeta, codec::kManifestKey);
      ensure(value.has_value(), ErrorKind::kCorrupt, "it is missing from the catalog");
      manifest_ = manifest_from_json(codec::decode_text(codec::kManifestKey, *value));
    });
    attempt("the record \"counts\"", [&] {
      const auto value = records.get(Family::kMeta, codec::kCountsKey);
      ensure(value.has_value(), ErrorKind::kCorrupt, "it is missing from the catalog");
      counts_ = codec::decode_counts(codec::kCountsKey, *value);
    });
  }

  void verify_records(const RecordStore& records, Family family) {
    static const KeyRange kAll{std::string(), std::string(8, '\xff')};
    const std::string name = fmt::format("catalog, family {}", name_of(family));
    visit(name);
    attempt(name, [&] {
      records.scan(family, kAll, [&](std::string_view key, std::string_view value) {
        // The description of a record is made only for a damaged one.
        try {
          codec::verify(family, key, value);
        } catch (const Error& error) {
          if (error.kind() == ErrorKind::kIncompatible) throw;
          add(codec::describe(family, key), error.what());
        }
        return true;
      });
    });
  }

  std::uint64_t count(const RecordStore& records, Family family, const KeyRange& range) {
    std::uint64_t found = 0;
    records.scan(family, range, [&](std::string_view, std::string_view) { return ++found, true; });
    return found;
  }

  void expect_count(const RecordStore& records, Family family, const KeyRange& range,
                    std::uint64_t wanted, const std::string& name) {
    attempt(name, [&] {
      const std::uint64_t found = count(records, family, range);
      ensure(found == wanted, ErrorKind::kCorrupt,
             fmt::format("{} records are there, {} were written", found, wanted));
    });
  }

  void verify_counts(const RecordStore& records) {
    const std::uint32_t corpus = manifest_->corpus ? manifest_->corpus->number : 0;
    const KeyRange labels = codec::corpus_range(corpus);
    expect_count(records, Family::kLabels, labels, counts_.labels, "the labels");
    expect_count(records, Family::kLabelKeys, labels, counts_.labels, "the label keys");
    if (!manifest_->corpus) return;
    for (const Split split : {Split::kTrain, Split::kTest}) {
      const bool train = split == Split::kTrain;
      const std::uint64_t wanted =
          train ? manifest_->corpus->train_documents : manifest_->corpus->test_documents;
      const std::string part = train ? "train part" : "test part";
      const KeyRange range = codec::document_range(corpus, split);
      expect_count(records, Family::kDocuments, range, wanted, "the documents of the " + part);
      expect_count(records, Family::kDocumentKeys, range, wanted,
                   "the document keys of the " + part);
    }
  }

  void verify_noted_files(const RecordStore& records) {
    attempt("the note \"files\"", [&] {
      const std::string key = codec::note_key(kFilesNote);
      if (const auto note = records.get(Family::kMeta, key))
        for (const FileRef& file : noted_files_from_json(codec::decode_text(key, *note)).files)
          verify_named_file(file);
    });
  }

  void verify_named_file(const FileRef& file) {
    visit(file.name);
    attempt(file.name, [&] { verify_section_file(store_, file); });
  }

  void verify_named_files(const Manifest& manifest) {
    if (manifest.trained) verify_named_file(manifest.trained->file);
    if (!manifest.generation) return;
    verify_named_file(manifest.generation->encoder.file);
    verify_named_file(manifest.generation->label_index);
    if (const auto& documents = manifest.generation->documents) {
      verify_named_file(documents->index);
      verify_named_file(documents->table);
      if (documents->words) verify_named_file(*documents->words);
    }
  }

  void verify_checkpoints() {
    std::error_code absent;
    for (const auto& entry : fs::directory_iterator(store_ / "train", absent)) {
      const std::string name = entry.path().lexically_relative(store_).generic_string();
      if (!entry.is_regular_file() || entry.path().extension() == ".tmp") continue;
      visit(name);
      attempt(name, [&] { verify_section_file(entry.path()); });
    }
  }

  const fs::path store_;
  const std::function<void(const std::string&)>& visit_;
  std::vector<Damage> damages_;
  std::set<std::string> damaged_;
  std::optional<Manifest> manifest_;
  codec::Counts counts_;
};

// Another text whenever a writer has begun, changed or ended something.
std::string state_of(const fs::path& store) {
  std::error_code absent;
  const bool sealed = fs::exists(store / "SEAL", absent);
  return RecordStore::signature(store / "catalog") + (sealed ? " sealed" : "");
}

}  // namespace

std::vector<Damage> verify_store(const std::filesystem::path& store,
                                 const std::function<void(const std::string& file)>& visit) {
  ensure(fs::exists(store / "catalog") || fs::exists(store / "SEAL"), ErrorKind::kNotFound,
         fmt::format(
             "verifying {}: there is no store; name the folder given to `dexter import --store`",
             store.string()));
  // What seems damaged while a writer is at work may be what it has just replaced.
  constexpr int kAttempts = 8;
  for (int attempt = 1;; ++attempt) {
    const std::string before = state_of(store);
    auto damages = Verifier(store, visit).run();
    if (damages.empty() || attempt == kAttempts || state_of(store) == before) return damages;
  }
}

}  // namespace dexter
