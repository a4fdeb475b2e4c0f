// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "contract.hpp"

namespace vcf {
namespace fs = std::filesystem;
namespace {

/** DICOM PS3.10 section 7.1, or a data set without preamble that begins in group 2 or 8. */
bool looks_like_dicom(const std::string& b) {
  if (b.size() >= 132 && b.compare(128, 4, "DICM") == 0) return true;
  if (b.size() < 4 || b[1] != 0 || b[3] != 0) return false;
  return b[0] == 2 ? b[2] == 0 : b[0] == 8 && std::string("\x00\x01\x05\x08\x16", 5).find(b[2]) != std::string::npos;
}

Error refused(const std::string& code, const std::string& sentence) { return Error(code, sentence, Retry::never, true); }

}  // namespace

std::pair<std::string, int> read_study(const std::string& path) {
  const auto& limits = contract()["limits"];
  fs::path study(path);
  std::string name = study.filename().string();
  std::transform(name.begin(), name.end(), name.begin(), ::toupper);
  if (name == "DICOMDIR") study = fs::absolute(study).parent_path();
  std::error_code failed;
  std::vector<fs::path> paths;
  if (fs::is_directory(study, failed)) {
    const auto skip = fs::directory_options::skip_permission_denied;
    for (fs::recursive_directory_iterator entry(study, skip, failed), end; entry != end; entry.increment(failed)) {
      if (failed || !entry->is_regular_file(failed)) continue;  // what cannot be read is passed over
      if (paths.size() == limits["files"]) throw refused("BAD_INPUT", "the folder holds too many files; give the folder of one study");
      paths.push_back(entry->path());
    }
  } else if (fs::is_regular_file(study, failed)) {
    paths.push_back(study);
  } else {
    throw refused("NO_IMAGES", "the input cannot be opened; a readable folder or file is accepted");
  }
  std::sort(paths.begin(), paths.end());
  std::string content;
  int count = 0;
  for (const auto& each : paths) {
    std::ifstream file(each, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    if (!looks_like_dicom(bytes)) continue;
    const bool fits = content.size() + bytes.size() + 4096 <= limits["message_bytes"].get<std::size_t>();
    if (!fits) throw refused("TOO_LARGE", "the files have more than the 2 GiB of a message");
    for (int byte = 0; byte < 4; ++byte) content.push_back(static_cast<char>(bytes.size() >> 8 * byte));  // 32 bits, little-endian
    content += bytes;
    ++count;
  }
  if (count == 0) throw refused("NOT_DICOM", "no DICOM file was found; a DICOM series of CT slices is accepted");
  return {std::move(content), count};
}

}  // namespace vcf
