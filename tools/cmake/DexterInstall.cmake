# What `cmake --install` leaves: bin/dexter, the libraries, the headers that a program of yours may include, and the
# package config that find_package(dexter) reads.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(dexter_package ${CMAKE_INSTALL_LIBDIR}/cmake/dexter)
install(TARGETS dexter RUNTIME)
install(EXPORT dexter NAMESPACE dexter:: FILE dexterTargets.cmake DESTINATION ${dexter_package})
# Inner headers name LibTorch or FAISS; nobody outside their folder includes them.
install(DIRECTORY storage index encoders engine DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/dexter
  FILES_MATCHING PATTERN "*.h"
  PATTERN tower.h EXCLUDE PATTERN loss.h EXCLUDE PATTERN faiss_backed.h EXCLUDE)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/dexterConfigVersion.cmake COMPATIBILITY SameMinorVersion)
configure_package_config_file(${PROJECT_SOURCE_DIR}/tools/cmake/dexterConfig.cmake.in
  ${PROJECT_BINARY_DIR}/dexterConfig.cmake INSTALL_DESTINATION ${dexter_package})
install(FILES
  ${PROJECT_BINARY_DIR}/dexterConfig.cmake ${PROJECT_BINARY_DIR}/dexterConfigVersion.cmake
  ${PROJECT_SOURCE_DIR}/tools/cmake/DexterDependencies.cmake ${PROJECT_SOURCE_DIR}/tools/cmake/DexterCuda.cmake
  DESTINATION ${dexter_package})
