// Exchange between the processes of a training: c10d over Gloo.
#include "encoders/process_group.h"

#include <ATen/ATen.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <charconv>
#include <chrono>
#include <cstdlib>

#include "storage/error.h"

namespace dexter {
namespace {

using Milliseconds = std::chrono::milliseconds;

std::optional<std::string> variable(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr || *text == '\0') return std::nullopt;
  return text;
}

int number_in(const std::string& name, const std::string& text, int least, int most) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  ensure(
      error == std::errc() && end == text.data() + text.size() && number >= least && number <= most,
      ErrorKind::kInvalidInput,
      "joining several processes: " + name + " is \"" + text + "\", but must be a number from " +
          std::to_string(least) + " to " + std::to_string(most) +
          "; start them with torchrun or mpirun");
  return number;
}

std::string required(const char* name) {
  const auto text = variable(name);
  ensure(text.has_value(), ErrorKind::kInvalidInput,
         std::string("joining several processes: WORLD_SIZE is set but ") + name +
             " is not; start them with torchrun, or set RANK, WORLD_SIZE, MASTER_ADDR and "
             "MASTER_PORT");
  return *text;
}

// The first line of what LibTorch says, which goes on with a trace.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

c10::intrusive_ptr<c10d::ProcessGroupGloo> connected(const RankOptions& options) {
  const Milliseconds timeout(static_cast<std::int64_t>(options.timeout_seconds * 1000));
  c10d::TCPStoreOptions store;
  store.port = static_cast<std::uint16_t>(options.port);
  store.isServer = options.rank == 0 && !options.store_is_there;
  store.numWorkers = static_cast<std::size_t>(options.size);
  store.waitWorkers = false;  // the meeting itself waits, with its timeout
  store.timeout = timeout;
  const auto meeting = c10::make_intrusive<c10d::PrefixStore>(
      "dexter/" + options.attempt, c10::make_intrusive<c10d::TCPStore>(options.host, store));
  meeting->setTimeout(timeout);
  using Gloo = c10d::ProcessGroupGloo;
  const auto own = Gloo::Options::create(timeout);
  const auto interface = variable("GLOO_SOCKET_IFNAME");
  const bool is_local = options.host == "127.0.0.1" || options.host == "localhost";
  own->devices.push_back(interface  ? Gloo::createDeviceForInterface(*interface)
                         : is_local ? Gloo::createDeviceForHostname("127.0.0.1")
                                    : Gloo::createDefaultDevice());
  return c10::make_intrusive<Gloo>(meeting, options.rank, options.size, own);
}

}  // namespace

std::optional<Rank> rank_from_environment() {
  const char* size_name = variable("WORLD_SIZE") ? "WORLD_SIZE" : "OMPI_COMM_WORLD_SIZE";
  const char* rank_name = variable("RANK") ? "RANK" : "OMPI_COMM_WORLD_RANK";
  const auto size = variable(size_name);
  if (!size) return std::nullopt;
  Rank own;
  own.size = number_in(size_name, *size, 1, 1 << 16);
  if (own.size == 1) return std::nullopt;
  own.rank = number_in(rank_name, required(rank_name), 0, own.size - 1);
  return own;
}

std::optional<RankOptions> ranks_from_environment() {
  const auto own = rank_from_environment();
  if (!own) return std::nullopt;
  RankOptions options;
  options.rank = own->rank;
  options.size = own->size;
  options.host = required("MASTER_ADDR");
  options.port = number_in("MASTER_PORT", required("MASTER_PORT"), 1, 65535);
  options.store_is_there = variable("TORCHELASTIC_USE_AGENT_STORE") == "True";
  options.attempt = variable("TORCHELASTIC_RESTART_COUNT").value_or("0");
  return options;
}

struct ProcessGroup::Impl {
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo;
  RankOptions options;

  template <class Call>
  static void checked(const RankOptions& options, const char* doing, const Call& call) {
    try {
      call();
    } catch (const std::exception& error) {
      throw Error(ErrorKind::kUnavailable,
                  std::string(doing) + " as rank " + std::to_string(options.rank) + " of " +
                      std::to_string(options.size) + " processes at " + options.host + ":" +
                      std::to_string(options.port) +
                      ": one of them ended, or was not heard of for " +
                      std::to_string(static_cast<int>(options.timeout_seconds)) +
                      " s; start all again with --resume, in any number (" +
                      first_line(error.what()) + ")");
    }
  }

  template <class Real>
  void reduce(std::span<Real> values, c10d::ReduceOp::RedOpType operation) const {
    if (values.empty()) return;
    std::vector<at::Tensor> tensors{at::from_blob(values.data(),
                                                  {static_cast<std::int64_t>(values.size())},
                                                  c10::CppTypeToScalarType<Real>::value)};
    c10d::AllreduceOptions how;
    how.reduceOp = operation;
    checked(options, "training", [&] { gloo->allreduce(tensors, how)->wait(); });
  }

  void broadcast(void* data, std::size_t bytes) const {
    if (bytes == 0) return;
    std::vector<at::Tensor> tensors{
        at::from_blob(data, {static_cast<std::int64_t>(bytes)}, at::kByte)};
    checked(options, "training", [&] { gloo->broadcast(tensors)->wait(); });
  }
};

ProcessGroup::ProcessGroup(const RankOptions& options) : options_(options) {
  Impl::checked(options, "meeting", [&] {
    impl_ = std::make_unique<Impl>(Impl{connected(options), options});
  });
}

ProcessGroup::~ProcessGroup() = default;

std::pair<std::size_t, std::size_t> ProcessGroup::part_of(std::size_t count) const {
  const auto rank = static_cast<std::size_t>(options_.rank);
  const auto size = static_cast<std::size_t>(options_.size);
  return {count * rank / size, count * (rank + 1) / size};
}

void ProcessGroup::sum(std::span<float> values) const {
  impl_->reduce(values, c10d::ReduceOp::SUM);
}
void ProcessGroup::sum(std::span<double> values) const {
  impl_->reduce(values, c10d::ReduceOp::SUM);
}
void ProcessGroup::maximum(std::span<double> values) const {
  impl_->reduce(values, c10d::ReduceOp::MAX);
}

std::string ProcessGroup::from_first(std::string bytes) const {
  std::uint64_t size = bytes.size();
  impl_->broadcast(&size, sizeof size);
  bytes.resize(size);
  impl_->broadcast(bytes.data(), bytes.size());
  return bytes;
}

}  // namespace dexter
