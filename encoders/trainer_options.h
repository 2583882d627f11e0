#pragma once

#include <cstdint>
#include <string>

#include "encoders/encoder_options.h"
#include "encoders/loss_options.h"

namespace dexter {

// Options of training, each described once by its `visit`. Defaults are those chosen on the
// validation part of a corpus of 590,000 titles and 27,754 labels.

struct TrainerOptions {
  int epochs = 3;
  int pretrain_epochs = 0;  // over guessed labels alone, before
  int batch = 2048;
  int hard_negatives =
      0;  // per positive: the labels most alike to it, found anew before every epoch but the first
  int negatives = 4096;  // labels sampled per batch beside its positives; 0 for all labels
  std::string batches = "shuffled";  // or clustered
  int cluster = 32;                  // alike documents that clustered batches hold together
  std::string mixing = "as_is";      // or aligned: see BandMixture
  double mixing_rate = 2;
  int mixing_steps = 20;        // between two measurements of gradients
  double learning_rate = 0.01;  // of the embedding tables
  double network_learning_rate = 0.001;
  double warmup = 0.02;  // share of all steps
  double feature_dropout = 0.1;
  bool label_documents = true;  // each label's text is also a document that carries it
  bool free_vectors = true;
  int free_cluster = 0;  // labels that share one more free vector; 0 for none
  double validation_fraction = 0.02;
  int validation_documents = 20000;  // at most
  int patience = 2;  // epochs without a better validation nDCG@5 before stopping, of which the best
                     // is kept; 0 never stops and keeps the last
  double checkpoint_seconds =
      120;  // least time between two checkpoints; each is taken at an epoch's end
  std::uint64_t seed = 1;
  void validate() const;
};

template <class Visitor>
void visit(Visitor& v, TrainerOptions& o) {
  v("epochs", o.epochs,
    "passes over the training documents; 0 keeps a transformer as it is, and a bag as it was drawn "
    "at random");
  v("pretrain_epochs", o.pretrain_epochs,
    "first so many passes over the documents that self_train.documents gives labels, alone; 0 puts "
    "them among the training documents");
  v("batch", o.batch, "documents per step");
  v("negatives", o.negatives, "labels sampled per step beside the batch's own; 0 for all labels");
  v("batches", o.batches,
    "shuffled, or clustered: from the second epoch on a batch is made of clusters of alike "
    "documents, so that their labels are each other's hard negatives (for in_batch and triplet; "
    "takes the vectors of all documents in memory)");
  v("cluster", o.cluster, "documents of a cluster");
  v("mixing", o.mixing,
    "bag: as_is, every document once an epoch; or aligned, documents of rare (up to 5 training "
    "documents), middling (up to 50) and frequent labels as often as their gradient points where "
    "that of held-out documents with a rare label does");
  v("mixing_rate", o.mixing_rate, "how far one measurement moves the shares of aligned mixing");
  v("mixing_steps", o.mixing_steps, "steps between two measurements of aligned mixing");
  v("learning_rate", o.learning_rate, "Adam's, of the embedding tables; falls linearly to 0");
  v("network_learning_rate", o.network_learning_rate, "Adam's, of the residual layers");
  v("warmup", o.warmup, "share of the steps in which the learning rate rises");
  v("feature_dropout", o.feature_dropout, "share of a document's features left out at each step");
  v("label_documents", o.label_documents,
    "each label's text is also a training document that carries the label");
  v("hard_negatives", o.hard_negatives,
    "per positive, labels most alike to it that its step is trained against, mined before every "
    "epoch but the first");
  v("free_vectors", o.free_vectors,
    "bag: a learnt vector per label with training documents beside its text");
  v("free_cluster", o.free_cluster,
    "bag: so many labels alike, found after the first epoch, share one more learnt vector, whether "
    "they have training documents or not; 0 for none");
  v("validation_fraction", o.validation_fraction, "share of the training documents held out");
  v("validation_documents", o.validation_documents,
    "held-out documents scored after an epoch, at most");
  v("patience", o.patience,
    "epochs without a better validation nDCG@5 before stopping, of which the best is kept; 0 never "
    "stops and keeps the last");
  v("checkpoint_seconds", o.checkpoint_seconds, "least seconds between two checkpoints");
  v("seed", o.seed, "seed of initial values, order and sampling");
}

}  // namespace dexter
