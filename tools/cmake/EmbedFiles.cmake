# Files as C++: cmake -D OUTPUT=FILE.cc -D FOLDER=DIR -D FILES=a.html,b.css -P EmbedFiles.cmake
string(REPLACE "," ";" names "${FILES}")
set(arrays "")
set(rows "")
set(number 0)
foreach(name IN LISTS names)
  file(READ ${FOLDER}/${name} bytes HEX)
  string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${bytes}")
  string(APPEND arrays "constexpr char k${number}[] = {${bytes}};\n")
  string(APPEND rows "    {\"${name}\", {k${number}, sizeof(k${number})}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE ${OUTPUT} "#include \"engine/web_files.h\"\n\nnamespace dexter {\nnamespace {\n\n${arrays}\n"
  "constexpr WebFile kFiles[] = {\n${rows}};\n\n}  // namespace\n\n"
  "std::span<const WebFile> web_files() { return kFiles; }\n\n}  // namespace dexter\n")
