// What a code point is to a BERT tokenizer: utf8proc's answer, but for the ranges where the two
// differ. tests/encoders/wordpiece_compare.py finds these by asking about every code point.
#include "encoders/wordpiece_unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <iterator>

namespace dexter {
namespace {

struct Range {
  std::int32_t first, last;
};

// Whether one is a nonspacing mark is answered the other way round.
constexpr Range kMarks[] = {
    {0x07FD, 0x07FD},   {0x0898, 0x089F},   {0x08CA, 0x08E1},   {0x09FE, 0x09FE},
    {0x0AFA, 0x0AFF},   {0x0B55, 0x0B55},   {0x0C04, 0x0C04},   {0x0C3C, 0x0C3C},
    {0x0D00, 0x0D00},   {0x0D3B, 0x0D3C},   {0x0D81, 0x0D81},   {0x0EBA, 0x0EBA},
    {0x0ECE, 0x0ECE},   {0x1734, 0x1734},   {0x180F, 0x180F},   {0x1885, 0x1886},
    {0x1ABF, 0x1ACE},   {0x1DF6, 0x1DFB},   {0xA82C, 0xA82C},   {0xA8C5, 0xA8C5},
    {0xA8FF, 0xA8FF},   {0xA9BD, 0xA9BD},   {0x10D24, 0x10D27}, {0x10EAB, 0x10EAC},
    {0x10EFD, 0x10EFF}, {0x10F46, 0x10F50}, {0x10F82, 0x10F85}, {0x11070, 0x11070},
    {0x11073, 0x11074}, {0x110C2, 0x110C2}, {0x111C9, 0x111C9}, {0x111CF, 0x111CF},
    {0x1123E, 0x1123E}, {0x11241, 0x11241}, {0x1133B, 0x1133B}, {0x11438, 0x1143F},
    {0x11442, 0x11444}, {0x11446, 0x11446}, {0x1145E, 0x1145E}, {0x1182F, 0x11837},
    {0x11839, 0x1183A}, {0x1193B, 0x1193C}, {0x1193E, 0x1193E}, {0x11943, 0x11943},
    {0x119D4, 0x119D7}, {0x119DA, 0x119DB}, {0x119E0, 0x119E0}, {0x11A01, 0x11A0A},
    {0x11A33, 0x11A38}, {0x11A3B, 0x11A3E}, {0x11A47, 0x11A47}, {0x11A51, 0x11A56},
    {0x11A59, 0x11A5B}, {0x11A8A, 0x11A96}, {0x11A98, 0x11A99}, {0x11C30, 0x11C36},
    {0x11C38, 0x11C3D}, {0x11C3F, 0x11C3F}, {0x11C92, 0x11CA7}, {0x11CAA, 0x11CB0},
    {0x11CB2, 0x11CB3}, {0x11CB5, 0x11CB6}, {0x11D31, 0x11D36}, {0x11D3A, 0x11D3A},
    {0x11D3C, 0x11D3D}, {0x11D3F, 0x11D45}, {0x11D47, 0x11D47}, {0x11D90, 0x11D91},
    {0x11D95, 0x11D95}, {0x11D97, 0x11D97}, {0x11EF3, 0x11EF4}, {0x11F00, 0x11F01},
    {0x11F36, 0x11F3A}, {0x11F40, 0x11F40}, {0x11F42, 0x11F42}, {0x13440, 0x13440},
    {0x13447, 0x13455}, {0x16F4F, 0x16F4F}, {0x16FE4, 0x16FE4}, {0x1CF00, 0x1CF2D},
    {0x1CF30, 0x1CF46}, {0x1E000, 0x1E006}, {0x1E008, 0x1E018}, {0x1E01B, 0x1E021},
    {0x1E023, 0x1E024}, {0x1E026, 0x1E02A}, {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136},
    {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF}, {0x1E4EC, 0x1E4EF}, {0x1E944, 0x1E94A}};
// So is whether one is punctuation.
constexpr Range kPunctuation[] = {
    {0x061D, 0x061D},   {0x09FD, 0x09FD},   {0x0A76, 0x0A76},   {0x0C77, 0x0C77},
    {0x0C84, 0x0C84},   {0x166D, 0x166D},   {0x1B7D, 0x1B7E},   {0x2E43, 0x2E4F},
    {0x2E52, 0x2E5D},   {0x10EAD, 0x10EAD}, {0x10F55, 0x10F59}, {0x10F86, 0x10F89},
    {0x111C9, 0x111C9}, {0x1144B, 0x1144F}, {0x1145A, 0x1145B}, {0x1145D, 0x1145D},
    {0x11660, 0x1166C}, {0x116B9, 0x116B9}, {0x1183B, 0x1183B}, {0x11944, 0x11946},
    {0x119E2, 0x119E2}, {0x11A3F, 0x11A46}, {0x11A9A, 0x11A9C}, {0x11A9E, 0x11AA2},
    {0x11B00, 0x11B09}, {0x11C41, 0x11C45}, {0x11C70, 0x11C71}, {0x11EF7, 0x11EF8},
    {0x11F43, 0x11F4F}, {0x11FFF, 0x11FFF}, {0x12FF1, 0x12FF2}, {0x16E97, 0x16E9A},
    {0x16FE2, 0x16FE2}, {0x1E95E, 0x1E95F}};
// Marks without an order among themselves.
constexpr Range kClassless[] = {
    {0x07FD, 0x07FD},   {0x0898, 0x089F},   {0x08CA, 0x08D3},   {0x09FE, 0x09FE},
    {0x0C3C, 0x0C3C},   {0x0D3B, 0x0D3C},   {0x0EBA, 0x0EBA},   {0x1715, 0x1715},
    {0x1ABF, 0x1ACE},   {0x1DF6, 0x1DFA},   {0xA82C, 0xA82C},   {0x10D24, 0x10D27},
    {0x10EAB, 0x10EAC}, {0x10EFD, 0x10EFF}, {0x10F46, 0x10F50}, {0x10F82, 0x10F85},
    {0x11070, 0x11070}, {0x1133B, 0x1133B}, {0x1145E, 0x1145E}, {0x11839, 0x1183A},
    {0x1193D, 0x1193E}, {0x11943, 0x11943}, {0x119E0, 0x119E0}, {0x11A34, 0x11A34},
    {0x11A47, 0x11A47}, {0x11A99, 0x11A99}, {0x11D42, 0x11D42}, {0x11D44, 0x11D45},
    {0x11D97, 0x11D97}, {0x11F41, 0x11F42}, {0x16FF0, 0x16FF1}, {0x1E08F, 0x1E08F},
    {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF}, {0x1E4EC, 0x1E4EF}};
// Format characters that are kept.
constexpr Range kFormat[] = {
    {0x0890, 0x0891}, {0x08E2, 0x08E2}, {0x110CD, 0x110CD}, {0x13430, 0x1343F}};
constexpr Range kIdeographs[] = {{0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},
                                 {0x20000, 0x2A6DF}, {0x2A700, 0x2B81F}, {0x2B920, 0x2CEAF},
                                 {0x2F800, 0x2FA1F}};

template <std::size_t N>
bool is_in(const Range (&ranges)[N], std::int32_t c) {
  const auto found = std::upper_bound(std::begin(ranges), std::end(ranges), c,
                                      [](std::int32_t x, const Range& r) { return x < r.first; });
  return found != std::begin(ranges) && c <= std::prev(found)->last;
}

bool is_nonspacing_mark(std::int32_t c) {
  return (utf8proc_category(c) == UTF8PROC_CATEGORY_MN) != is_in(kMarks, c);
}

int combining_class(std::int32_t c) {
  const int known = utf8proc_get_property(c)->combining_class;
  return known != 0 && is_in(kClassless, c) ? 0 : known;
}

void order_marks(std::vector<std::int32_t>& text) {
  const auto is_mark = [](std::int32_t c) { return c >= 0x300 && combining_class(c) != 0; };
  for (auto begin = text.begin(); begin != text.end();) {
    begin = std::find_if(begin, text.end(), is_mark);
    const auto end = std::find_if_not(begin, text.end(), is_mark);
    std::stable_sort(begin, end, [](std::int32_t a, std::int32_t b) {
      return combining_class(a) < combining_class(b);
    });
    begin = end;
  }
}

void append_decomposed(std::int32_t c, std::vector<std::int32_t>& out) {
  constexpr std::int32_t kUndecomposed = 0x11938;  // a letter newer than the tables
  utf8proc_int32_t buffer[32];
  int last_class = 0;
  const utf8proc_ssize_t n =
      c < 0x80 || c == kUndecomposed
          ? 0
          : utf8proc_decompose_char(c, buffer, 32, UTF8PROC_DECOMPOSE, &last_class);
  if (n > 0 && n <= 32)
    out.insert(out.end(), buffer, buffer + n);
  else
    out.push_back(c);
}

}  // namespace

bool is_bert_control(std::int32_t c) {
  if (c == '\t' || c == '\n' || c == '\r') return false;
  switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CO:
      return true;
    case UTF8PROC_CATEGORY_CF:
      return !is_in(kFormat, c);
    default:
      return c == 0xFFFD;
  }
}

