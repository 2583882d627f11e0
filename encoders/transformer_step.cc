// A step of a loss through a transformer, chunk by chunk.
#include <algorithm>
#include <memory>
#include <numeric>

#include "encoders/transformer_device.h"
#include "encoders/transformer_learner_impl.h"

namespace dexter {

// One step's losses and gradients.
class TransformerLearner::LossStep {
 public:
  LossStep(Impl& impl, const LossBatch& batch)
      : impl_(impl), batch_(batch), documents_from_(batch.labels.size() + 1) {
    for (const auto& own : batch.positives)
      for (const std::uint32_t column : own) ++documents_from_[column + 1];
    std::partial_sum(documents_from_.begin(), documents_from_.end(), documents_from_.begin());
    documents_of_.resize(documents_from_.back());
    std::vector<std::uint32_t> next(documents_from_.begin(), documents_from_.end() - 1);
    for (std::uint32_t i = 0; i < batch.documents.size(); ++i)
      for (const std::uint32_t column : batch.positives[i]) documents_of_[next[column]++] = i;
  }

  double run() {
    const auto reduce = [this](at::Tensor& tensor, StreamedLoss::Reduction reduction) {
      impl_.reduce(tensor, reduction);
    };
    const auto [first, last] = impl_.part_of(batch_.documents.size());
    impl_.begin(kDocuments, batch_.document_texts, batch_.documents.subspan(first, last - first),
                batch_.seed);
    const auto [first_label, last_label] = impl_.part_of(batch_.labels.size());
    first_document_ = first;
    first_label_ = first_label;
    impl_.begin(kLabels, batch_.label_texts,
                batch_.labels.subspan(first_label, last_label - first_label), batch_.seed);
    const std::size_t chunks = impl_.passes[kLabels].chunks.size();
    at::Tensor documents;
    impl_.together([&] { documents = document_vectors(); });
    impl_.reduce(documents, StreamedLoss::Reduction::kSum);
    impl_.together([&] {
      begin_losses(documents);
      for (std::size_t i = 0; i < chunks; ++i) {
        const at::Tensor vectors = impl_.first_vectors(kLabels, i);
        for (Loss& loss : losses_) loss.streamed->add(chunk_of(i, prefix_of(vectors, loss.dim)));
      }
    });
    double mean = 0;
    for (Loss& loss : losses_) mean += loss.streamed->finish(reduce);
    impl_.together([&] {
      for (std::size_t i = 0; i < chunks; ++i)
        pass_back(impl_.second_vectors(kLabels, i), [&](Loss& loss, const at::Tensor& vectors) {
          return loss.streamed->gradient(chunk_of(i, vectors));
        });
    });
    for (Loss& loss : losses_)
      impl_.reduce(loss.streamed->document_gradient(), StreamedLoss::Reduction::kSum);
    impl_.together([&] { pass_back_documents(); });
    for (Impl::Pass& pass : impl_.passes) pass = {};
    return mean / static_cast<double>(losses_.size());
  }

 private:
  // Of vectors cut to their first `dim` dimensions.
  struct Loss {
    int dim;
    std::unique_ptr<StreamedLoss> streamed;
  };

  static at::Tensor prefix_of(const at::Tensor& vectors, int dim) {
    if (dim == vectors.size(1)) return vectors;
    const at::Tensor part = vectors.narrow(1, 0, dim);
    return part / part.norm(2, 1, /*keepdim=*/true).clamp_min(1e-12);
  }

  void begin_losses(const at::Tensor& documents) {
    const auto type = impl_.options.precision == Precision::kBfloat16 ? at::kBFloat16 : at::kFloat;
    std::vector<int> dims = impl_.options.prefix_dims;
    dims.push_back(impl_.options.dim);
    StreamedLoss::Step step{.documents = {},
                            .positives = counts(),
                            .labels = static_cast<std::int64_t>(batch_.labels.size()),
                            .type = type};
    for (const std::span<const float> added : {batch_.offsets, batch_.adjustments})
      for (const float offset : added) {
        step.lowest_offset = std::min(step.lowest_offset, static_cast<double>(offset));
        step.highest_offset = std::max(step.highest_offset, static_cast<double>(offset));
      }
    for (const int dim : dims) {
      step.documents = prefix_of(documents, dim);
      losses_.push_back({dim, make_streamed_loss(batch_.loss, step)});
    }
  }

