// SPDX-License-Identifier: Apache-2.0
// One study to running servers; its findings, or the error, as JSON to the standard output.
#include <fstream>
#include <iostream>
#include <iterator>

#include "vcf/client.hpp"

namespace {

constexpr int kSetup = 1, kRefused = 2, kServer = 3, kUsage = 64;

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::invalid_argument(path + " cannot be read");
  return {std::istreambuf_iterator<char>(file), {}};
}

int usage() {
  std::cerr << "usage: vcf-analyze STUDY [--server HOST:PORT]... [--deadline S] [--attempts N] [--age-policy warn|block]\n"
               "  [--tls-ca PEM] [--tls-cert PEM --tls-key PEM] [--api-key-file FILE]\n"
               "exit codes: 0 analysed, 2 refused, 3 server, 64 wrong usage\n";
  return kUsage;
}

}  // namespace

int main(int count, char** words) {
  std::vector<std::string> studies, servers;
  vcf::Options options;
  try {
    for (int i = 1; i < count; ++i) {
      const std::string word = words[i];
      if (word.rfind("--", 0) != 0) {
        studies.push_back(word);
        continue;
      }
      if (++i == count) return usage();
      const std::string value = words[i];
      if (word == "--server") servers.push_back(value);
      else if (word == "--deadline") options.deadline_s = std::stod(value);
      else if (word == "--attempts") options.attempts = std::stoi(value);
      else if (word == "--age-policy") options.age_policy = value;
      else if (word == "--tls-ca") options.ca = read(value), options.tls = true;
      else if (word == "--tls-cert") options.certificate = read(value), options.tls = true;
      else if (word == "--tls-key") options.key = read(value);
      else if (word == "--api-key-file") options.api_key = read(value), options.api_key.erase(options.api_key.find_last_not_of(" \r\n") + 1);
      else return usage();
    }
    if (studies.size() != 1) return usage();
    vcf::Client client(servers, options);
    std::cout << nlohmann::json(client.analyze(studies[0])).dump(2) << "\n";
    return 0;
  } catch (const vcf::Error& error) {
    std::cout << nlohmann::json{{"error", {{"code", error.code}, {"sentence", error.what()}}}}.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
    return error.refused ? kRefused : kServer;
  } catch (const std::exception& error) {
    std::cerr << "vcf-analyze: " << error.what() << "\n";
    return kSetup;
  }
}
