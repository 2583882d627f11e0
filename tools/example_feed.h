#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

#include "storage/types.h"

namespace dexter {

// Turns a scan, which calls its visitor, into a stream that is asked for the next example: the scan
// runs on a thread of its own, at most `kAhead` examples ahead. `next` has one caller.
class ExampleFeed {
 public:
  using Visit = std::function<void(Example&&)>;

  explicit ExampleFeed(std::function<void(const Visit&)> scan);
  ~ExampleFeed();  // ends the scan at its next example
  ExampleFeed(const ExampleFeed&) = delete;
  ExampleFeed& operator=(const ExampleFeed&) = delete;

  // False at the end. Throws what the scan threw.
  bool next(Example& example);

 private:
  static constexpr std::size_t kAhead = 4096;
  struct Abandoned {};

  void push(Example&& example, const std::stop_token& stop);
  void run(const std::function<void(const Visit&)>& scan, const std::stop_token& stop);

  // guarded by mutex_
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Example> waiting_;
  bool ended_ = false;
  std::exception_ptr failure_;
  // last, so that it ends before anything it uses is destroyed
  std::jthread scanner_;
};

}  // namespace dexter
