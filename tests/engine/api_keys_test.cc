#include "engine/api_keys.h"

#include <string>

#include <gmock/gmock.h>

#include "tests/support/corpus_files.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

using testing::expect_error;
using ::testing::HasSubstr;

class KeyFile : public ::testing::Test {
 protected:
  void write(const std::string& text) { testing::write_bytes(file_, text); }
  void refuses(const std::string& text, const std::string& message) {
    write(text);
    expect_error(
        ErrorKind::kInvalidInput, [&] { ApiKeys{file_}; }, message);
  }

  testing::TempDir folder_;
  std::filesystem::path file_ = folder_ / "keys";
};

TEST(NoKeys, LetEveryoneDoEverything) {
  const ApiKeys keys;
  EXPECT_FALSE(keys.wanted());
  EXPECT_EQ(keys.role_of(""), KeyRole::kReadWrite);
}

// The hash is `printf %s three | sha256sum`.
TEST_F(KeyFile, HoldsKeysAndHashesWithTheirRoles) {
  write(
      "# the keys of a test\n\n"
      "one\r\n"
      "  two\tread  \n"
      "sha256:8b5b9db0c13db24256c829aa364aa90c6d2eba318b9232a4ab9313b954d3555f read\n"
      "four read-write");
  const ApiKeys keys(file_);
  EXPECT_TRUE(keys.wanted());
  EXPECT_EQ(keys.count(), 4u);
  EXPECT_EQ(keys.role_of("one"), KeyRole::kReadWrite);
  EXPECT_EQ(keys.role_of("two"), KeyRole::kRead);
  EXPECT_EQ(keys.role_of("three"), KeyRole::kRead);
  EXPECT_EQ(keys.role_of("four"), KeyRole::kReadWrite);
  for (const char* unknown : {"", "on", "one ", "ONE", "read", "#", "four read-write"})
    EXPECT_FALSE(keys.role_of(unknown)) << unknown;
  EXPECT_FALSE(
      keys.role_of("sha256:8b5b9db0c13db24256c829aa364aa90c6d2eba318b9232a4ab9313b954d3555f"));
}

TEST_F(KeyFile, IsRefusedWithItsLineWhereItIsWrong) {
  refuses("", "holds no key");
  refuses("# nothing\n", "holds no key");
  refuses("one\ntwo write\n", "keys:2: ");
  refuses("one read write\n", "keys:1: ");
  refuses("k\xc3\xa4se\n", "printable ASCII");
  refuses("sha256:8b5b\n", "stand 4 characters");
  refuses("sha256:" + std::string(64, 'g') + "\n", "64 hexadecimal digits");
  expect_error(ErrorKind::kNotFound, [&] { ApiKeys{folder_ / "absent"}; });
}

TEST_F(KeyFile, IsReadAgainAndKeptWhereItIsWrongThen) {
  write("one\n");
  ApiKeys keys(file_);
  write("two\n");
  keys.reload();
  EXPECT_FALSE(keys.role_of("one"));
  EXPECT_TRUE(keys.role_of("two"));
  write("");
  expect_error(ErrorKind::kInvalidInput, [&] { keys.reload(); });
  EXPECT_TRUE(keys.role_of("two"));
}

}  // namespace
}  // namespace dexter
