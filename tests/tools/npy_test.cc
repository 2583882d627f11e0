#include "tools/npy.h"

#include <gmock/gmock.h>

#include <array>
#include <cstring>

#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

using testing::read_bytes;
using testing::TempDir;

TEST(NpyWriter, WritesTheHeaderThatTheFormatDescribesThenTheRows) {
  const TempDir folder;
  const std::array<float, 6> values = {1, 2, 3, 4, 5, 6};
  NpyWriter writer(folder / "m.npy", 2);
  for (const char* key : {"a", "b", "c"}) writer.add_key(key);
  writer.add_rows({values.data(), 1, 2});
  writer.add_rows({values.data() + 2, 2, 2});
  writer.commit();

  const std::string bytes = read_bytes(folder / "m.npy");
  ASSERT_EQ(bytes.size(), 128 + sizeof(values));
  EXPECT_EQ(bytes.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
  // Length of what follows the ten bytes of magic, version and length, little endian.
  EXPECT_EQ(static_cast<unsigned char>(bytes[8]), 118);
  EXPECT_EQ(bytes[9], 0);
  EXPECT_THAT(
      bytes.substr(10, 118),
      ::testing::StartsWith("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }  "));
  EXPECT_EQ(bytes[127], '\n');
  std::array<float, 6> read{};
  std::memcpy(read.data(), bytes.data() + 128, sizeof(read));
  EXPECT_EQ(read, values);
  EXPECT_EQ(read_bytes(folder / "m.ids.txt"), "a\nb\nc\n");
}

TEST(NpyWriter, LeavesNothingWithoutCommit) {
  const TempDir folder;
  {
    NpyWriter writer(folder / "m.npy", 2);
    writer.add_key("a");
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(NpyWriter, KeepsTheFormerFileUntilCommit) {
  const TempDir folder;
  testing::write_bytes(folder / "m.npy", "former");
  NpyWriter writer(folder / "m.npy", 1);
  EXPECT_EQ(read_bytes(folder / "m.npy"), "former");
  writer.commit();
  EXPECT_EQ(read_bytes(folder / "m.npy").size(), 128u);
}

TEST(NpyWriter, RefusesAKeyThatNeedsTwoLines) {
  const TempDir folder;
  NpyWriter writer(folder / "m.npy", 1);
  testing::expect_error(
      ErrorKind::kInvalidInput, [&] { writer.add_key("a\nb"); }, "line break");
}

TEST(NpyWriter, NamesTheFolderThatIsNotThere) {
  const TempDir folder;
  testing::expect_error(
      ErrorKind::kIo, [&] { NpyWriter(folder / "absent/m.npy", 1); }, "absent");
}

}  // namespace
}  // namespace dexter
