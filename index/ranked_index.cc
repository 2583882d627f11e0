// What all kinds share: checks, ids, the sections of the file.
#include "index/ranked_index.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>
#include <string_view>

#include <spdlog/fmt/fmt.h>

#include "index/tuning.h"
#include "storage/error.h"

namespace dexter {
namespace {

// Scores of one batch are selected together; longer batches go in parts of this many queries, fewer
// when k is large, which bounds the memory of a search.
std::size_t queries_at_once(std::size_t k) {
  return std::clamp<std::size_t>((std::size_t{1} << 18) / k, 8, 256);
}

double length(std::span<const float> vector) {
  double squares = 0;
  for (const float v : vector) squares += static_cast<double>(v) * static_cast<double>(v);
  return std::sqrt(squares);
}

// Products of longer vectors would leave the range of float32.
constexpr double kMaxScore = 1e38;

// Visits the fields of the "about" section beside the options.
template <class Visitor>
void visit_about(Visitor& v, IndexCore& core, std::size_t& rows) {
  v("rows", rows, "");
  v("dim", core.dim, "");
  v("max_norm", core.max_norm, "");
  visit(v, core.options);
}

struct AboutWriter {
  std::string text;
  template <class T>
  void operator()(std::string_view name, const T& value, std::string_view) {
    text += fmt::format("{} {}\n", name, value);
  }
};

struct AboutReader {
  std::string_view text;
  std::uint32_t version;
  void operator()(std::string_view name, std::string& value, std::string_view) {
    if (name == "storage" && version < 3) return;  // float32, before there was a choice
    value = next(name);
  }
  template <class T>
  void operator()(std::string_view name, T& value, std::string_view) {
    const std::string_view word = next(name);
    const auto parsed = std::from_chars(word.data(), word.data() + word.size(), value);
    ensure(parsed.ec == std::errc() && parsed.ptr == word.data() + word.size(), ErrorKind::kCorrupt,
           fmt::format("loading an index: '{}' is '{}', not a number; build the index again", name,
                       word));
  }
  std::string_view next(std::string_view name) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    ensure(end != std::string_view::npos && line.starts_with(name) && line.size() > name.size(),
           ErrorKind::kCorrupt,
           fmt::format("loading an index: expected '{}', found '{}'; build the index again", name,
                       line));
    text.remove_prefix(end + 1);
    return line.substr(name.size() + 1);
  }
};

}  // namespace

SortedRows::SortedRows(EmbeddingView vectors, std::span<const std::int64_t> ids, IndexCore& core)
    : vectors_(vectors), order_(ids.size()) {
  ensure(
      vectors.dim() >= 1, ErrorKind::kInvalidInput,
      fmt::format("building an index: vectors have {} dimensions; give at least 1", vectors.dim()));
  ensure(ids.size() == vectors.rows(), ErrorKind::kInvalidInput,
         fmt::format("building an index: {} ids for {} vectors; give one each", ids.size(),
                     vectors.rows()));
  ensure(ids.size() <= std::numeric_limits<std::int32_t>::max(), ErrorKind::kInvalidInput,
         fmt::format("building an index: {} vectors, at most {} fit one index; split them",
                     ids.size(), std::numeric_limits<std::int32_t>::max()));
  std::iota(order_.begin(), order_.end(), 0U);
  if (!std::is_sorted(ids.begin(), ids.end()))
    std::sort(order_.begin(), order_.end(), [&](auto a, auto b) { return ids[a] < ids[b]; });
  core.dim = vectors.dim();
  core.ids.reserve(ids.size());
  for (const std::uint32_t place : order_) {
    const std::int64_t id = ids[place];
    if (id < 0 || (!core.ids.empty() && core.ids.back() == id))
      throw Error(
          ErrorKind::kInvalidInput,
          fmt::format("building an index: id {} is {}; ids must be distinct and not negative", id,
                      id < 0 ? "negative" : "given twice"));
    const double norm = length(vectors.row(place));
    if (!std::isfinite(norm))
      throw Error(
          ErrorKind::kInvalidInput,
          fmt::format("building an index: the vector of id {} holds a value that is not finite; "
                      "check the encoder that made it",
                      id));
    core.max_norm = std::max(core.max_norm, norm);
    core.ids.push_back(id);
  }
}

