#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace dexter {

// A few threads and a bounded queue for work that may block, such as writes to the store. Tasks
// begin in the order they came. Safe from many threads.
class TaskPool {
 public:
  // `thread_start` runs first in each thread; may be empty.
  TaskPool(int threads, int capacity, std::function<void()> thread_start = {});
  ~TaskPool();  // as stop
  TaskPool(const TaskPool&) = delete;
  TaskPool& operator=(const TaskPool&) = delete;

  // False where `capacity` tasks wait already, or after `stop`: the task is dropped. An exception
  // that leaves a task is logged.
  bool submit(std::function<void()> task);
  std::size_t waiting() const;  // tasks not begun, now
  // Runs what waits and joins the threads.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dexter
