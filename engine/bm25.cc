// An inverted index: for each word the rows that hold it, with their score for it.
#include "engine/bm25.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include <libstemmer.h>
#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "encoders/bag_features.h"
#include "engine/nearest_name.h"
#include "storage/error.h"

namespace dexter {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view kFileType = "words";
constexpr std::uint32_t kFileVersion = 1;

// One thread's stemmer; Snowball's are not shared.
class Stemmer {
 public:
  explicit Stemmer(const std::string& name)
      : stemmer_(name == "none" ? nullptr : ::sb_stemmer_new(name.c_str(), "UTF_8")) {
    if (name == "none" || stemmer_) return;
    std::vector<std::string> known = {"none"};
    for (const char** each = ::sb_stemmer_list(); *each != nullptr; ++each) known.push_back(*each);
    throw Error(ErrorKind::kInvalidInput,
                fmt::format("indexing words: there is no stemmer '{}', the nearest is '{}'; known "
                            "are {}",
                            name, nearest_name(name, known), fmt::join(known, ", ")));
  }

  std::string operator()(const std::string& word) {
    if (!stemmer_) return word;
    const auto* stem =
        ::sb_stemmer_stem(stemmer_.get(), reinterpret_cast<const sb_symbol*>(word.data()),
                          static_cast<int>(word.size()));
    if (stem == nullptr) throw std::bad_alloc();
    return {reinterpret_cast<const char*>(stem),
            static_cast<std::size_t>(::sb_stemmer_length(stemmer_.get()))};
  }

 private:
  struct Deleter {
    void operator()(sb_stemmer* stemmer) const { ::sb_stemmer_delete(stemmer); }
  };
  std::unique_ptr<sb_stemmer, Deleter> stemmer_;
};

std::vector<std::string> terms_of(std::string_view text, Stemmer& stem) {
  std::vector<std::string> terms = folded_words(text);
  for (std::string& term : terms) term = stem(term);
  return terms;
}

using Counts = std::unordered_map<std::string, std::vector<Bm25Index::Hit>>;

// The texts that hold each word and how often they do; and the words of each text.
Counts counts_of(std::span<const std::string_view> texts, Stemmer& stem,
                 std::vector<std::uint32_t>& lengths) {
  Counts counts;
  for (std::uint32_t row = 0; row < texts.size(); ++row) {
    const std::vector<std::string> words = terms_of(texts[row], stem);
    lengths.push_back(static_cast<std::uint32_t>(words.size()));
    for (const std::string& word : words) {
      std::vector<Bm25Index::Hit>& list = counts[word];
      if (list.empty() || list.back().row != row) list.push_back({row, 0});
      list.back().score += 1;
    }
  }
  return counts;
}

double average_of(std::span<const std::uint32_t> lengths) {
  double total = 0;
  for (const std::uint32_t length : lengths) total += length;
  return std::max(1.0, total / static_cast<double>(std::max<std::size_t>(1, lengths.size())));
}

template <class T>
std::span<const T> section_of(const SectionFileReader& reader, std::string_view name) {
  const std::span<const std::byte> bytes = reader.section(name);
  return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
}

double idf(std::size_t rows, std::size_t holders) {
  const auto n = static_cast<double>(holders);
  return std::log(1 + (static_cast<double>(rows) - n + 0.5) / (n + 0.5));
}

// Shorter lists are read faster than a bound is found.
constexpr std::size_t kLongList = 2048;
// Sums of floats may end above the sum of their bounds by as much.
constexpr float kRounding = 1.0001F;
// Postings read one after another in the time in which one is found.
constexpr std::size_t kFindCost = 16;

// Whether k of the rows `touched` have more than `bound`.
bool have_more(std::span<const std::uint32_t> touched, std::span<const float> sums, std::size_t k,
               float bound) {
  std::size_t found = 0;
  for (const std::uint32_t row : touched)
    if (sums[row] > bound && ++found == k) return true;
  return false;
}

// The k-th largest sum of the rows `touched`; 0 where they are fewer.
float kth_of(std::span<const std::uint32_t> touched, std::span<const float> sums, std::size_t k) {
  if (touched.size() < k) return 0;
  std::vector<float> values;
  values.reserve(touched.size());
  for (const std::uint32_t row : touched) values.push_back(sums[row]);
  const auto kth = values.begin() + static_cast<std::ptrdiff_t>(k - 1);
  std::nth_element(values.begin(), kth, values.end(), std::greater<>());
  return *kth;
}

bool is_better(const Bm25Index::Hit& a, const Bm25Index::Hit& b) {
  return a.score != b.score ? a.score > b.score : a.row < b.row;
}

}  // namespace

