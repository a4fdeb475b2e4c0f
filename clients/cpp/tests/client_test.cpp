// SPDX-License-Identifier: Apache-2.0
// The client against a server in this process, and what of it needs none.
#include <grpcpp/grpcpp.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>

#include "contract.hpp"

namespace fs = std::filesystem;

#define CHECK(condition)                                                                   \
  if (!(condition)) {                                                                      \
    std::cerr << __FILE__ << ":" << __LINE__ << ": not so: " << #condition << std::endl;   \
    std::exit(1);                                                                          \
  }

namespace {

/** Gives an answer, or the error that a test asks for, and counts. */
struct Fake : inference::GRPCInferenceService::Service {
  grpc::Status status;
  std::string version = vcf::contract()["version"];
  inference::ModelInferResponse answer;
  inference::ModelInferRequest request;
  int asked = 0, busy = 0;

  grpc::Status ModelConfig(grpc::ServerContext*, const inference::ModelConfigRequest*, inference::ModelConfigResponse* response) override {
    (*response->mutable_config()->mutable_parameters())["contract_version"].set_string_value(version);
    return grpc::Status::OK;
  }

  grpc::Status ModelInfer(grpc::ServerContext*, const inference::ModelInferRequest* asked_for, inference::ModelInferResponse* response) override {
    ++asked;
    request = *asked_for;
    if (busy-- > 0) return {grpc::UNAVAILABLE, "[request id: x] Exceeds maximum queue size"};
    *response = answer;
    return status;
  }
};

template <typename T>
std::string raw(std::vector<T> values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

std::string element(const std::string& text) { return raw<std::uint32_t>({static_cast<std::uint32_t>(text.size())}) + text; }

void add(inference::ModelInferResponse& to, const std::string& name, const std::string& dtype, std::vector<int> shape, const std::string& bytes) {
  auto* output = to.add_outputs();
  output->set_name(name);
  output->set_datatype(dtype);
  for (int extent : shape) output->add_shape(extent);
  to.add_raw_output_contents(bytes);
}

/** Two patches, the second suspected, in a frame that is turned by 90 degrees about the patient's z. */
inference::ModelInferResponse an_answer() {
  inference::ModelInferResponse answer;
  answer.set_model_version("1");
  add(answer, "study_score", "FP32", {1}, raw<float>({0.7f}));
  add(answer, "threshold", "FP32", {1}, raw<float>({0.7f}));
  add(answer, "patch_probabilities", "FP32", {2}, raw<float>({0.1f, 0.9f}));
  add(answer, "patch_scores", "FP32", {2}, raw<float>({0.3f, 0.7f}));
  add(answer, "patch_boxes_mm", "FP32", {2, 6}, raw<float>({1, 2, 30, 4, 6, 60, 1, 2, 0, 4, 6, 30}));
  add(answer, "location", "FP32", {2}, raw<float>({0.25f, 0.75f}));
  add(answer, "model_hash", "BYTES", {1}, element(std::string(64, 'f')));
  add(answer, "stage_timings_ms", "FP32", {2}, raw<float>({1, 2}));
  add(answer, "centre_line_mm", "FP32", {1, 3}, raw<float>({2.5f, 4, 0.125f}));
  add(answer, "flags", "BYTES", {2}, element("CANAL_INTERPOLATED") + element("THICK_SLICES"));
  add(answer, "patient_affine", "FP64", {4, 4}, raw<double>({0, -1, 0, 10, 1, 0, 0, 20, 0, 0, 1, -300, 0, 0, 0, 1}));
  add(answer, "series_uid", "BYTES", {1}, element("1.2.3"));
  add(answer, "study_flags", "BYTES", {1}, element("THICK_SLICES"));
  add(answer, "selection", "BYTES", {0}, "");
  return answer;
}

std::string code_of(vcf::Client& client, const std::string& study) {
  try {
    client.analyze(study);
  } catch (const vcf::Error& error) {
    return error.code;
  }
  return "";
}

}  // namespace

int main() {
  const fs::path folder = fs::temp_directory_path() / ("vcf-cpp-" + std::to_string(std::random_device{}()));
  fs::create_directories(folder / "below");
  std::ofstream(folder / "a", std::ios::binary) << std::string(128, '\0') << "DICMfirst";
  std::ofstream(folder / "below" / "b", std::ios::binary) << std::string(128, '\0') << "DICMsecond";
  std::ofstream(folder / "notes.txt") << "no DICOM";
  setenv("VCF_HASH_KEY", "secret", 1);

  Fake fake;
  fake.answer = an_answer();
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&fake);
  const auto server = builder.BuildAndStart();
  const std::string address = "127.0.0.1:" + std::to_string(port);

