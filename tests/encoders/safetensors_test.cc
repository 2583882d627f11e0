// Weights read and written, and files that lie about themselves.
#include "encoders/safetensors.h"

#include <gtest/gtest.h>

#include "tests/support/expect_error.h"

namespace dexter {
namespace {

using testing::expect_error;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string file_of(const std::string& table, std::size_t data_bytes) {
  std::string file(8, '\0');
  file[0] = static_cast<char>(table.size() & 0xff);
  file[1] = static_cast<char>(table.size() >> 8);
  return file + table + std::string(data_bytes, '\0');
}

// {"w": {...}} with these members.
std::string tensor(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"w": {"dtype": ")" + dtype + R"(", "shape": )" + shape + R"(, "data_offsets": )" +
         offsets + "}}";
}

void expect_corrupt(const std::string& file, const std::string& part) {
  expect_error(
      ErrorKind::kCorrupt, [&] { SafetensorsReader(bytes_of(file), "the test"); }, "the test",
      part);
}

TEST(Safetensors, ReadsBackWhatItWrote) {
  const std::vector<FloatTensor> written{
      {"a", {2, 3}, {1, 2, 3, 4, 5, 6}}, {"scalar", {}, {-0.5F}}, {"none", {0, 4}, {}}};
  const std::string file = write_safetensors(written);
  const SafetensorsReader reader(bytes_of(file), "the test");
  ASSERT_EQ(reader.tensors().size(), 3u);
  for (const FloatTensor& tensor : written)
    EXPECT_EQ(reader.floats(tensor.name, tensor.shape), tensor.values) << tensor.name;
  EXPECT_EQ(reader.find("b"), nullptr);
  // What the format asks for: the table is padded to eight bytes, and data follows it.
  EXPECT_EQ(static_cast<unsigned char>(file[0]) % 8, 0);
  EXPECT_NE(file.find(R"("__metadata__":{"format":"pt"})"), std::string::npos);
}

TEST(Safetensors, WidensHalvesAtAnyAddress) {
  // 1.5 is 0x3E00 in half precision and 0x3FC0 in bfloat16; -2 is 0xC000 in both.
  const std::string table = R"({"odd":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                            R"("half":{"dtype":"F16","shape":[2],"data_offsets":[1,5]},)"
                            R"("brain":{"dtype":"BF16","shape":[2],"data_offsets":[5,9]}})";
  const std::string file =
      file_of(table, 0) + std::string("\x07\x00\x3E\x00\xC0\xC0\x3F\x00\xC0", 9);
  const SafetensorsReader reader(bytes_of(file), "the test");
  const std::int64_t shape[] = {2}, one[] = {1}, other[] = {1, 2};
  EXPECT_EQ(reader.floats("half", shape), (std::vector<float>{1.5F, -2}));
  EXPECT_EQ(reader.floats("brain", shape), (std::vector<float>{1.5F, -2}));
  expect_error(
      ErrorKind::kIncompatible, [&] { reader.floats("odd", one); }, "'odd'", "U8");
  expect_error(
      ErrorKind::kIncompatible, [&] { reader.floats("half", other); }, "[2]", "[1, 2]");
  expect_error(
      ErrorKind::kIncompatible, [&] { reader.floats("absent", shape); }, "'absent'");
}

TEST(Safetensors, RefusesATableThatIsNone) {
  expect_corrupt("", "0 bytes");
  expect_corrupt("1234567", "7 bytes");
  expect_corrupt(std::string(8, '\xff') + "{}", "its table has 18446744073709551615 bytes");
  expect_corrupt(file_of("{}", 0).substr(0, 9), "its table has 2 bytes, but 1 follow");
  expect_corrupt(file_of("[]", 0), "no JSON object");
  expect_corrupt(file_of("{\"a\": ", 0), "no JSON object");
  expect_corrupt(file_of(std::string(4000, '['), 0), "no JSON object");
  expect_corrupt(file_of(R"({"w": 3})", 0), "describes no tensor");
  expect_corrupt(file_of(R"({"w": {}})", 0), "no type");
}

TEST(Safetensors, RefusesOffsetsShapesAndTypesThatDoNotFit) {
  SafetensorsReader(bytes_of(file_of(tensor("F32", "[2]", "[0, 8]"), 8)), "sound");
  expect_corrupt(file_of(tensor("F7", "[2]", "[0, 8]"), 8), "unknown type 'F7'");
  expect_corrupt(file_of(tensor("F32", "[3]", "[0, 8]"), 8), "8 bytes, not 12");
  expect_corrupt(file_of(tensor("F32", "[2]", "[0, 8]"), 4), "[0, 8] of 4 bytes");
  expect_corrupt(file_of(tensor("F32", "[2]", "[8, 0]"), 8), "[8, 0]");
  expect_corrupt(file_of(tensor("F32", "[2]", "[0]"), 8), "[0]");
  expect_corrupt(file_of(tensor("F32", "[-2]", "[0, 8]"), 8), "-2");
  expect_corrupt(file_of(tensor("F32", "[2.5]", "[0, 8]"), 8), "2.5");
  expect_corrupt(file_of(tensor("F32", "{}", "[0, 8]"), 8), "no list 'shape'");
  expect_corrupt(file_of(tensor("F32", "[4294967296, 4294967296]", "[0, 8]"), 8),
                 "larger than memory");
  expect_corrupt(file_of(tensor("F32", "[99999999999999999999]", "[0, 8]"), 8), "not a count");
}

TEST(Safetensors, RefusesOverlapsHolesAndARest) {
  const auto two = [](const char* first, const char* second, std::size_t bytes) {
    return file_of(std::string(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)") + first +
                       R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + second + "}}",
                   bytes);
  };
  SafetensorsReader(bytes_of(two("[4, 8]", "[0, 4]", 8)), "sound");
  expect_corrupt(two("[0, 4]", "[3, 7]", 8), "overlap or leave a hole");
  expect_corrupt(two("[0, 4]", "[0, 4]", 8), "overlap or leave a hole");
  expect_corrupt(two("[0, 4]", "[5, 9]", 9), "overlap or leave a hole");
  expect_corrupt(two("[0, 4]", "[4, 8]", 9), "end at byte 8 of 9");
}

}  // namespace
}  // namespace dexter