// Words in order: their letters one after another, and where the letters and the postings of each
// end. Postings' scores are of one occurrence in the query.
struct Bm25Index::Impl {
  Bm25Options options;
  std::size_t rows = 0;
  std::span<const char> letters;
  std::span<const std::uint64_t> letter_ends, posting_ends;
  std::span<const Hit> postings;
  // What the spans look at: either of them.
  std::optional<SectionFileReader> file;
  struct {
    std::string letters;
    std::vector<std::uint64_t> letter_ends, posting_ends;
    std::vector<Hit> postings;
  } own;

  struct Word {
    std::span<const Hit> postings;
    float count = 0;
    float most = 0;  // that a row can get of it and of the words after it
    const Hit* find(std::uint32_t row, std::size_t rows) const;
  };

  std::vector<Word> words_of(std::string_view query) const;
  void complete(std::vector<std::uint32_t>& touched, std::span<float> sums,
                std::span<const Word> words, std::size_t k) const;
  void take(Counts&& counts, std::span<const std::uint32_t> lengths);
  void look_at_own();
  std::string_view word(std::size_t place) const;
  std::span<const Hit> postings_of(std::string_view wanted) const;
  bool is_whole() const;
};

void Bm25Index::Impl::take(Counts&& counts, std::span<const std::uint32_t> lengths) {
  std::vector<std::string_view> words;
  for (const auto& [word, list] : counts) words.push_back(word);
  std::sort(words.begin(), words.end());
  const double average = average_of(lengths), k1 = options.k1, b = options.b;
  for (const std::string_view word : words) {
    const std::vector<Hit>& list = counts.find(std::string(word))->second;
    const double weight = idf(rows, list.size());
    for (const Hit& hit : list) {
      const auto count = static_cast<double>(hit.score);
      const double norm = k1 * (1 - b + b * lengths[hit.row] / average);
      own.postings.push_back(
          {hit.row, static_cast<float>(weight * count * (k1 + 1) / (count + norm))});
    }
    own.letters += word;
    own.letter_ends.push_back(own.letters.size());
    own.posting_ends.push_back(own.postings.size());
  }
  look_at_own();
}

void Bm25Index::Impl::look_at_own() {
  letters = own.letters;
  letter_ends = own.letter_ends;
  posting_ends = own.posting_ends;
  postings = own.postings;
}

std::string_view Bm25Index::Impl::word(std::size_t place) const {
  const std::uint64_t begin = place == 0 ? 0 : letter_ends[place - 1];
  return {letters.data() + begin, letter_ends[place] - begin};
}

std::span<const Bm25Index::Hit> Bm25Index::Impl::postings_of(std::string_view wanted) const {
  std::size_t low = 0, high = letter_ends.size();
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (word(middle) < wanted)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == letter_ends.size() || word(low) != wanted) return {};
  const std::uint64_t begin = low == 0 ? 0 : posting_ends[low - 1];
  return postings.subspan(begin, posting_ends[low] - begin);
}

