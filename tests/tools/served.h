#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/tools/run_dexter.h"

namespace dexter::testing {

// A running `dexter serve` on a free port.
class Served {
 public:
  explicit Served(const std::string& store, const std::vector<std::string>& more = {})
      : process_(arguments(store, more)) {
    if (!process_.wait_for_error("ready on http://127.0.0.1:"))
      throw std::runtime_error("the server did not start: " + process_.finish().err);
    process_.wait_for_error(" labels");
    const std::string text = process_.error_so_far();
    port_ = static_cast<std::uint16_t>(std::stoi(text.substr(text.find("127.0.0.1:") + 10)));
  }
  std::uint16_t port() const { return port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  Process& process() { return process_; }

 private:
  static std::vector<std::string> arguments(const std::string& store,
                                            const std::vector<std::string>& more) {
    std::vector<std::string> all = {"serve", "--store", store, "--port", "0", "--threads", "1"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  Process process_;
  std::uint16_t port_ = 0;
};

}  // namespace dexter::testing
