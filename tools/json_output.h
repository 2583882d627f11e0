#pragma once

#include <string>

namespace boost::json {
class value;
}

namespace dexter {

// JSON on one line. Numbers as people write them, the shortest that reads back to the same value
// (41.2, not 4.12E1); what is not finite becomes null.
std::string json_line(const boost::json::value& value);

// A score to six decimals: a float32 cosine has no more, and 0.812 reads better than 0.81199998.
double rounded(float score);

}  // namespace dexter