RowBlocks SortedRows::blocks(std::size_t first, std::size_t count) const {
  RowBlocks blocks(count, dim());
  for (std::size_t i = 0; i < count; ++i) blocks.set_row(i, row(first + i));
  return blocks;
}

EmbeddingMatrix SortedRows::copy() const {
  EmbeddingMatrix matrix(size(), dim());
  for (std::size_t i = 0; i < size(); ++i) std::ranges::copy(row(i), matrix.row(i).begin());
  return matrix;
}

EmbeddingMatrix SortedRows::sample(std::size_t count, int seed) const {
  std::vector<std::uint32_t> all(size());
  std::iota(all.begin(), all.end(), 0U);
  std::vector<std::uint32_t> drawn;
  std::mt19937 random(static_cast<std::mt19937::result_type>(seed));
  std::ranges::sample(all, std::back_inserter(drawn), static_cast<std::ptrdiff_t>(count), random);
  EmbeddingMatrix matrix(drawn.size(), dim());
  for (std::size_t i = 0; i < drawn.size(); ++i)
    std::ranges::copy(row(drawn[i]), matrix.row(i).begin());
  return matrix;
}

void check_queries(EmbeddingView queries, const IndexCore& core, std::string_view doing) {
  ensure(queries.rows() == 0 || queries.dim() == core.dim, ErrorKind::kInvalidInput,
         fmt::format(
             "{}: queries have {} dimensions but the index holds {}; encode with the encoder that "
             "the index was built with",
             doing, queries.dim(), core.dim));
  for (std::size_t i = 0; i < queries.rows(); ++i) {
    const double norm = length(queries.row(i));
    if (!std::isfinite(norm) || norm * std::max(1.0, core.max_norm) > kMaxScore)
      throw Error(
          ErrorKind::kInvalidInput,
          fmt::format(
              "{}: query {} has length {}, the longest vector {}; values must be finite and "
              "scores within float32; check the encoder",
              doing, i, norm, core.max_norm));
  }
}

void RankedIndex::check(EmbeddingView queries, const SearchOptions& options) const {
  ensure(options.probes >= 0 && options.ef >= 0, ErrorKind::kInvalidInput,
         fmt::format(
             "searching an index: probes {} and ef {}; neither may be negative, 0 takes the saved",
             options.probes, options.ef));
  check_queries(queries, core_, "searching an index");
}

SearchResult RankedIndex::search(EmbeddingView queries, int k, const SearchOptions& options) const {
  ensure(k >= 1, ErrorKind::kInvalidInput,
         fmt::format("searching an index: k is {}; ask for at least 1", k));
  check(queries, options);
  const auto width = static_cast<std::size_t>(k);
  SearchResult result{.k = k,
                      .ids = std::vector<std::int64_t>(queries.rows() * width, kNoId),
                      .scores = std::vector<float>(queries.rows() * width, Hit{}.score)};
  std::vector<std::uint32_t> allowed;
  if (options.only) allowed = places_of(*options.only, core_.ids);
  const std::size_t most = std::min(width, options.only ? allowed.size() : core_.ids.size());
  if (most == 0) return result;
  const auto put = [&](std::size_t query, std::size_t i, const Hit& hit) {
    if (hit.row == kNoRow) return;
    result.ids[query * width + i] = core_.ids[hit.row];
    result.scores[query * width + i] = hit.score;
  };
  const std::size_t step = queries_at_once(most);
  for (std::size_t first = 0; first < queries.rows(); first += step) {
    const EmbeddingView some = queries.rows(first, std::min(step, queries.rows() - first));
    if (options.only) {
      const auto best = exact_hits(some, Wanted{most}, &allowed);
      for (std::size_t q = 0; q < best.size(); ++q)
        for (std::size_t i = 0; i < best[q].size(); ++i) put(first + q, i, best[q][i]);
    } else {
      const std::vector<Hit> best = hits(some, static_cast<int>(most), options);
      for (std::size_t i = 0; i < best.size(); ++i) put(first + i / most, i % most, best[i]);
    }
  }
  return result;
}

