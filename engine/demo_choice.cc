// Inputs worth solving, by who votes for whom among them.
#include "engine/demo_choice.h"

#include <algorithm>
#include <limits>
#include <set>
#include <string>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include "engine/demo_index.h"
#include "engine/demo_pseudo.h"
#include "engine/vote_k.h"
#include "index/vector_index.h"
#include "storage/error.h"

namespace dexter {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kSearchedTogether = 256;
constexpr const char* kSearching = "comparing inputs";

// Those of the files that are not solved yet.
Choice read_unsolved(std::span<const fs::path> files, std::span<const Demonstration> given,
                     const Progress& progress) {
  std::set<std::string> solved, read;
  for (const Demonstration& demo : given) solved.insert(same_input_key(demo));
  Choice choice;
  for (const fs::path& file : files)
    for (Demonstration& demo : read_demonstrations(file, progress)) {
      std::string key = same_input_key(demo);
      if (!read.insert(key).second) continue;
      ++choice.inputs;
      if (solved.contains(key)) {
        ++choice.solved;
        continue;
      }
      // An output of the file is not one that was asked for.
      if (demo.id == content_id(demo)) demo.id.clear();
      demo.output.clear();
      choice.chosen.push_back(std::move(demo));
    }
  return choice;
}

// For each of the first `candidates` rows its nearest ones, itself left out.
std::vector<std::vector<std::uint32_t>> nearest(EmbeddingView rows, std::size_t candidates,
                                                int neighbours, const Progress& progress) {
  const std::unique_ptr<VectorIndex> index = index_inputs(rows, {.kind = "flat"});
  const std::size_t k = std::min(static_cast<std::size_t>(neighbours) + 1, rows.rows());
  std::vector<std::vector<std::uint32_t>> found(candidates);
  for (std::size_t first = 0; first < candidates; first += kSearchedTogether) {
    progress.check(kSearching);
    progress.update({kSearching, first, candidates, "inputs", {}});
    const std::size_t count = std::min(kSearchedTogether, candidates - first);
    const SearchResult hits =
        index->search({rows.row(first).data(), count, rows.dim()}, static_cast<int>(k));
    for (std::size_t i = first; i < first + count; ++i) {
      if (is_zero(rows.row(i))) continue;  // nothing is known to be near it
      for (std::size_t j = 0; j < k && found[i].size() < static_cast<std::size_t>(neighbours);
           ++j) {
        const std::int64_t id = hits.ids[(i - first) * k + j];
        if (id != kNoId && id != static_cast<std::int64_t>(i))
          found[i].push_back(static_cast<std::uint32_t>(id));
      }
    }
  }
  progress.update({kSearching, candidates, candidates, "inputs", {}});
  return found;
}

}  // namespace

void ChoiceOptions::validate() const {
  ensure(count >= 1, ErrorKind::kInvalidInput, "choosing inputs: 0 are asked for; give 1 or more");
  ensure(neighbours >= 1, ErrorKind::kInvalidInput,
         fmt::format("choosing inputs: each votes for {}; give 1 or more", neighbours));
}

Choice choose_inputs(const fs::path& store, std::span<const fs::path> files,
                     const ChoiceOptions& options, const Progress& progress) {
  options.validate();
  const Catalog bank = open_bank(store, OpenMode::kRead);
  require_demonstrations(bank);
  const BankEncoder encoder = find_bank_encoder(store, bank);
  ensure(encoder.encoder != nullptr, ErrorKind::kNotFound,
         fmt::format("choosing inputs for {}: it has no encoder; run `dexter demos train --store "
                     "{}` (--epochs 0 learns nothing)",
                     store.string(), store.string()));
  std::vector<Demonstration> all = load_bank(bank);
  Choice choice = read_unsolved(files, all, progress);
  const std::size_t candidates = choice.chosen.size();
  ensure(candidates + all.size() <= std::numeric_limits<std::uint32_t>::max(),
         ErrorKind::kInvalidInput,
         fmt::format("choosing inputs: {} of them and {} demonstrations are more than {}",
                     candidates, all.size(), std::numeric_limits<std::uint32_t>::max()));
  all.insert(all.begin(), choice.chosen.begin(), choice.chosen.end());
  const EmbeddingMatrix rows = encoder.encode(all, progress);
  std::vector<Demonstration> chosen;
  for (const std::size_t place :
       vote_k(nearest(rows, candidates, options.neighbours, progress), options.count))
    chosen.push_back(std::move(choice.chosen[place]));
  choice.chosen = std::move(chosen);
  return choice;
}

}  // namespace dexter