  vcf::Options options;
  options.deadline_s = 20;
  options.age_policy = "block";
  vcf::Client client({address}, options);
  const vcf::Findings found = client.analyze(folder);
  CHECK(fake.request.raw_input_contents(0) == element(std::string(128, '\0') + "DICMfirst") + element(std::string(128, '\0') + "DICMsecond"));
  CHECK(fake.request.inputs(0).shape(0) == 2);
  CHECK(fake.request.parameters().at("timeout").int64_param() <= 20'000'000);
  CHECK(fake.request.parameters().at("age_policy").string_param() == "block");
  CHECK(found.study_score == 0.7 && found.threshold == 0.7 && found.positive);
  CHECK(!found.patches[0].positive && found.patches[1].positive && found.patches[1].probability == 0.9);
  CHECK((found.patches[0].box_mm == std::array<vcf::Point, 2>{vcf::Point{4, 21, -270}, vcf::Point{8, 24, -240}}));
  CHECK((found.centre_line_mm[0] == vcf::Point{6, 22.5, -299.88}));
  CHECK((found.flags == std::vector<std::string>{"THICK_SLICES", "CANAL_INTERPOLATED"}));
  // Python: hmac.new(b"secret", b"1.2.3", "sha256").hexdigest()[:16]
  CHECK(found.series_id == "48df62b60b2d7da8");

  fake.asked = 0;
  fake.busy = 2;
  CHECK(code_of(client, folder).empty() && fake.asked == 3);

  const std::vector<std::tuple<grpc::StatusCode, std::string, std::string>> errors{
      {grpc::INVALID_ARGUMENT, "in ensemble 'vcf_dicom', TOO_SHORT: 3 slices\n\nAt: x", "TOO_SHORT"},
      {grpc::INTERNAL, "SOME_THING: out of memory", "SERVER_FAILED"},
      {grpc::CANCELLED, "DEADLINE_EXCEEDED: no time left", "DEADLINE_EXCEEDED"},
      {grpc::UNAVAILABLE, "This protocol is restricted, expecting header 'triton-grpc-protocol-k'", "ACCESS_DENIED"},
      {grpc::INTERNAL, "Stub process is not healthy", "SERVER_FAILED"}};
  for (const auto& [status, text, code] : errors) {
    fake.asked = 0;
    fake.status = {status, text};
    CHECK(code_of(client, folder) == code);
    CHECK(fake.asked == 1);
  }
  fake.status = grpc::Status::OK;
  fake.answer.mutable_outputs(0)->set_datatype("FP64");
  CHECK(code_of(client, folder) == "SERVER_FAILED");
  fake.answer = an_answer();
  fake.answer.set_raw_output_contents(0, raw<float>({std::nanf("")}));
  CHECK(code_of(client, folder) == "SERVER_FAILED");

  fake.version = "99.0.0";
  fake.asked = 0;
  vcf::Client other({address}, options);
  CHECK(code_of(other, folder) == "CONTRACT_DIFFERS" && fake.asked == 0);

  vcf::Options hasty = options;
  hasty.attempts = 2;
  vcf::Client gone({"127.0.0.1:1"}, hasty);
  CHECK(code_of(gone, folder) == "SERVER_UNAVAILABLE");
  CHECK(code_of(client, folder / "notes.txt") == "NOT_DICOM");
  CHECK(code_of(client, folder / "nowhere") == "NO_IMAGES");

  server->Shutdown();
  fs::remove_all(folder);
  std::cout << "all is well" << std::endl;
  return 0;
}
