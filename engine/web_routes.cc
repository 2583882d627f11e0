// The pages in the binary, and the description of the interface.
#include <algorithm>

#include "encoders/encoder.h"
#include "engine/api_call.h"
#include "engine/api_document.h"
#include "engine/web_files.h"

namespace dexter {
namespace {

std::string type_of(std::string_view name) {
  if (name.ends_with(".html")) return "text/html; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".svg")) return "image/svg+xml";
  if (name.ends_with(".js")) return "text/javascript; charset=utf-8";
  return "application/json";
}

HttpReply file_reply(std::string_view name) {
  const auto files = web_files();
  const auto file = std::find_if(files.begin(), files.end(),
                                 [&](const WebFile& each) { return each.name == name; });
  if (file == files.end()) return problem(404, "there is no such file");
  return {.content_type = type_of(name),
          .body = std::string(file->bytes),
          .headers = {{"Cache-Control", "no-cache"},
                      {"Content-Security-Policy",
                       "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
                       "connect-src 'self'; base-uri 'none'; form-action 'none'; "
                       "frame-ancestors 'none'"},
                      {"Referrer-Policy", "no-referrer"},
                      {"X-Content-Type-Options", "nosniff"}}};
}

}  // namespace

void answer_interface(const std::shared_ptr<ApiCall>& call) {
  const DocumentFacts facts{.version = call->parts.version,
                            .options = call->parts.options,
                            .dim = call->parts.engine()->encoder().dim(),
                            .keys_wanted = call->parts.keys.wanted()};
  call->reply({.body = api_document(api_routes(), facts)});
}

void answer_docs(const std::shared_ptr<ApiCall>& call) { call->reply(file_reply("docs.html")); }
void answer_page(const std::shared_ptr<ApiCall>& call) { call->reply(file_reply("page.html")); }
void answer_web_file(const std::shared_ptr<ApiCall>& call) {
  call->reply(file_reply(call->argument));
}

}  // namespace dexter
