#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/http_message.h"

namespace dexter {

// Which web pages of other origins may ask from a browser (the Fetch standard's CORS protocol).

// The request's Origin where `origins` names it: "*" for any, or origins such as
// "https://example.org" with commas between. Empty where it does not, or the request has none.
std::string_view allowed_origin(std::string_view origins, const HttpRequest& request);
// The answer to a browser that asks whether it may send a request; nullopt: it asks nothing.
std::optional<HttpReply> preflight_reply(const HttpRequest& request);
// Lets the pages of an allowed origin read a reply.
void allow_origin(std::string_view origin, HttpReply& reply);
// kInvalidInput for what is neither empty, "*", nor a list of origins.
void check_origins(std::string_view origins);

}  // namespace dexter
