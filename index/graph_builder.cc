// Rows one after another look for their neighbours in the graph of those before, and are linked
// with a choice of them.
#include "index/graph_builder.h"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <numeric>
#include <random>
#include <thread>
#include <unordered_set>

#include "index/layer_search.h"

namespace dexter {
namespace {

// Links are read while others write them: each is whole, and a list that is half of before and half
// of after only leads elsewhere.
std::int32_t load(const std::int32_t& link) {
  return std::atomic_ref(const_cast<std::int32_t&>(link)).load(std::memory_order_relaxed);
}
void store(std::int32_t& link, std::int32_t row) {
  std::atomic_ref(link).store(row, std::memory_order_relaxed);
}

// Held by those who write the links of a row.
class RowLock {
 public:
  explicit RowLock(std::uint8_t& flag) : flag_(flag) {
    while (std::atomic_ref(flag_).exchange(1, std::memory_order_acquire) != 0)
      std::this_thread::yield();
  }
  ~RowLock() { std::atomic_ref(flag_).store(0, std::memory_order_release); }
  RowLock(const RowLock&) = delete;
  RowLock& operator=(const RowLock&) = delete;

 private:
  std::uint8_t& flag_;
};

class Builder {
 public:
  Builder(const CodeRows& rows, std::size_t count, const GraphOptions& options,
          const Progress& progress)
      : rows_(rows),
        count_(count),
        ef_(static_cast<std::size_t>(options.ef_construction)),
        progress_(progress) {
    graph_.links = options.links;
    draw_layers(options.seed);
    locks_.resize(count);
  }

  Graph build() && {
    if (count_ == 0) return std::move(graph_);
    const std::vector<std::int32_t> order = insertion_order();
    graph_.entry = order.front();
#pragma omp parallel
    {
      LayerScratch scratch;
      Choice choice;
#pragma omp for schedule(dynamic, 16)
      for (std::size_t i = 1; i < count_; ++i) {
        if (progress_.stop.stop_requested()) continue;
        insert(order[i], scratch, choice);
        if (i % kReportEvery == 0 && omp_get_thread_num() == 0)
          progress_.update({"building the graph", i, count_, "vectors", {}});
      }
    }
    progress_.check("building the graph");
    connect(order);
    return std::move(graph_);
  }

 private:
  static constexpr std::size_t kReportEvery = 64;

  // Buffers of choosing links; one thread's.
  struct Choice {
    std::vector<ScoredRow> candidates;  // best first
    std::vector<std::int32_t> kept;
    CodeRows::Query query, other;
    std::vector<float> scores;
  };

  // Each layer holds one of `links` rows of the layer below.
  void draw_layers(int seed) {
    constexpr int kMostLayers = 24;
    std::mt19937 random(static_cast<std::mt19937::result_type>(seed));
    std::uniform_real_distribution<double> uniform(0, 1);
    const double scale = 1 / std::log(static_cast<double>(graph_.links));
    graph_.upper_begins.assign(1, 0);
    for (std::size_t i = 0; i < count_; ++i) {
      const double drawn = std::floor(-std::log(1 - uniform(random)) * scale);
      graph_.upper_begins.push_back(
          graph_.upper_begins.back() +
          static_cast<std::uint32_t>(std::min<double>(drawn, kMostLayers)));
    }
    const auto width = static_cast<std::size_t>(graph_.links);
    graph_.base.assign(count_ * 2 * width, -1);
    graph_.upper.assign(graph_.upper_begins.back() * width, -1);
  }

  // The highest first, so that the first is the entry for good.
  std::vector<std::int32_t> insertion_order() const {
    std::vector<std::int32_t> order(count_);
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, std::greater<>(), [view = graph_.view()](std::int32_t row) {
      return view.layers_above(row);
    });
    return order;
  }

  std::span<std::int32_t> links_of(std::int32_t row, int layer) {
    const GraphView view = graph_.view();
    const std::span<std::int32_t> all =
        layer == 0 ? std::span<std::int32_t>(graph_.base) : graph_.upper;
    return all.subspan(view.links_begin(row, layer), view.room(layer));
  }
  auto links_in(int layer) {
    return [this, layer](std::int32_t row, const auto& visit) {
      for (const std::int32_t& link : links_of(row, layer)) {
        const std::int32_t to = load(link);
        if (to < 0) return;
        visit(to);
      }
    };
  }

  void insert(std::int32_t row, LayerScratch& scratch, Choice& choice) {
    rows_.query_of(static_cast<std::size_t>(row), choice.query);
    const int top = graph_.view().layers_above(graph_.entry);
    const int own = graph_.view().layers_above(row);
    ScoredRow start{rows_.score(choice.query, static_cast<std::size_t>(graph_.entry)),
                    graph_.entry};
    for (int layer = top; layer > own; --layer)
      start = climb(rows_, choice.query, start, scratch, links_in(layer));
    for (int layer = std::min(own, top); layer >= 0; --layer) {
      const auto prefetch = [&](std::int32_t to) {
        const std::span<const std::int32_t> links = links_of(to, layer);
        for (std::size_t j = 0; j < links.size(); j += 16) __builtin_prefetch(&links[j]);
      };
      search_layer(rows_, count_, choice.query, start, ef_, scratch, links_in(layer), prefetch);
      choice.candidates = scratch.best;
      std::erase_if(choice.candidates, [&](const ScoredRow& c) { return c.row == row; });
      std::ranges::sort(choice.candidates, std::greater<>());
      if (choice.candidates.empty()) continue;
      start = choice.candidates.front();
      link(row, layer, choice);
    }
  }

