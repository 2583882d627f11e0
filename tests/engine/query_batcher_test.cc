#include "engine/query_batcher.h"

#include <atomic>
#include <future>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "storage/error.h"
#include "tests/engine/served_store.h"
#include "tests/support/expect_error.h"

namespace dexter {
namespace {

using std::chrono::hours;
using std::chrono::steady_clock;

std::vector<std::string> batched_texts() {
  std::vector<std::string> texts;
  for (const Example& example : tiny::test()) texts.push_back(example.text);
  return texts;
}

QueryWork work(std::vector<std::string> texts, int k = 3, const std::string& client = "a") {
  QueryWork work;
  work.client = client;
  work.texts = std::move(texts);
  work.k = k;
  work.deadline = steady_clock::now() + hours(1);
  return work;
}

std::future<QueryAnswer> submit(QueryBatcher& batcher, QueryWork query) {
  auto promise = std::make_shared<std::promise<QueryAnswer>>();
  std::future<QueryAnswer> answer = promise->get_future();
  const Admission admission = batcher.submit(
      std::move(query), [promise](QueryAnswer&& found) { promise->set_value(std::move(found)); });
  EXPECT_EQ(admission, Admission::kTaken);
  return answer;
}

QueryEnd end_of(QueryBatcher& batcher, QueryWork query) {
  return submit(batcher, std::move(query)).get().end;
}

// Keeps the one worker of a batcher busy until it is let go. The worker may still be leaving when
// the gate is gone, so it owns the latches too.
class Gate {
 public:
  explicit Gate(QueryBatcher& batcher) {
    batcher.submit(work({"gate"}), [latches = latches_](QueryAnswer&&) {
      latches->reached.count_down();
      latches->open.wait();
    });
    latches_->reached.wait();
  }
  ~Gate() { open(); }
  void open() {
    if (!std::exchange(is_open_, true)) latches_->open.count_down();
  }

