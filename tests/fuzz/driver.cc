// Runs a fuzz target where there is no libFuzzer: its seeds, then mutations of them for a time.
//   NAME_fuzz [SECONDS]     default 1
//   NAME_fuzz FILE...       these inputs alone, such as a finding
// While an input runs it stands in NAME_fuzz.input in the working folder; a crash leaves it there.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "tests/fuzz/fuzz_target.h"
#include "tests/support/mutator.h"

namespace dexter::fuzz {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostBytes = 1 << 16;
constexpr std::size_t kMostAdded = 2000;
constexpr unsigned kSeed = 20261125;

// The file that outlives a crash: a mapping, so that noting an input costs a copy.
class LastInput {
 public:
  explicit LastInput(std::filesystem::path path) : path_(std::move(path)) {
    const int file = ::open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (file < 0 || ::ftruncate(file, kMostBytes) != 0)
      throw std::runtime_error("cannot write " + path_.string());
    bytes_ = ::mmap(nullptr, kMostBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (bytes_ == MAP_FAILED) throw std::runtime_error("cannot map " + path_.string());
    ::close(file);
  }
  ~LastInput() {
    ::munmap(bytes_, kMostBytes);
    std::filesystem::remove(path_);
  }
  LastInput(const LastInput&) = delete;
  LastInput& operator=(const LastInput&) = delete;
  void note(std::string_view input) {
    std::memcpy(bytes_, input.data(), input.size());
    std::memset(static_cast<char*>(bytes_) + input.size(), 0, kMostBytes - input.size());
  }

 private:
  const std::filesystem::path path_;
  void* bytes_ = nullptr;
};

void run_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(std::string("cannot read ") + path);
  const std::string input{std::istreambuf_iterator<char>(file), {}};
  const bool taken = succeeds([&] { run(input); });
  std::cout << path << ": " << (taken ? "taken" : "refused") << '\n';
}

// How many inputs were run.
std::uint64_t run_mutations(std::chrono::seconds time, LastInput& last) {
  const std::vector<std::string> all = seeds();
  const auto one = [&](std::string_view input) {
    last.note(input);
    succeeds([&] { run(input); });
  };
  for (const std::string& seed : all) one(seed);
  testing::Mutator mutator(kSeed, kMostAdded);
  std::uint64_t count = all.size();
  for (const auto end = Clock::now() + time; Clock::now() < end; ++count) {
    std::string input = mutator.mutate(all[mutator.below(all.size())]);
    input.resize(std::min(input.size(), kMostBytes));
    one(input);
  }
  return count;
}

bool is_number(std::string_view text) {
  return text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace
}  // namespace dexter::fuzz

int main(int count, char** arguments) {
  if (count > 1 && !dexter::fuzz::is_number(arguments[1])) {
    for (int i = 1; i < count; ++i) dexter::fuzz::run_file(arguments[i]);
    return 0;
  }
  const std::chrono::seconds time(count > 1 ? std::stoi(arguments[1]) : 1);
  const std::string name = std::filesystem::path(arguments[0]).filename();
  dexter::fuzz::LastInput last(name + ".input");
  std::cout << name << ": " << dexter::fuzz::run_mutations(time, last) << " inputs\n";
  return 0;
}