bool is_bert_space(std::int32_t c) {
  if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
  switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return true;
    default:
      return c == 0x85;
  }
}

bool is_bert_punctuation(std::int32_t c) {
  if (c < 0x80)
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
           (c >= '{' && c <= '~');
  const utf8proc_category_t category = utf8proc_category(c);
  const bool known = category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
  return known != is_in(kPunctuation, c);
}

bool is_bert_ideograph(std::int32_t c) { return c >= 0x3400 && is_in(kIdeographs, c); }

void strip_accents(std::vector<std::int32_t>& text) {
  if (std::all_of(text.begin(), text.end(), [](std::int32_t c) { return c < 0x80; })) return;
  std::vector<std::int32_t> decomposed;
  for (const std::int32_t c : text) append_decomposed(c, decomposed);
  order_marks(decomposed);
  std::erase_if(decomposed, is_nonspacing_mark);
  text = std::move(decomposed);
}

void lower_case(std::vector<std::int32_t>& text) {
  // Cased letters of newer Unicode: a run whose lower-case twins lie `shift` further on.
  struct Cased {
    std::int32_t first, last, step, shift;
  };
  constexpr Cased kNewer[] = {{0x1C89, 0x1C89, 1, 1},      {0xA7CB, 0xA7CB, 1, 0x264 - 0xA7CB},
                              {0xA7CC, 0xA7DA, 2, 1},      {0xA7DC, 0xA7DC, 1, 0x19B - 0xA7DC},
                              {0x10D50, 0x10D65, 1, 0x20}, {0x16EA0, 0x16EB8, 1, 0x1B}};
  constexpr std::int32_t kDottedI = 0x130, kDot = 0x307;
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::int32_t& c = text[i];
    if (c == kDottedI) {
      c = 'i';
      text.insert(text.begin() + static_cast<std::ptrdiff_t>(++i), kDot);
    } else if (c < 0x80) {
      c += c >= 'A' && c <= 'Z' ? 'a' - 'A' : 0;
    } else {
      const auto newer = std::find_if(std::begin(kNewer), std::end(kNewer), [c](const Cased& run) {
        return c >= run.first && c <= run.last && (c - run.first) % run.step == 0;
      });
      c = newer == std::end(kNewer) ? utf8proc_tolower(c) : c + newer->shift;
    }
  }
}

}  // namespace dexter
