// A queue and the threads that empty it.
#include "engine/task_pool.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <spdlog/spdlog.h>

namespace dexter {

struct TaskPool::Impl {
  Impl(int most, std::function<void()> start)
      : capacity(static_cast<std::size_t>(std::max(1, most))), thread_start(std::move(start)) {}

  void work();

  // constant after construction
  const std::size_t capacity;
  const std::function<void()> thread_start;
  // guarded by mutex
  mutable std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void()>> queue;
  bool stopping = false;
  // last, so that they join before anything they use is destroyed
  std::vector<std::jthread> threads;
};

void TaskPool::Impl::work() {
  if (thread_start) thread_start();
  std::unique_lock lock(mutex);
  while (true) {
    changed.wait(lock, [&] { return stopping || !queue.empty(); });
    if (queue.empty()) return;
    std::function<void()> task = std::move(queue.front());
    queue.pop_front();
    lock.unlock();
    try {
      task();
    } catch (const std::exception& error) {
      spdlog::error("a task ended with a mistake of dexter's own: {}", error.what());
    }
    task = nullptr;  // what it holds may be waited for
    lock.lock();
  }
}

TaskPool::TaskPool(int threads, int capacity, std::function<void()> thread_start)
    : impl_(std::make_unique<Impl>(capacity, std::move(thread_start))) {
  for (int i = 0; i < std::max(1, threads); ++i)
    impl_->threads.emplace_back([this] { impl_->work(); });
}

TaskPool::~TaskPool() { stop(); }

bool TaskPool::submit(std::function<void()> task) {
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->stopping || impl_->queue.size() >= impl_->capacity) return false;
    impl_->queue.push_back(std::move(task));
  }
  impl_->changed.notify_one();
  return true;
}

std::size_t TaskPool::waiting() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->queue.size();
}

void TaskPool::stop() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->changed.notify_all();
  impl_->threads.clear();
}

}  // namespace dexter
