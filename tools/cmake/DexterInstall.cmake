# What `cmake --install` leaves: bin/dexter, the libraries, the headers that a program of yours may include, and the
# package config that find_package(dexter) reads.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(dexter_package ${CMAKE_INSTALL_LIBDIR}/cmake/dexter)
install(TARGETS dexter RUNTIME)
install(EXPORT dexter NAMESPACE dexter:: FILE dexterTargets.cmake DESTINATION ${dexter_package})
# The headers for programs of yours; what else the folders hold is inner and may change at any time.
foreach(header IN ITEMS
    storage/catalog.h storage/changes.h storage/corpus_reader.h storage/corpus_writer.h storage/embedding_matrix.h storage/error.h
    storage/importer.h storage/manifest.h storage/progress.h storage/section_file.h storage/types.h
    index/id_set.h index/vector_index.h
    encoders/encoder.h encoders/encoder_options.h encoders/feedback_trainer.h encoders/loss_options.h encoders/merge.h encoders/process_group.h encoders/teacher.h encoders/trainer.h encoders/trainer_options.h
    encoders/transformer_options.h encoders/validation.h
    engine/bm25.h engine/demo_bank.h engine/demo_choice.h engine/demo_feedback.h engine/demo_index.h engine/demo_labeller.h engine/demo_labelling.h engine/demo_prompt.h engine/demo_retriever.h
    engine/demo_scorer.h engine/demo_strategies.h engine/device_options.h engine/language_model.h engine/retrieval_metrics.h
    engine/changed_labels.h engine/config.h engine/document_options.h engine/evaluator.h engine/history.h engine/live_store.h engine/merging.h engine/metrics.h
    engine/offline.h engine/report.h engine/retrieval_engine.h engine/self_training.h engine/serve_options.h)
  get_filename_component(folder ${header} DIRECTORY)
  install(FILES ${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/dexter/${folder})
endforeach()
write_basic_package_version_file(${PROJECT_BINARY_DIR}/dexterConfigVersion.cmake COMPATIBILITY SameMinorVersion)
configure_package_config_file(${PROJECT_SOURCE_DIR}/tools/cmake/dexterConfig.cmake.in
  ${PROJECT_BINARY_DIR}/dexterConfig.cmake INSTALL_DESTINATION ${dexter_package})
install(FILES
  ${PROJECT_BINARY_DIR}/dexterConfig.cmake ${PROJECT_BINARY_DIR}/dexterConfigVersion.cmake
  ${PROJECT_SOURCE_DIR}/tools/cmake/DexterDependencies.cmake ${PROJECT_SOURCE_DIR}/tools/cmake/DexterCuda.cmake
  DESTINATION ${dexter_package})
