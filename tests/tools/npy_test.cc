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

TEST(ReadNpy, ReadsWhatTheWriterWrote) {
  const TempDir folder;
  const std::array<float, 6> values = {1, -2, 3.5F, 4, 5, 6};
  NpyWriter writer(folder / "m.npy", 3);
  for (const char* key : {"a", "b"}) writer.add_key(key);
  writer.add_rows({values.data(), 2, 3});
  writer.commit();
  const EmbeddingMatrix matrix = read_npy(folder / "m.npy");
  EXPECT_EQ(matrix.rows(), 2U);
  EXPECT_EQ(matrix.dim(), 3);
  EXPECT_EQ(std::vector<float>(matrix.data(), matrix.data() + 6),
            std::vector<float>(values.begin(), values.end()));
}

std::string npy(const std::string& dictionary, const std::string& values, char version = 1) {
  std::string file("\x93NUMPY", 6);
  file += version;
  file += '\0';
  file += static_cast<char>(dictionary.size() & 0xFFU);
  file += static_cast<char>(dictionary.size() >> 8U);
  if (version == 2) file += std::string(2, '\0');
  return file + dictionary + values;
}

TEST(ReadNpy, ReadsTheLongerHeaderOfVersionTwo) {
  const TempDir folder;
  const std::string two(reinterpret_cast<const char*>(std::array<float, 2>{7, 8}.data()), 8);
  testing::write_bytes(
      folder / "m.npy",
      npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }\n", two, 2));
  EXPECT_EQ(read_npy(folder / "m.npy").row(0)[1], 8);
}

TEST(ReadNpy, RefusesWhatIsNoFloat32MatrixAndSaysWhatItIs) {
  const TempDir folder;
  const std::string good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }\n";
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = good;
    return changed.replace(changed.find(from), from.size(), to);
  };
  const std::pair<std::string, std::string> cases[] = {
      {npy(with("<f4", "<f8"), std::string(32, 'x')), "'<f8'"},
      {npy(with("False", "True"), std::string(16, 'x')), "'fortran_order': True"},
      {npy(with("(2, 2)", "(4,)"), std::string(16, 'x')), "(4,)"},
      {npy(good, std::string(15, 'x')), "ends 1 bytes too early"},
      {npy(with("(2, 2)", "(999999999999, 2)"), "x"), "the file has"},
      {npy(with("(2, 2)", "(2, 0)"), ""), "2 rows of 0 columns"},
      {"id,text\n", "ends 2 bytes too early"},
      {"not a matrix at all", "does not begin as NumPy's format"},
  };
  for (const auto& [bytes, part] : cases) {
    testing::write_bytes(folder / "m.npy", bytes);
    testing::expect_error(
        ErrorKind::kInvalidInput, [&] { read_npy(folder / "m.npy"); }, "m.npy", part);
  }
  testing::expect_error(
      ErrorKind::kNotFound, [&] { read_npy(folder / "absent.npy"); }, "absent.npy");
}

}  // namespace
}  // namespace dexter
