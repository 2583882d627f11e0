// Where the documents of an evaluation come from.
#include "tools/evaluation_source.h"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include "engine/config.h"
#include "engine/offline.h"
#include "storage/corpus_reader.h"
#include "tools/example_feed.h"

namespace dexter {
namespace {

// The share that training held out, as the store keeps it.
double held_out_share(const Catalog& catalog) {
  Config config;
  if (!catalog.manifest().config.empty())
    merge_json(config, catalog.manifest().config, "the store's configuration");
  return config.train.validation_fraction;
}

}  // namespace

EvaluationSource::EvaluationSource(const Catalog& catalog) : catalog_(catalog), name_("test part") {
  const auto& corpus = catalog.manifest().corpus;
  const bool tested = corpus && corpus->test_documents > 0;
  const double share = held_out_share(catalog);
  if (!tested) {
    ensure(share > 0, ErrorKind::kInvalidInput,
           "the store has no test documents, and training held none out; import some with --test, "
           "or name "
           "a file with --data");
    name_ = "validation part";
    remark_ =
        "the store has no test documents: evaluating the training documents that were held out for "
        "validation, which chose the epoch that was kept, so the figures are somewhat too good";
    held_out_ = share;
  }
  const auto feed =
      std::make_shared<ExampleFeed>([&catalog, tested, share](const ExampleFeed::Visit& visit) {
        catalog.scan_examples(tested ? Split::kTest : Split::kTrain, [&](Example&& example) {
          if (tested || in_validation_part(example.key, share)) visit(std::move(example));
        });
      });
  stream_ = [feed](Example& example) { return feed->next(example); };
}

EvaluationSource::EvaluationSource(const Catalog& catalog, const std::filesystem::path& file,
                                   const std::string& format)
    : catalog_(catalog), name_(file.filename().string()) {
  const std::shared_ptr<CorpusReader> reader = open_corpus(file, {.format = format});
  const std::uint32_t imported = catalog.manifest().corpus ? catalog.manifest().corpus->labels : 0;
  stream_ = [this, reader, imported](Example& example) {
    CorpusRow row;
    if (!reader->next_document(row)) return false;
    example = {};
    example.key = std::move(row.key);
    example.text = std::move(row.text);
    for (const std::string& key : row.label_keys) resolve(example, catalog_.find_label(key), key);
    for (const std::uint32_t at : row.label_rows) {
      const auto found = at < imported ? catalog_.find_label(LabelId{at}) : std::nullopt;
      resolve(example, found, fmt::format("row {}", at));
    }
    std::sort(example.labels.begin(), example.labels.end());
    example.labels.erase(std::unique(example.labels.begin(), example.labels.end()),
                         example.labels.end());
    return true;
  };
}

std::shared_ptr<const IdSet> EvaluationSource::training_documents() const {
  if (!held_out_) return nullptr;
  std::vector<std::int64_t> ids;
  catalog_.scan_examples(Split::kTrain, [&](Example&& example) {
    if (in_validation_part(example.key, *held_out_))
      ids.push_back(static_cast<std::int64_t>(value(example.id)));
  });
  return std::make_shared<const IdSet>(std::move(ids));
}

void EvaluationSource::resolve(Example& example, const std::optional<Label>& found,
                               std::string_view mention) {
  ++mentions_;
  if (found) {
    example.labels.push_back(found->id);
    return;
  }
  if (unknown_mentions_++ == 0) first_unknown_ = mention;
}

}  // namespace dexter
