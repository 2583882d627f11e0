#pragma once

#include <cstddef>
#include <vector>

namespace dexter {

// Inner products of a vector space stay what they are under a rotation, so two encoders trained
// from different random starts may agree but for one.

// The rotation or reflection R [width x width] for which the rows of `from` R lie nearest to those
// of `to`, both [rows x width] (orthogonal Procrustes problem; Schoenemann, 1966).
std::vector<float> rotation_onto(const std::vector<float>& from, const std::vector<float>& to,
                                 std::size_t width);
// Each row of `values` [rows x width] becomes its product with R.
void rotate(std::vector<float>& values, const std::vector<float>& rotation, std::size_t width);

}  // namespace dexter
