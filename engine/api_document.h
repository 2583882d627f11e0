#pragma once

#include <span>
#include <string>

#include "engine/serve_options.h"

namespace dexter {

struct RouteRow;

// Inner header of the HTTP interface: what a description of it depends on beside its routes.
struct DocumentFacts {
  std::string version;
  ServeOptions options;  // the limits of its requests
  int dim = 0;           // of the encoder's vectors
  bool keys_wanted = false;
};

// The OpenAPI 3.1 document of these routes, as JSON. What each does is read from
// engine/web/api.json, as "METHOD PATH"; what follows from a route's place in the table (statuses
// of refusals, keys, parameters of changes) is added here. A route that is not described there is
// left out.
std::string api_document(std::span<const RouteRow> routes, const DocumentFacts& facts);

}  // namespace dexter
