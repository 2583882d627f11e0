#include "engine/task_pool.h"

#include <atomic>
#include <future>
#include <stdexcept>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace dexter {
namespace {

TEST(TaskPool, RefusesWhatItHasNoRoomFor) {
  std::promise<void> gate, begun;
  TaskPool pool(1, 2);
  const std::shared_future<void> opened = gate.get_future().share();
  EXPECT_TRUE(pool.submit([&, opened] {
    begun.set_value();
    opened.wait();
  }));
  begun.get_future().wait();
  std::atomic<int> done = 0;
  EXPECT_TRUE(pool.submit([&] { ++done; }));
  EXPECT_TRUE(pool.submit([&] { ++done; }));
  EXPECT_EQ(pool.waiting(), 2u);
  EXPECT_FALSE(pool.submit([&] { ++done; }));
  gate.set_value();
  pool.stop();
  EXPECT_EQ(done, 2);
  EXPECT_FALSE(pool.submit([&] { ++done; }));
}

TEST(TaskPool, GoesOnAfterATaskThatThrows) {
  std::atomic<int> begun = 0, done = 0;
  TaskPool pool(1, 2, [&] { ++begun; });
  pool.submit([] { throw std::runtime_error("a test's"); });
  pool.submit([&] { ++done; });
  pool.stop();
  EXPECT_EQ(done, 1);
  EXPECT_EQ(begun, 1);
}

TEST(TaskPool, RunsEveryTaskThatWasTakenFromManyThreads) {
  std::atomic<int> taken = 0, done = 0;
  TaskPool pool(3, 50);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) taken += pool.submit([&] { ++done; }) ? 1 : 0;
    });
  for (std::thread& thread : threads) thread.join();
  pool.stop();
  EXPECT_EQ(done, taken);
  EXPECT_EQ(pool.waiting(), 0u);
}

}  // namespace
}  // namespace dexter