 private:
  struct Latches {
    std::latch reached{1};
    std::latch open{1};
  };
  std::shared_ptr<Latches> latches_ = std::make_shared<Latches>();
  bool is_open_ = false;
};

TEST(QueryBatcher, AnswersAsTheEngineDoes) {
  const auto engine = tiny::shared_engine();
  QueryBatcher batcher({.workers = 1}, [&] { return engine; });
  const std::vector<std::string> texts = batched_texts();
  const QueryAnswer ranked = submit(batcher, work(texts, 3)).get();
  EXPECT_EQ(ranked.end, QueryEnd::kDone);
  EXPECT_EQ(ranked.rankings, engine->rank(texts, 3));
  EXPECT_EQ(ranked.engine, engine);
  const EmbeddingMatrix vectors = engine->encode(texts);
  const QueryAnswer encoded = submit(batcher, work(texts, 0)).get();
  ASSERT_EQ(encoded.vectors.rows(), texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i)
    EXPECT_TRUE(
        std::equal(vectors.row(i).begin(), vectors.row(i).end(), encoded.vectors.row(i).begin()));
  QueryWork by_vector = work({}, 3);
  by_vector.vectors = vectors;
  EXPECT_EQ(submit(batcher, std::move(by_vector)).get().rankings, ranked.rankings);
}

TEST(QueryBatcher, AnswersMoreTextsThanABatchHolds) {
  const auto engine = tiny::shared_engine();
  std::vector<std::string> texts;
  for (int i = 0; i < 40; ++i)
    for (const std::string& text : batched_texts()) texts.push_back(text);
  QueryBatcher batcher({.workers = 2, .queue = 16, .batch = 7, .batch_bytes = 100},
                       [&] { return engine; });
  EXPECT_EQ(submit(batcher, work(texts, 2)).get().rankings, engine->rank(texts, 2));
}

TEST(QueryBatcher, GivesEachItsOwnKInOneBatch) {
  QueryBatcher batcher({.workers = 1}, [] { return tiny::shared_engine(); });
  Gate gate(batcher);
  const std::vector<std::string> text = {"rain and wind delayed the train"};
  const std::vector<std::pair<int, std::size_t>> wanted = {
      {1, 1}, {2, 2}, {5, 5}, {12, 12}, {100, 12}};
  std::vector<std::future<QueryAnswer>> answers;
  for (const auto& [k, size] : wanted) answers.push_back(submit(batcher, work(text, k)));
  auto encoded = submit(batcher, work(text, 0));
  gate.open();
  const LabelRanking all = tiny::shared_engine()->rank(text, 100).at(0);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const LabelRanking best(all.begin(),
                            all.begin() + static_cast<std::ptrdiff_t>(wanted[i].second));
    EXPECT_EQ(answers[i].get().rankings.at(0), best);
  }
  EXPECT_EQ(encoded.get().vectors.rows(), 1u);
  EXPECT_EQ(batcher.figures().batches, 2u);
}

TEST(QueryBatcher, RefusesWhatDoesNotFit) {
  QueryBatcher batcher({.workers = 1, .queue = 3}, [] { return tiny::shared_engine(); });
  Gate gate(batcher);
  auto first = submit(batcher, work({"one", "two"}));
  EXPECT_FALSE(batcher.refuses("a"));
  EXPECT_EQ(batcher.submit(work({"three", "four"}), [](QueryAnswer&&) { FAIL(); }),
            Admission::kFull);
  auto second = submit(batcher, work({"three"}));
  EXPECT_EQ(batcher.figures().refused, 1u);
  EXPECT_TRUE(batcher.refuses("a"));
  EXPECT_FALSE(batcher.refuses("b"));  // the busy client gives way
  EXPECT_EQ(batcher.figures().refused, 2u);
  gate.open();
  EXPECT_EQ(first.get().end, QueryEnd::kDone);
  EXPECT_EQ(second.get().end, QueryEnd::kDone);
}

TEST(QueryBatcher, MakesAGreedyClientGiveWay) {
  QueryBatcher batcher({.workers = 1, .queue = 4}, [] { return tiny::shared_engine(); });
  Gate gate(batcher);
  auto first = submit(batcher, work({"one", "two"}, 3, "greedy"));
  auto newest = submit(batcher, work({"three", "four"}, 3, "greedy"));
  auto modest = submit(batcher, work({"five"}, 3, "modest"));
  EXPECT_EQ(newest.get().end, QueryEnd::kCrowded);
  gate.open();
  EXPECT_EQ(first.get().end, QueryEnd::kDone);
  EXPECT_EQ(modest.get().end, QueryEnd::kDone);
}

TEST(QueryBatcher, LetsClientsTakeTurns) {
  std::vector<std::string> order;
  std::latch all{5};
  QueryBatcher batcher({.workers = 1, .batch = 1}, [] { return tiny::shared_engine(); });
  {
    Gate gate(batcher);
    for (const std::string name : {"a1", "a2", "a3", "b1", "c1"})
      batcher.submit(work({"text"}, 3, name.substr(0, 1)), [&, name](QueryAnswer&&) {
        order.push_back(name);  // on the one worker
        all.count_down();
      });
  }
  all.wait();
  EXPECT_THAT(order, ::testing::ElementsAre("a1", "b1", "c1", "a2", "a3"));
}

TEST(QueryBatcher, AnswersARequestFromOneEngineThoughItIsSwappedMeanwhile) {
  const testing::TempDir folder;
  const auto path = tiny::indexed_store(folder.path());
  std::vector<std::shared_ptr<const RetrievalEngine>> engines;
  for (int i = 0; i < 2; ++i)
    engines.push_back(std::make_shared<const RetrievalEngine>(RetrievalEngine::open(path)));
  std::size_t calls = 0;
  QueryBatcher batcher({.workers = 1, .batch = 4}, [&] { return engines[calls++ % 2]; });
  const std::vector<std::string> many(100, "rain and wind");
  auto one = submit(batcher, work(many, 3, "a"));
  auto other = submit(batcher, work(many, 3, "b"));
  EXPECT_EQ(one.get().rankings, engines[0]->rank(many, 3));
  EXPECT_EQ(other.get().rankings.size(), 100u);
}

TEST(QueryBatcher, DropsAQueryThatIsPastItsDeadline) {
  QueryBatcher batcher({.workers = 1}, [] { return tiny::shared_engine(); });
  QueryWork late = work({"one", "two"});
  late.deadline = steady_clock::now() - hours(1);
  const QueryAnswer answer = submit(batcher, std::move(late)).get();
  EXPECT_EQ(answer.end, QueryEnd::kExpired);
  EXPECT_EQ(answer.engine, nullptr);
  EXPECT_EQ(batcher.figures().expired, 1u);
}

TEST(QueryBatcher, FailsOnlyTheQueryThatIsToBlame) {
  QueryBatcher batcher({.workers = 1}, [] { return tiny::shared_engine(); });
  Gate gate(batcher);
  QueryWork wrong = work({});
  wrong.vectors = EmbeddingMatrix(1, 7);
  wrong.vectors.row(0)[0] = 1;
  auto bad = submit(batcher, std::move(wrong));
  auto good = submit(batcher, work({"rain and wind"}));
  gate.open();
  EXPECT_EQ(good.get().end, QueryEnd::kDone);
  const QueryAnswer failed = bad.get();
  ASSERT_EQ(failed.end, QueryEnd::kFailed);
  testing::expect_error(
      ErrorKind::kInvalidInput, [&] { std::rethrow_exception(failed.error); }, "7-d");
}

TEST(QueryBatcher, RefusesAfterItsStop) {
  QueryBatcher batcher({.workers = 1}, [] { return tiny::shared_engine(); });
  EXPECT_EQ(end_of(batcher, work({"one"})), QueryEnd::kDone);
  batcher.stop();
  EXPECT_EQ(batcher.submit(work({"one"}), [](QueryAnswer&&) { FAIL(); }), Admission::kStopping);
}

TEST(QueryBatcher, AnswersEveryQueryOfThreadsThroughAStop) {
  const auto engine = tiny::shared_engine();
  QueryBatcher batcher({.workers = 2, .queue = 64, .batch = 8}, [&] { return engine; });
  std::atomic<int> taken = 0, answered = 0, done = 0;
  const LabelRanking expected = engine->rank(std::vector<std::string>{"rain and wind"}, 3).at(0);
  {
    std::vector<std::jthread> clients;
    for (int i = 0; i < 4; ++i)
      clients.emplace_back([&, name = std::to_string(i)] {
        Admission admission = Admission::kTaken;
        for (int n = 0; admission != Admission::kStopping; ++n) {
          admission =
              batcher.submit(work(std::vector<std::string>(1 + n % 3, "rain and wind"), 3, name),
                             [&](QueryAnswer&& answer) {
                               ++answered;
                               if (answer.end != QueryEnd::kDone) return;
                               ++done;
                               for (const LabelRanking& ranking : answer.rankings)
                                 EXPECT_EQ(ranking, expected);
                             });
          if (admission == Admission::kTaken) ++taken;
        }
      });
    clients.emplace_back([&] {
      while (done < 50) std::this_thread::yield();
      batcher.stop();
    });
  }
  EXPECT_EQ(answered, taken);
  EXPECT_GE(done, 50);
}

}  // namespace
}  // namespace dexter
