// Vectors of texts: /v1/embed, and the same behind the interfaces of OpenAI (/v1/embeddings) and of
// text-embeddings-inference (/embed).
#include <bit>
#include <cmath>
#include <numeric>

#include <spdlog/fmt/fmt.h>

#include "encoders/encoder.h"
#include "engine/api_call.h"
#include "engine/json_fields.h"
#include "engine/json_text.h"
#include "storage/error.h"

namespace dexter {
namespace {

// How vectors are written.
struct VectorShape {
  int dims = 0;
  bool base64 = false;
};

void append_base64(std::string& out, std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](std::size_t at) {
      return at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0u;
    };
    const unsigned group = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    for (std::size_t digit = 0; digit < 4; ++digit)
      out += i + digit > bytes.size() ? '=' : kDigits[group >> (18 - 6 * digit) & 63];
  }
}

// The leading values, a unit vector again where they are not all.
std::vector<float> shortened(std::span<const float> row, int dims) {
  std::vector<float> result(row.begin(), row.begin() + dims);
  if (result.size() == row.size()) return result;
  const float square = std::inner_product(result.begin(), result.end(), result.begin(), 0.0f);
  for (float& each : result) each = square > 0 ? each / std::sqrt(square) : 0;
  return result;
}

void append_vector(std::string& out, std::span<const float> row, const VectorShape& shape) {
  const std::vector<float> values = shortened(row, shape.dims);
  if (shape.base64) {
    static_assert(std::endian::native == std::endian::little, "clients read little-endian floats");
    out += '"';
    append_base64(out, {reinterpret_cast<const char*>(values.data()), values.size() * 4});
    out += '"';
    return;
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    out += i == 0 ? '[' : ',';
    append_json(out, values[i]);
  }
  out += ']';
}

void append_vectors(std::string& out, const EmbeddingMatrix& vectors, const VectorShape& shape) {
  for (std::size_t i = 0; i < vectors.rows(); ++i) {
    out += i == 0 ? '[' : ',';
    append_vector(out, vectors.row(i), shape);
  }
  out += ']';
}

VectorShape shape_of(const ApiCall& call, JsonFields& fields) {
  const int dim = call.parts.engine()->encoder().dim();
  return {.dims = static_cast<int>(fields.whole("dimensions", 1, dim).value_or(dim))};
}

// The texts of a field, one or many, as work that is only encoded.
QueryWork encoding_of(const ApiCall& call, JsonFields& fields, std::string_view name) {
  const ServeOptions& options = call.parts.options;
  QueryWork work = work_of(call, std::nullopt);
  auto texts = fields.text_or_texts(name, static_cast<std::size_t>(options.max_texts),
                                    static_cast<std::size_t>(options.text_bytes));
  ensure(
      texts.has_value(), ErrorKind::kInvalidInput,
      fmt::format("reading the request: '{}' is missing; give it a text or a list of texts", name));
  work.texts = std::move(*texts);
  work.k = 0;
  return work;
}

std::size_t count_words(std::span<const std::string> texts) {
  std::size_t words = 0;
  for (const std::string& text : texts) {
    bool in_word = false;
    for (const char c : text) {
      const bool is_space = c == ' ' || (c >= '\t' && c <= '\r');
      words += !is_space && !in_word;
      in_word = !is_space;
    }
  }
  return words;
}

std::string model_of(const Encoder& encoder) {
  return fmt::format("dexter-{}-{}", encoder.kind(), encoder.fingerprint());
}

HttpReply openai_reply(const QueryAnswer& answer, const VectorShape& shape, std::size_t words) {
  HttpReply reply;
  reply.body = R"({"object":"list","data":[)";
  for (std::size_t i = 0; i < answer.vectors.rows(); ++i) {
    reply.body +=
        fmt::format(R"({}{{"object":"embedding","index":{},"embedding":)", i > 0 ? "," : "", i);
    append_vector(reply.body, answer.vectors.row(i), shape);
    reply.body += '}';
  }
  reply.body += R"(],"model":)";
  append_json(reply.body, model_of(answer.engine->encoder()));
  reply.body += fmt::format(R"(,"usage":{{"prompt_tokens":{0},"total_tokens":{0}}}}})", words);
  return reply;
}

// OpenAI's clients show the `message` of an error and nothing else.
void add_message(HttpReply& reply) {
  constexpr std::string_view kDetail = R"("detail":)";
  const std::size_t found = reply.body.find(kDetail);
  if (reply.status < 400 || found == std::string::npos) return;
  const std::size_t start = found + kDetail.size();
  const std::string detail = reply.body.substr(start, reply.body.size() - 1 - start);
  reply.body.insert(reply.body.size() - 1, R"(,"message":)" + detail);
}

}  // namespace

void answer_embed(const std::shared_ptr<ApiCall>& call) {
  JsonFields fields(call->request.body);
  const ServeOptions& options = call->parts.options;
  QueryWork work = work_of(*call, fields.whole("timeout_ms", 1, options.timeout_ms));
  work.texts = fields.one_or_many(static_cast<std::size_t>(options.max_texts),
                                  static_cast<std::size_t>(options.text_bytes));
  work.k = 0;
  const VectorShape shape = shape_of(*call, fields);
  fields.end();
  submit_query(call, std::move(work), [shape](QueryAnswer& answer) {
    HttpReply reply;
    reply.body = fmt::format(R"({{"generation":{},"vectors":)", answer.engine->generation());
    append_vectors(reply.body, answer.vectors, shape);
    reply.body += '}';
    return reply;
  });
}

void answer_openai_embeddings(const std::shared_ptr<ApiCall>& call) {
  constexpr std::size_t kLongestName = 256;
  call->reply = [reply = std::move(call->reply)](HttpReply&& made) {
    add_message(made);
    reply(std::move(made));
  };
  JsonFields fields(call->request.body);
  QueryWork work = encoding_of(*call, fields, "input");
  VectorShape shape = shape_of(*call, fields);
  fields.text("model", kLongestName);  // any: there is one
  fields.text("user", kLongestName);
  const std::string format = fields.text("encoding_format", kLongestName).value_or("float");
  ensure(format == "float" || format == "base64", ErrorKind::kInvalidInput,
         "reading the request: 'encoding_format' is neither 'float' nor 'base64'; leave it out for "
         "float");
  fields.end();
  shape.base64 = format == "base64";
  const std::size_t words = count_words(work.texts);
  submit_query(call, std::move(work),
               [shape, words](QueryAnswer& answer) { return openai_reply(answer, shape, words); });
}

void answer_inference_embed(const std::shared_ptr<ApiCall>& call) {
  JsonFields fields(call->request.body);
  QueryWork work = encoding_of(*call, fields, "inputs");
  const VectorShape shape = shape_of(*call, fields);
  fields.flag("truncate");  // what an encoder does not read of a text it always leaves out
  ensure(!fields.has("normalize") || fields.flag("normalize"), ErrorKind::kInvalidInput,
         "reading the request: 'normalize' is false, but every vector here is a unit vector; leave "
         "it out");
  fields.end();
  submit_query(call, std::move(work), [shape](QueryAnswer& answer) {
    HttpReply reply;
    append_vectors(reply.body, answer.vectors, shape);
    return reply;
  });
}

}  // namespace dexter