  // The mean of the losses' gradients, `gradient(loss, prefixes)`, through `vectors`.
  template <class Gradient>
  void pass_back(const at::Tensor& vectors, const Gradient& gradient) {
    at::Tensor total = at::zeros({}, vectors.options());
    for (Loss& loss : losses_) {
      const at::Tensor prefix = prefix_of(vectors, loss.dim);
      total = total + (prefix * gradient(loss, prefix.detach())).sum();
    }
    (total / static_cast<double>(losses_.size())).backward();
  }

  // Places of a chunk in the whole step, where its side's part begins at `first`.
  at::Tensor places(const Impl::Rows& chunk, std::size_t first) const {
    std::vector<std::int64_t> all;
    for (const std::uint32_t place : chunk) all.push_back(static_cast<std::int64_t>(first + place));
    return on<std::int64_t>(impl_.device(), all);
  }

  at::Tensor counts() const {
    std::vector<double> counts;
    for (const auto& own : batch_.positives) counts.push_back(static_cast<double>(own.size()));
    return on<double>(impl_.device(), counts);
  }

  // Of this process's part, 0 elsewhere. [documents x dim]
  at::Tensor document_vectors() {
    at::Tensor all =
        at::zeros({static_cast<std::int64_t>(batch_.documents.size()), impl_.options.dim},
                  at::TensorOptions(impl_.device()).dtype(at::kFloat));
    const std::vector<Impl::Rows>& chunks = impl_.passes[kDocuments].chunks;
    for (std::size_t i = 0; i < chunks.size(); ++i)
      all.index_copy_(0, places(chunks[i], first_document_), impl_.first_vectors(kDocuments, i));
    return all;
  }

  void pass_back_documents() {
    const std::vector<Impl::Rows>& chunks = impl_.passes[kDocuments].chunks;
    for (std::size_t i = 0; i < chunks.size(); ++i) {
      const at::Tensor rows = places(chunks[i], first_document_);
      pass_back(impl_.second_vectors(kDocuments, i), [&](Loss& loss, const at::Tensor&) {
        return loss.streamed->document_gradient().index_select(0, rows);
      });
    }
  }

  StreamedLoss::Chunk chunk_of(std::size_t chunk, const at::Tensor& vectors) const {
    const at::Device device = impl_.device();
    std::vector<std::int64_t> rows, columns;
    std::vector<float> offsets, adjustments;
    for (std::int64_t column = 0; const std::uint32_t place : impl_.passes[kLabels].chunks[chunk]) {
      const std::size_t label = first_label_ + place;
      rows.insert(rows.end(), documents_of_.begin() + documents_from_[label],
                  documents_of_.begin() + documents_from_[label + 1]);
      columns.resize(rows.size(), column++);
      if (!batch_.offsets.empty()) offsets.push_back(batch_.offsets[label]);
      if (!batch_.adjustments.empty()) adjustments.push_back(batch_.adjustments[label]);
    }
    return {vectors, on<std::int64_t>(device, rows), on<std::int64_t>(device, columns),
            offsets.empty() ? at::Tensor() : on<float>(device, offsets),
            adjustments.empty() ? at::Tensor() : on<float>(device, adjustments)};
  }

  Impl& impl_;
  const LossBatch& batch_;
  std::size_t first_document_ = 0, first_label_ = 0;  // of this process's parts
  std::vector<Loss> losses_;
  // By column the documents that have it as a positive: from documents_from_[column] on.
  std::vector<std::uint32_t> documents_from_, documents_of_;
};

double TransformerLearner::loss_step(const LossBatch& batch) {
  return LossStep(*impl_, batch).run();
}

}  // namespace dexter