RangeResult RankedIndex::search_above(EmbeddingView queries, float at_least,
                                      const SearchOptions& options) const {
  ensure(std::isfinite(at_least), ErrorKind::kInvalidInput,
         fmt::format("searching an index: scores of at least {}; give a finite number", at_least));
  check(queries, options);
  RangeResult result{.begins = {0}, .ids = {}, .scores = {}};
  std::vector<std::uint32_t> allowed;
  if (options.only) allowed = places_of(*options.only, core_.ids);
  const Wanted wanted{std::max<std::size_t>(1, core_.ids.size()), at_least};
  const bool none = options.only ? allowed.empty() : core_.ids.empty();
  const std::size_t step = queries_at_once(wanted.k);
  for (std::size_t first = 0; first < queries.rows(); first += step) {
    const EmbeddingView some = queries.rows(first, std::min(step, queries.rows() - first));
    std::vector<std::vector<Hit>> found(some.rows());
    if (!none) found = exact_hits(some, wanted, options.only ? &allowed : nullptr);
    for (const std::vector<Hit>& of_query : found) {
      for (const Hit& hit : of_query) {
        result.ids.push_back(core_.ids[hit.row]);
        result.scores.push_back(hit.score);
      }
      result.begins.push_back(result.ids.size());
    }
  }
  return result;
}

IndexDescription RankedIndex::describe() const {
  return {.kind = core_.options.kind,
          .reason = core_.reason,
          .dim = core_.dim,
          .size = core_.ids.size(),
          .bytes = row_bytes() + core_.ids.size() * sizeof(std::int64_t),
          .options = core_.options};
}

FileRef RankedIndex::save(const std::filesystem::path& file,
                          const std::filesystem::path& root) const {
  SectionFileWriter writer(file, kFileType, kFileVersion);
  IndexCore core = core_;
  std::size_t rows = core.ids.size();
  AboutWriter about;
  visit_about(about, core, rows);
  writer.add("about", about.text);
  writer.add("reason", core.reason);
  writer.add("ids", std::as_bytes(std::span(core.ids)));
  save_rows(writer);
  return writer.commit(root);
}

void RankedIndex::measure(const SortedRows& rows, EmbeddingView queries, const Knob& knob) {
  if (rows.size() == 0) return;
  IndexOptions& options = core_.options;
  const Tuning tuning(rows, queries, options.seed);
  const auto recall_at = [&](int value) {
    SearchOptions search;
    search.*knob.asked = value;
    return tuning.recall([&](EmbeddingView q, int k) { return hits(q, k, search); });
  };
  const int given = options.*knob.saved;
  const Tuning::Setting setting =
      given > 0 ? Tuning::Setting{given, recall_at(given)}
                : tuning.smallest(knob.first, knob.last, options.recall, recall_at);
  options.*knob.saved = setting.value;
  const bool reached = (given > 0 ? setting.recall.mean : setting.recall.surely) >= options.recall;
  core_.reason +=
      fmt::format("; {} {} {} recall@10 {:.4f}, surely {:.4f} (asked for {}) {}", setting.value,
                  knob.name, reached ? "reach" : "only reach", setting.recall.mean,
                  setting.recall.surely, options.recall, tuning.described());
}

IndexCore load_core(const SectionFileReader& reader) {
  IndexCore core;
  std::size_t rows = 0;
  AboutReader about{reader.text("about"), reader.version()};
  visit_about(about, core, rows);
  core.reason = reader.text("reason");
  const std::span<const std::byte> ids = reader.section("ids");
  ensure(
      ids.size() == rows * sizeof(std::int64_t) && core.dim >= 1, ErrorKind::kCorrupt,
      fmt::format(
          "loading an index: {} rows of {} dimensions but {} bytes of ids; build the index again",
          rows, core.dim, ids.size()));
  core.ids.resize(rows);
  if (rows > 0) std::memcpy(core.ids.data(), ids.data(), ids.size());
  ensure(std::ranges::adjacent_find(core.ids, std::greater_equal<>()) == core.ids.end() &&
             (rows == 0 || core.ids.front() >= 0),
         ErrorKind::kCorrupt, "loading an index: its ids are not ascending; build the index again");
  return core;
}

}  // namespace dexter
