// Lines of a plain or gzip file in bounded memory.
#include "storage/line_reader.h"

#include <zlib.h>

#include <algorithm>
#include <boost/locale/utf.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <span>
#include <vector>

#include <spdlog/fmt/fmt.h>

#include "storage/error.h"

namespace dexter {
namespace {

constexpr std::size_t kBlockBytes = 256 << 10;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// The bytes of a file, unpacked where they are gzip.
class ByteSource {
 public:
  explicit ByteSource(const std::filesystem::path& file);
  ~ByteSource() {
    if (gzip_) inflateEnd(&stream_);
  }
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  // At most out.size() bytes; 0 at the end.
  std::size_t read(std::span<char> out);
  std::uint64_t bytes_read() const { return raw_read_ - stream_.avail_in; }
  std::uint64_t bytes_total() const { return bytes_total_; }

 private:
  bool refill();
  bool begin_member();
  [[noreturn]] void corrupt(std::string_view found) const;

  const std::string name_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_{nullptr, &std::fclose};
  std::vector<Bytef> input_ = std::vector<Bytef>(kBlockBytes);
  z_stream stream_{};  // next_in, avail_in: what is left of input_, also where the file is plain
  std::uint64_t raw_read_ = 0;
  std::uint64_t bytes_total_ = 0;
  bool gzip_ = false;
  bool in_member_ = false;
};

ByteSource::ByteSource(const std::filesystem::path& file) : name_(file.string()) {
  std::error_code ignored;
  ensure(!std::filesystem::is_directory(file, ignored), ErrorKind::kInvalidInput,
         fmt::format("opening {}: it is a folder; name a file", name_));
  file_.reset(std::fopen(file.c_str(), "rb"));
  if (!file_)
    throw Error(errno == ENOENT || errno == ENOTDIR ? ErrorKind::kNotFound : ErrorKind::kIo,
                fmt::format("opening {}: {}; check the path and its permissions", name_,
                            std::strerror(errno)));
  std::setvbuf(file_.get(), nullptr, _IONBF, 0);
  if (std::filesystem::is_regular_file(file, ignored))
    bytes_total_ = std::filesystem::file_size(file, ignored);
  refill();
  gzip_ = stream_.avail_in >= 2 && input_[0] == 0x1F && input_[1] == 0x8B;
  if (!gzip_ && file.extension() == ".gz")
    corrupt("the name ends in .gz but the content is not gzip; rename or replace the file");
  if (!gzip_) return;
  ensure(inflateInit2(&stream_, 15 + 16) == Z_OK, ErrorKind::kInternal,
         fmt::format("reading {}: zlib does not start", name_));
  in_member_ = true;
}

void ByteSource::corrupt(std::string_view found) const {
  throw Error(ErrorKind::kCorrupt, fmt::format("{}: {}", name_, found));
}

bool ByteSource::refill() {
  const std::size_t got = std::fread(input_.data(), 1, input_.size(), file_.get());
  if (got == 0 && std::ferror(file_.get()))
    throw Error(ErrorKind::kIo,
                fmt::format("reading {} at byte {}: {}", name_, raw_read_, std::strerror(errno)));
  raw_read_ += got;
  stream_.next_in = input_.data();
  stream_.avail_in = static_cast<uInt>(got);
  return got > 0;
}

// Between two members: gzip allows zero bytes as padding, nothing else.
bool ByteSource::begin_member() {
  while (true) {
    if (stream_.avail_in == 0 && !refill()) return false;
    for (; stream_.avail_in > 0; ++stream_.next_in, --stream_.avail_in) {
      if (*stream_.next_in == 0) continue;
      inflateReset(&stream_);
      in_member_ = true;
      return true;
    }
  }
}

std::size_t ByteSource::read(std::span<char> out) {
  if (!gzip_) {
    if (stream_.avail_in == 0 && !refill()) return 0;
    const std::size_t count = std::min<std::size_t>(out.size(), stream_.avail_in);
    std::memcpy(out.data(), stream_.next_in, count);
    stream_.next_in += count;
    stream_.avail_in -= static_cast<uInt>(count);
    return count;
  }
  stream_.next_out = reinterpret_cast<Bytef*>(out.data());
  stream_.avail_out = static_cast<uInt>(out.size());
  while (stream_.avail_out == out.size()) {
    if (!in_member_ && !begin_member()) return 0;
    if (stream_.avail_in == 0 && !refill())
      corrupt(fmt::format("the gzip stream ends early, after {} bytes; fetch the file again",
                          raw_read_));
    const int status = inflate(&stream_, Z_NO_FLUSH);
    if (status == Z_STREAM_END) in_member_ = false;
    if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
      corrupt(fmt::format("the gzip stream is damaged near byte {} ({}); fetch the file again",
                          bytes_read(), stream_.msg ? stream_.msg : "zlib gives no reason"));
  }
  return out.size() - stream_.avail_out;
}

}  // namespace

std::size_t find_invalid_utf8(std::string_view text) {
  using Utf8 = boost::locale::utf::utf_traits<char>;
  constexpr std::uint64_t kHighBits = 0x8080808080808080;
  const char* const end = text.data() + text.size();
  for (const char* at = text.data(); at != end;) {
    std::uint64_t word = 0;
    while (end - at >= 8 && (std::memcpy(&word, at, 8), (word & kHighBits) == 0)) at += 8;
    // To the end of this stretch of other characters, or of the text.
    for (int ascii = 0; at != end && ascii < 8;) {
      ascii = static_cast<signed char>(*at) >= 0 ? ascii + 1 : 0;
      const char* const start = at;
      const auto code = Utf8::decode(at, end);
      if (code == boost::locale::utf::illegal || code == boost::locale::utf::incomplete)
        return static_cast<std::size_t>(start - text.data());
    }
  }
  return std::string_view::npos;
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos;
}

struct LineReader::Impl {
  Impl(const std::filesystem::path& path, std::uint64_t max_bytes)
      : file(path.string()), source(path), max_line_bytes(max_bytes) {}

