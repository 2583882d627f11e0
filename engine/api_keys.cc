// Keys by their hashes.
#include "engine/api_keys.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <spdlog/fmt/fmt.h>
#include <algorithm>
#include <charconv>
#include <utility>

#include "storage/error.h"
#include "storage/file_io.h"

namespace dexter {
namespace {

constexpr std::string_view kHashMark = "sha256:";

using Hash = std::array<std::uint8_t, SHA256_DIGEST_LENGTH>;

Hash hash_of(std::string_view key) {
  Hash hash{};
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), hash.data());
  return hash;
}

std::optional<Hash> read_hash(std::string_view digits) {
  Hash hash{};
  if (digits.size() != 2 * hash.size()) return std::nullopt;
  for (std::size_t i = 0; i < hash.size(); ++i) {
    const char* const first = digits.data() + 2 * i;
    const auto [end, error] = std::from_chars(first, first + 2, hash[i], 16);
    if (error != std::errc() || end != first + 2) return std::nullopt;
  }
  return hash;
}

bool is_graphic(char c) { return c > 0x20 && c < 0x7f; }

// The next word of a line; empty at its end.
std::string_view take_word(std::string_view& line) {
  const std::size_t first = std::min(line.find_first_not_of(" \t\r"), line.size());
  line.remove_prefix(first);
  const std::string_view word = line.substr(0, line.find_first_of(" \t\r"));
  line.remove_prefix(word.size());
  return word;
}

}  // namespace

ApiKeys::ApiKeys(std::filesystem::path file) : file_(std::move(file)) { reload(); }

ApiKeys::Entry ApiKeys::parse(std::string_view line, const std::string& where) {
  const std::string_view key = take_word(line);
  const std::string_view role = take_word(line);
  Entry entry;
  ensure(std::all_of(key.begin(), key.end(), is_graphic), ErrorKind::kInvalidInput,
         fmt::format("reading {}: a key is printable ASCII; make another one", where));
  ensure((role.empty() || role == "read" || role == "read-write") && take_word(line).empty(),
         ErrorKind::kInvalidInput,
         fmt::format("reading {}: after the key stands something else than 'read' or 'read-write'; "
                     "write KEY, or KEY and one of them",
                     where));
  if (role == "read") entry.role = KeyRole::kRead;
  if (!key.starts_with(kHashMark)) {
    entry.hash = hash_of(key);
    return entry;
  }
  const auto hash = read_hash(key.substr(kHashMark.size()));
  ensure(hash.has_value(), ErrorKind::kInvalidInput,
         fmt::format("reading {}: after 'sha256:' stand {} characters, but 64 hexadecimal digits "
                     "are expected; make them with `printf %s KEY | sha256sum`",
                     where, key.size() - kHashMark.size()));
  entry.hash = *hash;
  return entry;
}

void ApiKeys::reload() {
  if (!wanted()) return;
  const std::string text = read_file(file_);
  auto read = std::make_shared<Entries>();
  std::string_view rest = text;
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    std::string_view first = line;
    const std::string_view word = take_word(first);
    if (word.empty() || word.front() == '#') continue;
    read->push_back(parse(line, fmt::format("{}:{}", file_.string(), number)));
  }
  ensure(!read->empty(), ErrorKind::kInvalidInput,
         fmt::format("reading {}: it holds no key, so that nobody could ask anything; write one "
                     "key a line",
                     file_.string()));
  const std::lock_guard lock(mutex_);
  entries_ = std::move(read);
}

std::shared_ptr<const ApiKeys::Entries> ApiKeys::entries() const {
  const std::lock_guard lock(mutex_);
  return entries_;
}

std::size_t ApiKeys::count() const {
  const auto known = entries();
  return known ? known->size() : 0;
}

std::optional<KeyRole> ApiKeys::role_of(std::string_view key) const {
  if (!wanted()) return KeyRole::kReadWrite;
  const Hash hash = hash_of(key);
  std::optional<KeyRole> role;
  for (const auto known = entries(); const Entry& entry : *known)
    if (CRYPTO_memcmp(hash.data(), entry.hash.data(), hash.size()) == 0) role = entry.role;
  return role;
}

}  // namespace dexter