  // Candidates, best first, but for those that are more like a kept one than like the row they are
  // candidates of.
  void choose(Choice& choice, std::size_t most) const {
    choice.kept.clear();
    for (const ScoredRow& candidate : choice.candidates) {
      if (choice.kept.size() == most) return;
      rows_.query_of(static_cast<std::size_t>(candidate.row), choice.other);
      if (!resembles_kept(candidate, choice)) choice.kept.push_back(candidate.row);
    }
  }

  bool resembles_kept(const ScoredRow& candidate, Choice& choice) const {
    constexpr std::size_t kAtOnce = 8;
    const std::span<const std::int32_t> kept = choice.kept;
    choice.scores.resize(kAtOnce);
    for (std::size_t first = 0; first < kept.size(); first += kAtOnce) {
      const auto some = kept.subspan(first, std::min(kAtOnce, kept.size() - first));
      rows_.score_all(choice.other, some, choice.scores);
      for (std::size_t i = 0; i < some.size(); ++i)
        if (choice.scores[i] > candidate.score) return true;
    }
    return false;
  }

  // Links the row with a choice of the candidates, in both directions.
  void link(std::int32_t row, int layer, Choice& choice) {
    choose(choice, static_cast<std::size_t>(graph_.links));
    {
      const RowLock lock(locks_[static_cast<std::size_t>(row)]);
      put(links_of(row, layer), choice.kept);
    }
    std::vector<std::int32_t> chosen = choice.kept;
    for (const std::int32_t to : chosen) add_link(to, row, layer, choice);
  }

  static void put(std::span<std::int32_t> links, std::span<const std::int32_t> rows) {
    for (std::size_t i = 0; i < links.size(); ++i) store(links[i], i < rows.size() ? rows[i] : -1);
  }

  // Where the links are full, a choice of them and the new one stays.
  void add_link(std::int32_t from, std::int32_t to, int layer, Choice& choice) {
    const RowLock lock(locks_[static_cast<std::size_t>(from)]);
    const std::span<std::int32_t> links = links_of(from, layer);
    const auto full = std::ranges::find(links, -1);
    if (full != links.end()) return store(*full, to);
    CodeRows::Query& query = choice.other;
    rows_.query_of(static_cast<std::size_t>(from), query);
    std::vector<std::int32_t> all(links.begin(), links.end());
    all.push_back(to);
    choice.scores.resize(all.size());
    for (const std::int32_t row : all) rows_.prefetch(static_cast<std::size_t>(row));
    rows_.score_all(query, all, choice.scores);
    choice.candidates.clear();
    for (std::size_t i = 0; i < all.size(); ++i)
      choice.candidates.push_back({choice.scores[i], all[i]});
    std::ranges::sort(choice.candidates, std::greater<>());
    choose(choice, links.size());
    put(links, choice.kept);
  }

  // Choices can leave a row that no link leads to: it gets one from the nearest row by links that
  // is in reach and has room.
  void connect(std::span<const std::int32_t> order) {
    std::vector<bool> reached(count_);
    flood(graph_.entry, reached);
    for (const std::int32_t row : order) {
      if (reached[static_cast<std::size_t>(row)]) continue;
      if (std::int32_t* const room = room_near(row, reached)) *room = row;
      flood(row, reached);
    }
  }

  // Marks what can be reached from a row.
  void flood(std::int32_t from, std::vector<bool>& reached) {
    reached[static_cast<std::size_t>(from)] = true;
    for (std::vector<std::int32_t> open{from}; !open.empty();) {
      const std::int32_t row = open.back();
      open.pop_back();
      links_in(0)(row, [&](std::int32_t to) {
        if (reached[static_cast<std::size_t>(to)]) return;
        reached[static_cast<std::size_t>(to)] = true;
        open.push_back(to);
      });
    }
  }

  // Where a link can be put, or null.
  std::int32_t* room_near(std::int32_t row, const std::vector<bool>& reached) {
    std::vector<std::int32_t> near{row};  // by links from the row
    std::unordered_set<std::int32_t> seen{row};
    for (std::size_t i = 0; i < near.size(); ++i) {
      const auto links = links_of(near[i], 0);
      if (reached[static_cast<std::size_t>(near[i])] && links.back() < 0)
        return &*std::ranges::find(links, -1);
      links_in(0)(near[i], [&](std::int32_t to) {
        if (seen.insert(to).second) near.push_back(to);
      });
    }
    return nullptr;
  }

  const CodeRows& rows_;
  const std::size_t count_;
  const std::size_t ef_;
  const Progress& progress_;
  Graph graph_;
  std::vector<std::uint8_t> locks_;  // [rows]
};

}  // namespace

Graph build_graph(const CodeRows& rows, std::size_t count, const GraphOptions& options,
                  const Progress& progress) {
  return Builder(rows, count, options, progress).build();
}

}  // namespace dexter
