#pragma once

#include <string>
#include <vector>

namespace dexter {

// Options of the transformer encoder, each described once by `visit`.
struct TransformerOptions {
  std::string weights = {};       // folder of the checkpoint
  std::string pooling = "auto";   // auto, or a name of Pooling
  int max_tokens = 0;             // of a text, the frame counted; 0: what the checkpoint says
  std::string towers = "shared";  // or separate
  int projection = 0;             // dimensions of a learnt map after pooling; 0: the checkpoint's
  int dim = 0;                    // leading dimensions kept of a vector; 0: all
  std::string prefix_dims = {};   // numbers with commas between, each less than `dim`
  std::string document_prefix = {}, label_prefix = {};
  std::string precision = "float32";  // float32 or bfloat16
  std::string device = "auto";        // auto, cpu or cuda
  double learning_rate = 1e-4;
  double weight_decay = 0.01;
  double dropout = 0;
  double average = 0;       // decay of the parameters' moving average; 0 for none
  double clip = 1;          // largest norm of a step's gradient; 0 for none
  int chunk_tokens = 4096;  // encoded with their graph at once
  bool stale_labels = false;
  bool separate() const { return towers == "separate"; }
  std::vector<int> prefixes() const;  // prefix_dims as numbers; kInvalidInput where they are none
  void validate() const;              // kInvalidInput naming the option, its value and its range
};

template <class Visitor>
void visit(Visitor& v, TransformerOptions& o) {
  v("weights", o.weights,
    "folder of a BERT-family checkpoint: config.json, model.safetensors, tokenizer.json or "
    "vocab.txt");
  v("pooling", o.pooling,
    "a text's vector out of its tokens': mean, cls, last or max of the last layer's; layers, a "
    "learnt weighted mean of every layer's means, or attention, learnt queries over them; auto "
    "takes the checkpoint's own, else mean");
  v("max_tokens", o.max_tokens, "tokens of a text at most; 0 for what the checkpoint says");
  v("towers", o.towers,
    "shared: documents, queries and labels go through one network; separate: labels through "
    "another, which begins with the same weights, for twice the memory of training and of the "
    "store");
  v("projection", o.projection,
    "dimensions of a learnt linear map of the pooled vector, at first to its leading ones; 0 for "
    "the checkpoint's own, if it has one");
  v("dim", o.dim, "leading dimensions of a vector that are kept; 0 for all");
  v("prefix_dims", o.prefix_dims,
    "with any loss but in_batch and triplet: numbers of leading dimensions, with commas between, "
    "that shall work alone as well (Matryoshka), so that vectors may be cut later; empty for none");
  v("document_prefix", o.document_prefix, "put before every document and query");
  v("label_prefix", o.label_prefix, "put before every label");
  v("precision", o.precision,
    "of the products of encoding and training: float32, or bfloat16 at three times the rate where "
    "the processor has it");
  v("device", o.device, "auto (the GPU where one is there), cpu or cuda");
  v("learning_rate", o.learning_rate, "AdamW's; rises over train.warmup, then falls linearly to 0");
  v("weight_decay", o.weight_decay, "AdamW's, of matrices; biases and normalisations have none");
  v("dropout", o.dropout, "probability, in training, of hidden states and attention");
  v("average", o.average,
    "decay of a moving average of the parameters, 0.999 say, which is validated and saved in their "
    "place; 0 for none");
  v("clip", o.clip, "gradients of a step are scaled down to this norm; 0 for none");
  v("stale_labels", o.stale_labels,
    "a step encodes only the labels of its documents, with their train.hard_negatives, and scores "
    "them beside all others of the pool as they were encoded when the epoch began");
  v("chunk_tokens", o.chunk_tokens,
    "tokens encoded with their graph at once: memory of training against its speed; halved, with a "
    "warning, where memory runs out");
}

}  // namespace dexter
