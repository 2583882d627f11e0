// A bounded queue between a scan of the store and the evaluation that reads it.
#include "tools/example_feed.h"

#include <utility>

namespace dexter {

ExampleFeed::ExampleFeed(std::function<void(const Visit&)> scan)
    : scanner_([this, scan = std::move(scan)](std::stop_token stop) { run(scan, stop); }) {}

ExampleFeed::~ExampleFeed() = default;

void ExampleFeed::run(const std::function<void(const Visit&)>& scan, const std::stop_token& stop) {
  std::exception_ptr failure;
  try {
    scan([&](Example&& example) { push(std::move(example), stop); });
  } catch (const Abandoned&) {
  } catch (...) {
    failure = std::current_exception();
  }
  const std::scoped_lock lock(mutex_);
  failure_ = failure;
  ended_ = true;
  changed_.notify_all();
}

void ExampleFeed::push(Example&& example, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait(lock, stop, [this] { return waiting_.size() < kAhead; })) throw Abandoned{};
  waiting_.push_back(std::move(example));
  changed_.notify_all();
}

bool ExampleFeed::next(Example& example) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return ended_ || !waiting_.empty(); });
  if (waiting_.empty()) {
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
    return false;
  }
  example = std::move(waiting_.front());
  waiting_.pop_front();
  changed_.notify_all();
  return true;
}

}  // namespace dexter
