#pragma once

#include <string>

namespace dexter {

// Options of an encoder's kind and of the bag encoder, each described once by its `visit`. Defaults
// are those chosen on the validation part of a corpus of 590,000 titles and 27,754 labels.
struct EncoderOptions {
  std::string kind = "bag";
  int dim = 768;   // a multiple of 16
  int blocks = 0;  // parts of a vector, each trained by itself; 0: see below
  int hidden = 0;  // width of the residual layer of each side of a block; 0 for none
  bool pairs = true;
  int ngram = 5;           // characters of a character n-gram; 0 for none
  int short_ngram = 3;     // a second, shorter length; 0 for none
  double pair_weight = 1;  // norm of a text's pairs; that of its words is 1
  double ngram_weight = 1.6;
  int min_count = 2;  // texts a feature must occur in to get a row of its own
  int max_features = 1 << 20;
  // `blocks`, or for 0 as many equal blocks of a multiple of 16 dimensions as have at least 256.
  int block_count() const;
  void validate() const;  // kInvalidInput naming the option, its value and its range
};

template <class Visitor>
void visit(Visitor& v, EncoderOptions& o) {
  v("kind", o.kind,
    "encoder: bag (embedding bag of words, word pairs and character n-grams) or transformer (a "
    "pretrained model, options transformer.*)");
  v("dim", o.dim, "dimensions of a vector, a multiple of 16");
  v("blocks", o.blocks,
    "parts of a vector (0: one per 256 dimensions), each trained by itself with its own order and "
    "negatives; the score is the mean of their cosines");
  v("hidden", o.hidden,
    "bag: width of the residual layer of each side of a block, a multiple of 16; 0 for none");
  v("pairs", o.pairs, "bag: pairs of neighbouring words are features");
  v("ngram", o.ngram, "bag: characters of a character n-gram; 0 for none");
  v("short_ngram", o.short_ngram,
    "bag: characters of shorter character n-grams beside them; 0 for none");
  v("pair_weight", o.pair_weight, "bag: weight of a text's pairs beside its words");
  v("ngram_weight", o.ngram_weight, "bag: weight of a text's character n-grams beside its words");
  v("min_count", o.min_count, "bag: texts a feature must occur in");
  v("max_features", o.max_features,
    "bag: rows of the embedding table at most, the most frequent first");
}

}  // namespace dexter