bool Bm25Index::Impl::is_whole() const {
  const auto ends_at = [](std::span<const std::uint64_t> ends, std::size_t size) {
    return std::is_sorted(ends.begin(), ends.end()) && (ends.empty() ? 0 : ends.back()) == size;
  };
  return letter_ends.size() == posting_ends.size() && ends_at(letter_ends, letters.size()) &&
         ends_at(posting_ends, postings.size()) &&
         std::all_of(postings.begin(), postings.end(),
                     [&](const Hit& hit) { return hit.row < rows && std::isfinite(hit.score); });
}

Bm25Index::Bm25Index(std::span<const std::string_view> texts, const Bm25Options& options)
    : impl_(std::make_unique<Impl>()) {
  impl_->options = options;
  impl_->rows = texts.size();
  Stemmer stem(options.stemmer);
  std::vector<std::uint32_t> lengths;
  Counts counts = counts_of(texts, stem, lengths);
  impl_->take(std::move(counts), lengths);
}

Bm25Index::Bm25Index(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Bm25Index::~Bm25Index() = default;
Bm25Index::Bm25Index(Bm25Index&&) noexcept = default;
Bm25Index& Bm25Index::operator=(Bm25Index&&) noexcept = default;

std::size_t Bm25Index::size() const { return impl_->rows; }
const Bm25Options& Bm25Index::options() const { return impl_->options; }

FileRef Bm25Index::save(const fs::path& file, const fs::path& root) const {
  SectionFileWriter writer(file, kFileType, kFileVersion);
  writer.add("about",
             boost::json::serialize(boost::json::object{{"k1", impl_->options.k1},
                                                        {"b", impl_->options.b},
                                                        {"stemmer", impl_->options.stemmer},
                                                        {"rows", impl_->rows}}));
  writer.add("letters", std::as_bytes(impl_->letters));
  writer.add("letter_ends", std::as_bytes(impl_->letter_ends));
  writer.add("posting_ends", std::as_bytes(impl_->posting_ends));
  writer.add("postings", std::as_bytes(impl_->postings));
  return writer.commit(root);
}

Bm25Index Bm25Index::load(const fs::path& root, const FileRef& ref) {
  auto impl = std::make_unique<Impl>();
  const SectionFileReader& file = impl->file.emplace(root, ref, kFileType, kFileVersion);
  const auto refuse = [&](std::string_view what) {
    throw Error(
        ErrorKind::kCorrupt,
        fmt::format("loading the words {}: {}; build the index or import the demonstrations again",
                    ref.name, what));
  };
  try {
    const boost::json::object about = boost::json::parse(file.text("about")).as_object();
    impl->options = {.k1 = about.at("k1").to_number<double>(),
                     .b = about.at("b").to_number<double>(),
                     .stemmer = std::string(about.at("stemmer").as_string())};
    impl->rows = about.at("rows").to_number<std::size_t>();
  } catch (const std::exception& error) {
    refuse(error.what());
  }
  impl->letters = section_of<char>(file, "letters");
  impl->letter_ends = section_of<std::uint64_t>(file, "letter_ends");
  impl->posting_ends = section_of<std::uint64_t>(file, "posting_ends");
  impl->postings = section_of<Hit>(file, "postings");
  if (!impl->is_whole()) refuse("its parts contradict each other");
  Stemmer{impl->options.stemmer};  // refuses one that this build lacks
  return Bm25Index(std::move(impl));
}

// The words of a query that some row has, rarest first, so that sums are the same in every run.
std::vector<Bm25Index::Impl::Word> Bm25Index::Impl::words_of(std::string_view query) const {
  Stemmer stem(options.stemmer);
  std::map<std::string, float> counts;
  for (std::string& term : terms_of(query, stem)) ++counts[std::move(term)];
  std::vector<Word> words;
  for (const auto& [term, count] : counts) {
    const std::span<const Hit> list = postings_of(term);
    const double most = idf(rows, list.size()) * (options.k1 + 1);
    if (!list.empty()) words.push_back({list, count, count * static_cast<float>(most)});
  }
  std::stable_sort(words.begin(), words.end(), [](const Word& a, const Word& b) {
    return a.postings.size() < b.postings.size();
  });
  float most = 0;
  for (auto word = words.rbegin(); word != words.rend(); ++word) word->most = most += word->most;
  for (Word& word : words) word.most *= kRounding;
  return words;
}

// The posting of a row, null where it does not hold the word. Rows are spread evenly, so that the
// search starts about where it ends.
const Bm25Index::Hit* Bm25Index::Impl::Word::find(std::uint32_t row, std::size_t rows) const {
  const Hit* const first = postings.data();
  const std::size_t size = postings.size();
  const std::size_t guess = static_cast<std::size_t>(static_cast<std::uint64_t>(row) *
                                                     static_cast<std::uint64_t>(size) / rows);
  std::size_t low = guess, high = guess, step = 16;
  if (first[guess].row < row) {
    for (; high < size && first[high].row < row; step *= 2) low = high, high += step;
    high = std::min(high, size);
  } else {
    for (; low > 0 && first[low].row >= row; step *= 2) high = low, low -= std::min(low, step);
  }
  const Hit* found = std::lower_bound(first + low, first + high, row,
                                      [](const Hit& a, std::uint32_t b) { return a.row < b; });
  return found != first + size && found->row == row ? found : nullptr;
}

// Adds what `words` give to the rows `touched` that may still be among the k best, and drops the
// others: word by word, so that each is asked of fewer rows than the one before.
void Bm25Index::Impl::complete(std::vector<std::uint32_t>& touched, std::span<float> sums,
                               std::span<const Word> words, std::size_t k) const {
  for (const Word& word : words) {
    const float kth = kth_of(touched, sums, k);
    std::erase_if(touched, [&](std::uint32_t row) {
      const bool hopeless = sums[row] + word.most < kth;
      if (hopeless) sums[row] = 0;
      return hopeless;
    });
    if (word.postings.size() < kFindCost * touched.size()) {
      for (const Hit& hit : word.postings)
        if (sums[hit.row] != 0) sums[hit.row] += word.count * hit.score;
    } else {
      for (const std::uint32_t row : touched)
        if (const Hit* found = word.find(row, rows)) sums[row] += word.count * found->score;
    }
  }
}

// The words are taken from the rarest on; once what the rest can give lifts no further row among
// the k best, only rows met so far are looked up in the long lists of the common words (Turtle and
// Flood, "Query Evaluation: Strategies and Optimizations", 1995).
std::vector<Bm25Index::Hit> Bm25Index::search(std::string_view query, std::size_t k,
                                              const Filter& filter) const {
  if (k == 0) return {};
  const std::vector<Impl::Word> words = impl_->words_of(query);
  // Sums of one thread, zero again when it leaves.
  thread_local std::vector<float> sums;
  sums.resize(std::max(sums.size(), impl_->rows));
  std::vector<std::uint32_t> touched;
  std::size_t taken = 0;
  for (; taken < words.size(); ++taken) {
    const Impl::Word& word = words[taken];
    if (!filter && word.postings.size() > kLongList && have_more(touched, sums, k, word.most))
      break;
    for (const Hit& hit : word.postings) {
      if (sums[hit.row] == 0) touched.push_back(hit.row);
      sums[hit.row] += word.count * hit.score;
    }
  }
  impl_->complete(touched, sums, std::span(words).subspan(taken), k);
  std::vector<Hit> hits;
  for (const std::uint32_t row : touched) {
    const float score = std::exchange(sums[row], 0.0F);
    if (!filter || filter(row)) hits.push_back({row, score});
  }
  const auto kept = static_cast<std::ptrdiff_t>(std::min(k, hits.size()));
  std::partial_sort(hits.begin(), hits.begin() + kept, hits.end(), is_better);
  hits.resize(static_cast<std::size_t>(kept));
  return hits;
}

}  // namespace dexter
