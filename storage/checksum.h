#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace dexter {

// XXH3-64, the checksum of everything dexter writes. Pure functions, safe from many threads.
std::uint64_t checksum64(std::span<const std::byte> bytes, std::uint64_t seed = 0);
std::uint64_t checksum64(std::string_view bytes, std::uint64_t seed = 0);

// The same over pieces: equal to checksum64 of their concatenation.
class Checksum64 {
 public:
  Checksum64();
  ~Checksum64();
  Checksum64(Checksum64&&) noexcept;
  Checksum64& operator=(Checksum64&&) noexcept;
  void update(std::span<const std::byte> bytes);
  std::uint64_t value() const;  // of everything so far

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// 16 lower-case hex digits.
std::string to_hex(std::uint64_t value);

}  // namespace dexter
