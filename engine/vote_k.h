#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace dexter {

// The vote-k of Su et al., "Selective Annotation Makes Language Models Better Few-Shot Learners",
// ICLR 2023. Candidate i votes for the candidates votes[i], its nearest; a number of votes.size()
// or more stands for one that was chosen before. In turn the candidate with the most votes is
// chosen, the first of equal ones: a vote counts 10^-c for c choices among the voter's nearest, and
// nothing once the voter is chosen itself. At most k, in the order they are chosen.
std::vector<std::size_t> vote_k(std::span<const std::vector<std::uint32_t>> votes, std::size_t k);

}  // namespace dexter