  bool refill() {
    begin = 0;
    end = source.read(block);
    return end > 0;
  }
  bool next_raw(std::string_view& text, std::uint64_t& length);

  const std::string file;
  ByteSource source;
  const std::uint64_t max_line_bytes;
  std::uint64_t line = 0;
  std::vector<char> block = std::vector<char>(kBlockBytes);
  std::size_t begin = 0;  // block[begin, end) is unread
  std::size_t end = 0;
  std::string carried;  // the start of a line that crosses blocks
};

// `length` is the line's; where it is beyond max_line_bytes, `text` is not set.
bool LineReader::Impl::next_raw(std::string_view& text, std::uint64_t& length) {
  if (begin == end && !refill()) return false;
  ++line;
  carried.clear();
  length = 0;
  for (bool ended = false; !ended;) {
    const char* const start = block.data() + begin;
    const void* const newline = std::memchr(start, '\n', end - begin);
    const std::size_t part =
        newline ? static_cast<std::size_t>(static_cast<const char*>(newline) - start) : end - begin;
    begin += part + (newline ? 1 : 0);
    const bool whole = newline && length == 0;
    length += part;
    if (whole) {
      text = {start, part};
    } else if (length <= max_line_bytes) {
      text = carried.append(start, part);
    }
    ended = newline || (begin == end && !refill());
  }
  return true;
}

LineReader::LineReader(const std::filesystem::path& file, std::uint64_t max_line_bytes)
    : impl_(std::make_unique<Impl>(file, max_line_bytes)) {}
LineReader::~LineReader() = default;
LineReader::LineReader(LineReader&&) noexcept = default;
LineReader& LineReader::operator=(LineReader&&) noexcept = default;

bool LineReader::next(std::string_view& line) {
  std::uint64_t length = 0;
  if (!impl_->next_raw(line, length)) return false;
  if (length > impl_->max_line_bytes)
    fail(
        fmt::format("the line has {} bytes, more than the {} allowed; split the text or raise "
                    "the limit with --max-line-bytes",
                    length, impl_->max_line_bytes));
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (impl_->line == 1 && line.starts_with(kByteOrderMark))
    line.remove_prefix(kByteOrderMark.size());
  if (line.empty()) fail("the line is empty; remove it");
  if (const auto at = line.find('\0'); at != std::string_view::npos)
    fail(fmt::format("byte {} of the line is NUL; remove it", at + 1));
  if (const auto at = find_invalid_utf8(line); at != std::string_view::npos)
    fail(
        fmt::format("byte {} of the line, 0x{:02X}, is not UTF-8; convert the file, as with "
                    "`iconv -f LATIN1 -t UTF-8`",
                    at + 1, static_cast<unsigned char>(line[at])));
  return true;
}

std::uint64_t LineReader::line() const { return impl_->line; }
std::uint64_t LineReader::bytes_read() const { return impl_->source.bytes_read(); }
std::uint64_t LineReader::bytes_total() const { return impl_->source.bytes_total(); }

void LineReader::fail(std::string_view what) const {
  throw Error(ErrorKind::kInvalidInput, fmt::format("{}:{}: {}", impl_->file, impl_->line, what));
}

void LineReader::fail_file(std::string_view what) const {
  throw Error(ErrorKind::kCorrupt, fmt::format("{}: {}", impl_->file, what));
}

}  // namespace dexter
